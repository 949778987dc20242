"""Time of a training step with the integer-exact forward pass, compared with the float one.

    python benchmarks/train_step.py --out docs/results/train_step.json

A step is forward, cross-entropy, backward, Adam and the bounds of the weights, for ``mnist-mlp``
with batches of 256 on one thread. The float network has the same layers, steps, leak, reset and
surrogate gradient, and rounds nothing. The kinds alternate, so that other work on the machine slows
all of them alike. Figures are medians.

``mnist-conv`` is timed beside them, with batches of 128. ``--line`` prints the processor's seconds
of its fastest step alone, which other work on the machine changes least.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nnf
from stablespike.train import RECIPES, Recipe
from stablespike.train.model import Model

Step = Callable[[], None]
CONVOLUTIONAL, MAPS = "mnist-conv", 128


class Float(torch.nn.Module):
    """The network of the recipe in real numbers."""

    def __init__(self, plan: Recipe, inputs: int) -> None:
        from stablespike.network import Leak
        from stablespike.train.exact import spike

        super().__init__()
        self.plan, self.spike = plan, spike
        self.one = torch.nn.Linear(inputs, plan.hidden)
        self.two = torch.nn.Linear(plan.hidden, plan.classes)
        self.leak = Leak.of(plan.leak).factor

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        current = self.one(pixels)
        v, spikes = torch.zeros_like(current), []
        for _ in range(self.plan.steps):
            u = self.leak * v + current
            fired = self.spike(u - 1, self.plan.width)
            v = u - fired
            spikes.append(fired)
        return self.two(torch.stack(spikes)).sum(0)


def float_step(plan: Recipe, inputs: torch.Tensor, labels: torch.Tensor) -> Step:
    model = Float(plan, inputs.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    scaled = inputs / 16

    def step() -> None:
        optimizer.zero_grad()
        nnf.cross_entropy(model(scaled), labels).backward()
        optimizer.step()

    return step


def exact_step(plan: Recipe, inputs: torch.Tensor, labels: torch.Tensor) -> Step:
    model = Model(plan, inputs.mean(0), torch.Generator().manual_seed(0))
    model.start(inputs)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)

    def step() -> None:
        optimizer.zero_grad()
        membranes, _ = model(inputs)
        nnf.cross_entropy(model.scores(membranes), labels).backward()
        optimizer.step()
        model.bound()

    return step


def samples(plan: Recipe, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random pixels, of which a fifth is bright, and labels."""
    generator = torch.Generator().manual_seed(1)
    bright = torch.randint(0, 16, (batch, plan.side**2), generator=generator)
    inputs = (bright * (torch.rand(bright.shape, generator=generator) < 0.2)).float()
    return inputs, torch.randint(0, plan.classes, (batch,), generator=generator)


def convolutional_step() -> Step:
    plan = RECIPES[CONVOLUTIONAL]
    return exact_step(plan, *samples(plan, MAPS))


def measured(repeats: int, batch: int) -> dict[str, float]:
    """Return the median milliseconds per step of each kind."""
    plan = RECIPES["mnist-mlp"]
    inputs, labels = samples(plan, batch)
    steps = {
        "float": float_step(plan, inputs, labels),
        "exact": exact_step(plan, inputs, labels),
        "exact, norm": exact_step(replace(plan, norm=True), inputs, labels),
    }
    for kind in ("channel", "power-of-two"):
        quantizer = f"brevitas-{kind}"
        steps[f"exact, {quantizer}"] = exact_step(
            replace(plan, quantizer=quantizer), inputs, labels
        )
    return timed(steps, repeats)


def timed(steps: dict[str, Step], repeats: int) -> dict[str, float]:
    """Return the median milliseconds per step, of steps in turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 3):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            if turn >= 3:
                times[name].append(1e3 * (time.perf_counter() - began))
    return {name: float(np.median(each)) for name, each in times.items()}


def fastest(step: Step) -> float:
    """Return the processor's seconds of the fastest step."""
    found = []
    for _ in range(15):
        began = time.process_time()
        step()
        found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--line", action="store_true", help="Print one line, of mnist-conv.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.line:
        print(json.dumps({f"{CONVOLUTIONAL}, processor": fastest(convolutional_step())}))
        return
    convolutional = timed({CONVOLUTIONAL: convolutional_step()}, 20)
    found = measured(options.repeats, options.batch)
    figures = {
        "batch": options.batch, "repeats": options.repeats, "torch": torch.__version__,
        "milliseconds": {name: round(value, 3) for name, value in found.items()},
        "of_float": {name: round(value / found["float"], 2) for name, value in found.items()},
        "convolutional": {
            "batch": MAPS, "milliseconds": round(convolutional[CONVOLUTIONAL], 3)
        },
    }
    print(f"{CONVOLUTIONAL:32} {convolutional[CONVOLUTIONAL]:8.2f} ms   batch {MAPS}")
    for name, value in found.items():
        print(f"{name:32} {value:8.2f} ms   {value / found['float']:5.2f} x float")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
