"""Spikes of imported networks compared with the frameworks' own neurons, dialect by dialect.

    python benchmarks/dialects.py --out docs/results/dialects.json [--only Norse]

The networks are 24-40-20 with random weights and run on the golden model; the samples are random
spikes with a rate of 0.4. First comes every dialect with weights on a grid, a leak of 1/2 and 4
steps, where nothing is rounded. Rules without an equal are imported with ``approximate=True``.
Norse, and other frameworks where the name of a row says so, go through the NIR graphs they write.
Then follows snnTorch's default neuron with normally distributed weights, other leaks and longer
runs, calibrated on samples of their own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import norse.torch as norse
import numpy as np
import snntorch as snn
import stablespike as ss
import torch
from norse.torch.functional.reset import reset_subtract, reset_value
from norse.torch.utils.export_nir import to_nir as norse_to_nir
from snntorch.export_nir import export_to_nir as snntorch_to_nir
from spikingjelly.activation_based import neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir as spikingjelly_to_nir

SIZES = (24, 40, 20)
SAMPLES, SEEDS = 270, 5
Make = Callable[[bool], torch.nn.Module]
Convert = Callable[..., ss.Network]


def samples(seed: int, steps: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return (batch, steps, inputs) random spikes."""
    return (np.random.default_rng(seed).random((SAMPLES, steps, SIZES[0])) < 0.4).astype(np.int64)


def model(make: Make, seed: int, grid: bool) -> torch.nn.Module:
    """Return a module: Linear, neurons, Linear, neurons."""
    generator = torch.Generator().manual_seed(seed)
    layers: list[torch.nn.Module] = []
    for last, (inputs, outputs) in enumerate(pairwise(SIZES)):
        linear = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            for each in linear.parameters():
                if grid:
                    each.copy_(torch.randint(-8, 8, each.shape, generator=generator) / 8)
                else:
                    each.normal_(0, 0.5, generator=generator)
        layers += [linear, make(bool(last))]
    return torch.nn.Sequential(*layers)


def leaky(kind: Any, last: bool, **settings: Any) -> torch.nn.Module:
    return kind(init_hidden=True, output=last, **settings)


def of_spikingjelly(kind: Any, last: bool, **settings: Any) -> torch.nn.Module:
    return kind(**settings)


class OfNorse(torch.nn.Module):
    """A cell of Norse that keeps its state, which Norse passes as an argument."""

    def __init__(self, cell: torch.nn.Module) -> None:
        super().__init__()
        self.cell = cell
        self.state: Any = None

    def reset(self) -> None:
        self.state = None

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        if self.state is None and isinstance(self.cell, norse.IAFCell):
            self.state = norse.IAFFeedForwardState(v=torch.zeros_like(current))
        spikes, self.state = self.cell(current, self.state)
        return spikes


def of_norse(kind: Any, parameters: Any, last: bool) -> torch.nn.Module:
    return OfNorse(kind(parameters))


def norse_graph(module: torch.nn.Module, shape: tuple[int, ...]) -> Any:
    """Return the graph that Norse writes, with the ``w_in`` of a CubaLIF that it computes with."""
    layers = [each.cell if isinstance(each, OfNorse) else each for each in module]
    graph = norse_to_nir(norse.SequentialState(*layers), torch.rand(1, *shape))
    for node in graph.nodes.values():
        if type(node).__name__ == "CubaLIF":
            node.w_in = np.array(2.0)
    return graph


def snntorch_graph(module: torch.nn.Module, shape: tuple[int, ...]) -> Any:
    return snntorch_to_nir(module, torch.rand(1, *shape), ignore_dims=[0])


def spikingjelly_graph(module: torch.nn.Module, shape: tuple[int, ...]) -> Any:
    return spikingjelly_to_nir(module, torch.rand(1, *shape), dt=1e-4)


def through_nir(
    write: Any, said: dict[str, Any], module: torch.nn.Module, shape: tuple[int, ...],
    **options: Any,
) -> ss.Network:
    return ss.from_nir(write(module, shape), **said, **options)


def nir_dialects() -> dict[str, tuple[Convert, Make]]:
    """Import a module through the NIR graph that its framework writes."""
    half = {"tau_mem_inv": torch.tensor(500.0), "v_th": torch.tensor(0.5)}
    hard = {"reset": "zero", "reset_timing": "same_step"}
    rows: dict[str, tuple[Convert, Make]] = {}

    def add(name: str, write: Any, said: dict[str, Any], make: Make) -> None:
        rows[name] = (partial(through_nir, write, {**hard, **said}), make)

    for reset, method in (("zero", reset_value), ("subtract", reset_subtract)):
        box = norse.LIFBoxParameters(**half, reset_method=method)
        add(
            f"Norse LIFBoxCell, {reset}", norse_graph, {"dt": 1e-6, "reset": reset},
            partial(of_norse, norse.LIFBoxCell, box),
        )
    lif = norse.LIFParameters(**half, tau_syn_inv=torch.tensor(500.0))
    add(
        "Norse LIFCell, w_in corrected", norse_graph, {"dt": 1e-6, "cuba_current": "new"},
        partial(of_norse, norse.LIFCell, lif),
    )
    add(
        "Norse IAFCell", norse_graph, {"dt": 1.0},
        partial(of_norse, norse.IAFCell, norse.IAFParameters(v_th=torch.tensor(0.5))),
    )

    def snntorch_leaky(last: bool) -> torch.nn.Module:
        size = SIZES[2 if last else 1]
        return leaky(
            snn.Leaky, last, beta=torch.full((size,), 0.5), threshold=torch.ones(size),
            reset_mechanism="zero", reset_delay=False,
        )

    add("snnTorch Leaky via NIR, zero, undelayed", snntorch_graph, {"dt": 1e-4}, snntorch_leaky)
    hard_half = {"v_threshold": 0.5, "v_reset": 0.0}
    for kind, extra, said in (
        (neuron.IFNode, {}, {}),
        (neuron.LIFNode, {"tau": 2.0}, {}),
        (neuron.CUBALIFNode, {"c_decay": 0.5, "v_decay": 0.5}, {"cuba_current": "new"}),
    ):
        add(
            f"SpikingJelly {kind.__name__} via NIR", spikingjelly_graph,
            {"dt": 1e-4, "compare": "ge", **said},
            partial(of_spikingjelly, kind, **hard_half, **extra),
        )
    return rows


def dialects() -> dict[str, tuple[Convert, Make]]:
    """Return how each dialect is imported and what its neurons are, by its name."""
    rows: dict[str, tuple[Convert, Make]] = {}
    cases: list[tuple[Any, dict[str, Any]]] = [
        (snn.Leaky, {"beta": 0.5}), (snn.Synaptic, {"alpha": 0.5, "beta": 0.5}),
        (snn.Lapicque, {"R": 1, "C": 2}),
    ]
    for kind, settings in cases:
        for reset in ("subtract", "zero", "none"):
            for delay in (True,) if kind is snn.Lapicque else (True, False):
                extra = {} if kind is snn.Lapicque else {"reset_delay": delay}
                name = f"snnTorch {kind.__name__}, {reset}" + ("" if delay else ", undelayed")
                make = partial(leaky, kind, reset_mechanism=reset, **settings, **extra)
                rows[name] = (ss.from_snntorch, make)
    for v_reset in (0.0, None, -0.5):
        rest = "soft" if v_reset is None else f"hard, v_reset {v_reset:g}"
        for kind, extra in (
            (neuron.IFNode, {}),
            (neuron.LIFNode, {"decay_input": False}),
            (neuron.LIFNode, {"decay_input": True}),
            (neuron.CUBALIFNode, {"c_decay": 0.5, "v_decay": 0.5}),
        ):
            if v_reset and kind is neuron.CUBALIFNode:
                continue
            decay = ", decay_input" if extra.get("decay_input") else ""
            make = partial(of_spikingjelly, kind, v_reset=v_reset, v_threshold=0.5, **extra)
            rows[f"SpikingJelly {kind.__name__}{decay}, {rest}"] = (ss.from_spikingjelly, make)
    return rows | nir_dialects()


def measured(
    convert: Convert, make: Make, steps: int, grid: bool, **options: Any
) -> dict[str, Any]:
    """Return figures over several networks; calibration uses other samples."""
    different = compared = both = either = 0
    exact = True
    for seed in range(SEEDS):
        module = model(make, seed, grid)
        network = convert(module, SIZES[:1], calibration=samples(seed, steps), **options)
        exact = exact and network.fidelity.exact
        unseen = samples(1000 + seed, steps)
        ours = ss.Golden(network).run(unseen, trace=True).spikes
        for mine, theirs in zip(ours, source(module, unseen), strict=True):
            different += int((mine != theirs).sum())
            compared += mine.size
            both += int((mine & theirs).sum())
            either += int((mine | theirs).sum())
    return {
        "exact": exact, "different": different, "compared": compared,
        "agreement": 1 - different / compared, "overlap": both / either if either else 1.0,
    }


def source(module: torch.nn.Module, spikes: Any) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return (batch, steps, neurons) spikes of the model's own neurons."""
    neurons = list(module)[1::2]
    for each in neurons:
        each.reset_mem() if hasattr(each, "reset_mem") else each.reset()
    kept: list[list[torch.Tensor]] = [[] for _ in neurons]
    with torch.no_grad():
        for t in range(spikes.shape[1]):
            value = torch.from_numpy(spikes[:, t]).float()
            for i, (linear, each) in enumerate(zip(list(module)[::2], neurons, strict=True)):
                output = each(linear(value))
                value = output[0] if isinstance(output, tuple) else output
                kept[i].append(value)
    return [torch.stack(each, 1).numpy() > 0 for each in kept]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", help="JSON file to write.")
    parser.add_argument(
        "--only", help="Only rows on the grid whose name contains this; others in --out stay."
    )
    given = parser.parse_args()
    out, only = given.out, given.only
    figures: dict[str, Any] = {"seeds": SEEDS, "samples": SAMPLES, "on the grid": {}, "other": {}}
    if only and out:
        with open(out) as file:
            figures |= json.load(file)

    def show(part: str, name: str, row: dict[str, Any]) -> None:
        figures[part][name] = row
        print(
            f"{name:<52} {row['different']:>7} of {row['compared']:>9} differ, "
            f"agreement {row['agreement']:.4f}, overlap {row['overlap']:.4f}"
            + (" (exact)" if row["exact"] else "")
        )

    for name, (convert, make) in dialects().items():
        if only and only not in name:
            continue
        try:
            row = measured(convert, make, 4, True)
        except ss.NotExpressible:
            name += " (approximate)"
            row = measured(convert, make, 4, True, approximate=True)
        show("on the grid", name, row)
    for steps in () if only else (25, 100):
        row = measured(ss.from_snntorch, partial(leaky, snn.Leaky, beta=0.5), steps, True)
        show("other", f"beta 0.5, {steps} steps, weights on the grid", row)
    for bits in () if only else (4, 8):
        for beta in (0.5, 0.55, 0.8, 0.9, 0.95):
            for steps in (4, 25, 100):
                row = measured(
                    ss.from_snntorch, partial(leaky, snn.Leaky, beta=beta), steps, False,
                    weight_bits=bits,
                )
                show("other", f"beta {beta}, {steps} steps, {bits}-bit weights", row)
    if out:
        with open(out, "w") as file:
            file.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
