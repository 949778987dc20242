"""Spikes of imported networks against the frameworks' own neurons, dialect by dialect.

24-40-20 networks of random weights, random spikes of rate 0.4, on the golden model:

    python benchmarks/dialects.py --out docs/results/dialects.json

First every dialect with weights on a grid, a leak of 1/2 and 4 steps, where nothing is rounded; the
rules that have no equal with ``approximate=True``. Then snnTorch's default neuron with normally
distributed weights, other leaks, and longer runs, calibrated on samples of their own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import snntorch as snn
import stablespike as ss
import torch
from spikingjelly.activation_based import neuron

SIZES = (24, 40, 20)
SAMPLES, SEEDS = 270, 5
Make = Callable[[bool], torch.nn.Module]


def samples(seed: int, steps: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(batch, steps, inputs) spikes."""
    return (np.random.default_rng(seed).random((SAMPLES, steps, SIZES[0])) < 0.4).astype(np.int64)


def model(make: Make, seed: int, grid: bool) -> torch.nn.Module:
    """Linear, neurons, Linear, neurons."""
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


def dialects() -> dict[str, tuple[Callable[..., ss.Network], Make]]:
    """Import and neurons by the name of the dialect."""
    rows: dict[str, tuple[Callable[..., ss.Network], Make]] = {}
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
        ):
            decay = ", decay_input" if extra.get("decay_input") else ""
            make = partial(of_spikingjelly, kind, v_reset=v_reset, v_threshold=0.5, **extra)
            rows[f"SpikingJelly {kind.__name__}{decay}, {rest}"] = (ss.from_spikingjelly, make)
    return rows


def measured(
    convert: Callable[..., ss.Network], make: Make, steps: int, grid: bool, **options: Any
) -> dict[str, Any]:
    """Figures over some networks; the samples measured on are not those calibrated with."""
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
    """(batch, steps, neurons) spikes of the model's own neurons."""
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
    out = parser.parse_args().out
    figures: dict[str, Any] = {"seeds": SEEDS, "samples": SAMPLES, "on the grid": {}, "other": {}}

    def show(part: str, name: str, row: dict[str, Any]) -> None:
        figures[part][name] = row
        print(
            f"{name:<52} {row['different']:>7} of {row['compared']:>9} differ, "
            f"agreement {row['agreement']:.4f}, overlap {row['overlap']:.4f}"
            + (" (exact)" if row["exact"] else "")
        )

    for name, (convert, make) in dialects().items():
        try:
            row = measured(convert, make, 4, True)
        except ss.NotExpressible:
            name += " (approximate)"
            row = measured(convert, make, 4, True, approximate=True)
        show("on the grid", name, row)
    for steps in (25, 100):
        row = measured(ss.from_snntorch, partial(leaky, snn.Leaky, beta=0.5), steps, True)
        show("other", f"beta 0.5, {steps} steps, weights on the grid", row)
    for bits in (4, 8):
        for beta in (0.5, 0.8, 0.9, 0.95):
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
