from __future__ import annotations

from dataclasses import replace

import pytest
import stablespike as ss
from stablespike.cli.demo import shipped_program
from stablespike.datasets.shipped import NETWORKS
from stablespike.spec.array import PRESETS, ArrayConfig, preset


@pytest.mark.parametrize(
    ("rows", "name"),
    [(16384, "mnist-mlp"), (1024, "mnist-mlp-small"), (768, "mnist-mlp-tiny")],
)
def test_the_largest_network_that_fits(rows: int, name: str) -> None:
    found, program = shipped_program(replace(preset("icebreaker"), weight_rows=rows))
    assert found == name
    assert program.network.input.shape == ((1, 28, 28) if found == "mnist-mlp" else (1, 14, 14))


def test_an_array_with_convolution() -> None:
    found, program = shipped_program("ecp5-85f-conv")
    assert (found, program.steps) == ("mnist-conv", 4)
    assert program.network.layers[0].kind == "conv2d"


@pytest.mark.parametrize("array", PRESETS)
def test_every_preset_holds_one(array: str) -> None:
    other = {
        "hx8k": "mnist-mlp-tiny", "gw1nr-9": "mnist-mlp-small",
        "ecp5-45f-conv": "mnist-conv", "ecp5-85f-conv": "mnist-conv",
        "ecp5-85f-maps": "mnist-conv",
    }
    assert shipped_program(array)[0] == other.get(array, "mnist-mlp")


def test_an_array_that_holds_none() -> None:
    with pytest.raises(ss.DoesNotFit, match="weight"):
        shipped_program(ArrayConfig(weight_rows=64))


def test_they_are_sorted() -> None:
    from stablespike.datasets import shipped_path

    networks = [ss.load(shipped_path(name)) for name in NETWORKS]
    order = [
        (any(isinstance(layer, ss.Conv2d) for layer in each.layers),
         sum(layer.weight.size for layer in each.layers))
        for each in networks
    ]
    assert order == sorted(order, reverse=True)
