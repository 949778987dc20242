"""Random modules, with and without something foreign in their forward, against the framework.

    python benchmarks/foreign.py --out docs/results/foreign.json [--modules 600] [--seed 0]

Each module is one of snnTorch or SpikingJelly: fully connected, convolutional or recurrent, called
step by step, looping over the steps of a sample with either axis first, or showing one image in
every step. Every other one does something between, before or behind its layers that is no layer.
All weights are on a grid, so that nothing is rounded. An imported module is run as it is, on
samples that the importer has not seen, and every spike of every layer is compared with the golden
model's. A report that says exact where one differs is counted as wrong.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import snntorch as snn
import stablespike as ss
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

STEPS, SAMPLES, PIXEL_BITS = 4, 24, 4
Tensor = torch.Tensor
functions = nn.functional


@dataclass(frozen=True)
class Kind:
    """Something foreign: where it happens, and what it does there."""

    where: str
    does: Callable[..., Any] = lambda x: x


def permuted(x: Tensor) -> Tensor:
    order = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(5))
    return x[:, order]


def transposed(x: Tensor) -> Tensor:
    return x.transpose(-1, -2).reshape(x.shape) if x.ndim > 2 else x.flip(1)


def channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(x.shape) if x.ndim == 4 else x.roll(1, 1)


def half_masked(x: Tensor) -> Tensor:
    mask = torch.ones_like(x)
    mask[:, ::2] = 0
    return x * mask


FOREIGN = {
    "relu of currents": Kind("current", torch.relu),
    "leaky relu of currents": Kind("current", functions.leaky_relu),
    "clamp of currents": Kind("current", lambda x: x.clamp(-0.5, 0.5)),
    "clamp of large currents": Kind("current", lambda x: x.clamp(max=1.5)),
    "abs of currents": Kind("current", torch.abs),
    "hardtanh of currents": Kind("current", functions.hardtanh),
    "tanh of currents": Kind("current", torch.tanh),
    "sigmoid of currents": Kind("current", torch.sigmoid),
    "softsign of currents": Kind("current", functions.softsign),
    "currents times 1/2": Kind("current", lambda x: 0.5 * x),
    "currents times 2, in place": Kind("current", lambda x: x.mul_(2)),
    "a constant added to currents": Kind("current", lambda x: x + 0.125),
    "a tiny constant added to currents": Kind("current", lambda x: x + 1e-4),
    "noise on currents": Kind("current", lambda x: x + 0.1 * torch.randn_like(x)),
    "currents rounded": Kind("current", torch.round),
    "currents in steps of 1/2": Kind("current", lambda x: (2 * x).floor() / 2),
    "the mean of the batch subtracted": Kind("current", lambda x: x - x.mean(0, keepdim=True)),
    "the largest of the batch divides": Kind("current", lambda x: x / x.abs().amax().clamp(min=1)),
    "the mean of the layer subtracted": Kind("current", lambda x: x - x.mean(1, keepdim=True)),
    "half currents where they sum to little": Kind(
        "current", lambda x: x if x.sum() > 2 else 0.5 * x),
    "negative currents halved": Kind("current", lambda x: torch.where(x < 0, x / 2, x)),
    "the sign of currents": Kind("current", torch.sign),
    "neurons rolled": Kind("spikes", lambda x: x.roll(1, 1)),
    "neurons permuted": Kind("spikes", permuted),
    "neurons reversed": Kind("spikes", lambda x: x.flip(1)),
    "maps transposed": Kind("spikes", transposed),
    "maps with their channels last": Kind("spikes", channels_last),
    "spikes times 1/2": Kind("spikes", lambda x: 0.5 * x),
    "spikes inverted": Kind("spikes", lambda x: 1 - x),
    "spikes negated": Kind("spikes", torch.neg),
    "every second neuron masked": Kind("spikes", half_masked),
    "dropout forced on": Kind("spikes", lambda x: functions.dropout(x, 0.3, training=True)),
    "a sigmoid of spikes": Kind("spikes", torch.sigmoid),
    "spikes of the batch summed": Kind("spikes", lambda x: (x + x.sum(0, keepdim=True)) / 2),
    "a residual addition": Kind("residual"),
    "spikes one step late": Kind("late"),
    "spikes refractory by hand": Kind("refractory"),
    "input times 1/2": Kind("input", lambda x: 0.5 * x),
    "input inverted": Kind("input", lambda x: 1 - x),
    "input reversed": Kind("input", lambda x: x.flip(-1)),
    "input noisy": Kind("input", lambda x: torch.bernoulli((0.9 * x).clamp(0, 1))),
    "the last step first": Kind("order", lambda n: list(range(n))[::-1]),
    "every second step": Kind("order", lambda n: list(range(0, n, 2))),
    "each step twice": Kind("order", lambda n: [t for t in range(n) for _ in range(2)]),
    "the first step left out": Kind("order", lambda n: list(range(1, n))),
    "the first step in all": Kind("order", lambda n: [0] * n),
    "two steps exchanged": Kind("order", lambda n: [1, 0, *range(2, n)]),
    "states back at the start": Kind("states", lambda x: torch.zeros_like(x)),
    "states halved": Kind("states", lambda x: x / 2),
    "states not below 0": Kind("states", lambda x: x.clamp(min=0)),
    "states rounded": Kind("states", torch.round),
    "threshold changed": Kind("threshold"),
    "a start other than 0": Kind("start"),
    "another rule after some calls": Kind("counter"),
    "output negated": Kind("output", torch.neg),
    "output times 2": Kind("output", lambda x: 2 * x),
    "output inverted": Kind("output", lambda x: 1 - x),
    "output rolled": Kind("output", lambda x: x.roll(1, -1)),
}
"""Each of them changes a result."""

HARMLESS = {
    "relu of spikes": Kind("spikes", torch.relu),
    "spikes clamped to 0 .. 1": Kind("spikes", lambda x: x.clamp(0, 1)),
    "input clamped to 0 .. 1": Kind("input", lambda x: x.clamp(0, 1)),
    "input in float": Kind("input", lambda x: x.float()),
    "input compared with 0": Kind("input", lambda x: (x > 0).to(x.dtype)),
    "dropout that is off": Kind("spikes", lambda x: functions.dropout(x, 0.3, training=False)),
    "a copy of currents": Kind("current", lambda x: x.clone().contiguous()),
}
"""These change nothing where the input is spikes."""


class Net(nn.Module):
    """Layers of weights, each with neurons behind it, and perhaps something foreign."""

    def __init__(self, seed: int, kind: Kind | None) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.kind, self.jelly = kind, bool(rng.integers(2))
        torch.manual_seed(seed)
        self.body = str(rng.choice(["dense", "dense", "conv", "recurrent"]))
        self.style = str(rng.choice(["step", "loop", "batch first", "many", "image"]))
        if self.style == "many" and not self.jelly:
            self.style = "loop"
        if self.body == "recurrent" and self.jelly:
            self.body = "dense"
        self.shape = (2, 6, 6) if self.body == "conv" else (12,)
        self.hidden = bool(rng.integers(2)) and self.style != "step"
        sizes = [int(each) for each in rng.integers(6, 14, rng.integers(1, 3))]
        self.at = int(rng.integers(len(sizes) + 1))
        """The layer at which it happens."""
        self.weights, self.neurons = nn.ModuleList(), nn.ModuleList()
        inputs = self.shape[0]
        for i, outputs in enumerate([*sizes, 5]):
            if self.body == "conv" and i == 0:
                own: nn.Module = layer.Conv2d(inputs, 3, 3, padding=1, bias=False)
                inputs, outputs = 3 * 6 * 6, 3
            else:
                own = layer.Linear(inputs, outputs, bias=bool(rng.integers(2)))
                inputs = outputs
            self.weights.append(_on_grid(own))
            self.neurons.append(self._neuron(rng, outputs, i < len(sizes) and i == 0))
        if self.jelly and self.style in ("many", "image") and bool(rng.integers(2)):
            self.style += ", mode m"
            functional.set_step_mode(self, "m")
        elif self.style == "many":
            functional.set_step_mode(self, "m")
            self.style += ", mode m"
        self.register_buffer("count", torch.zeros(()))
        self.last: list[Any] = [None] * len(self.neurons)
        if kind is not None and kind.where in ("order", "states", "start") and self.many:
            self.at = 0

    @property
    def many(self) -> bool:
        return self.style.endswith("mode m")

    def _neuron(self, rng: Any, outputs: int, first: bool) -> nn.Module:
        if self.jelly:
            reset = None if rng.integers(2) else 0.0
            if rng.integers(2):
                return neuron.IFNode(v_threshold=0.5, v_reset=reset)
            return neuron.LIFNode(tau=2.0, v_threshold=0.25, v_reset=reset)
        rule = str(rng.choice(["subtract", "zero", "none"]))
        settings: dict[str, Any] = {"beta": 0.5, "threshold": 0.5, "reset_mechanism": rule}
        if self.hidden or self.style == "step":
            settings["init_hidden"] = True
        if self.body == "recurrent" and first:
            settings["reset_mechanism"] = "subtract"
            own = snn.RLeaky(linear_features=outputs, **settings)
            _on_grid(own.recurrent)
            return own
        return snn.Leaky(**settings)

    def put_back(self) -> None:
        """Reset as the framework does; what it does not know is left."""
        for each in self.neurons:
            each.reset() if self.jelly else each.reset_mem()

    def changed(self, where: str, i: int, x: Any) -> Any:
        if self.kind is None or self.kind.where != where or i != self.at:
            return x
        return self._over_steps(self.kind.does, x)

    def _over_steps(self, does: Callable[..., Any], x: Tensor) -> Tensor:
        if not self.many:
            return does(x)
        return torch.stack([does(each) for each in x])

    def one(self, x: Tensor, states: list[Any]) -> Tensor:
        """Pass a step through the layers, or all of them in mode m."""
        kind, where = self.kind, None if self.kind is None else self.kind.where
        for i, (weights, each) in enumerate(zip(self.weights, self.neurons, strict=True)):
            here, given = i == self.at, x
            if isinstance(weights, nn.Linear) and x.ndim > 2 + self.many:
                x = x.flatten(1 + self.many)
                given = x
            x = self.changed("current", i, weights(x))
            if here and where == "threshold":
                self._threshold(each)
            if here and where == "states" and kind is not None:
                states[i] = self._states(each, states[i], kind)
            if here and where == "start":
                states[i] = self._start(each, states[i], x)
            if states[i] is None:
                x = each(x)
            else:
                made = each(x, *states[i])
                # An RLeaky is given its last spikes too.
                x, states[i] = made, list(made[len(made) - len(states[i]):])
            x = x[0] if isinstance(x, tuple) else x
            x = self.changed("spikes", i, x)
            if here and where == "residual":
                x = x + x.roll(1, -1) if given.shape != x.shape else x + given
            if here and where in ("late", "refractory"):
                before = torch.zeros_like(x) if self.last[i] is None else self.last[i]
                if before.shape != x.shape:
                    before = torch.zeros_like(x)
                self.last[i] = x
                x = before if where == "late" else x * (1 - before)
            if here and where == "counter":
                self.count += 1
                x = x if self.count < 6 else x * 0
        return x

    def _threshold(self, each: Any) -> None:
        if self.jelly:
            each.v_threshold = 0.75
        else:
            each.threshold = torch.full_like(each.threshold, 0.75)

    def _states(self, each: Any, passed: Any, kind: Kind) -> Any:
        if self.jelly:
            if isinstance(each.v, torch.Tensor):
                each.v = kind.does(each.v)
            return None
        if passed is None:
            each.mem = kind.does(each.mem)
            return None
        return [*passed[:-1], kind.does(passed[-1])]

    def _start(self, each: Any, passed: Any, x: Tensor) -> Any:
        start = torch.full_like(x[0] if self.many else x, 0.375)
        if self.jelly:
            if not isinstance(each.v, torch.Tensor):
                each.v = start
            return None
        if passed is None:
            if each.mem.shape != start.shape:
                each.mem = start
            return None
        return [*passed[:-1], start] if passed[-1].shape != start.shape else passed

    def forward(self, x: Tensor) -> Tensor:
        if self.style.startswith("batch first"):
            x = x.transpose(0, 1)
        if self.kind is not None and self.kind.where == "input":
            x = self.kind.does(x)
        if self.style == "step":
            return self.ended(self.one(x, [None] * len(self.neurons)))
        image = self.style.startswith("image")
        order = list(range(STEPS if image else len(x)))
        if self.kind is not None and self.kind.where == "order":
            order = self.kind.does(len(order))
        if self.many:
            frames = x.unsqueeze(0).repeat(len(order), *[1] * x.ndim) if image else x[order]
            return self.ended(self.one(frames, [None] * len(self.neurons)))
        states: list[Any] = [None] * len(self.neurons)
        if not self.jelly and not self.hidden:
            for i, each in enumerate(self.neurons):
                start = each.reset_mem()
                states[i] = list(start) if isinstance(start, tuple) else [start]
        out = [self.one(x if image else x[t], states) for t in order]
        return self.ended(torch.stack(out))

    def ended(self, x: Tensor) -> Tensor:
        if self.kind is not None and self.kind.where == "output":
            return self.kind.does(x)
        return x


def _on_grid(own: nn.Module) -> nn.Module:
    with torch.no_grad():
        for each in own.parameters():
            each.copy_(torch.randint(-8, 8, each.shape) / 8)
    return own


def suitable(net: Net, kind: Kind | None) -> bool:
    """Whether that kind does anything in a module."""
    if kind is None:
        return True
    where, last = kind.where, net.at == len(net.neurons) - 1
    if where in ("order", "states", "threshold", "start") and net.style.startswith("image"):
        return where == "states" and not net.many
    if where == "order":
        return net.style != "step"
    if where in ("states", "late", "refractory", "counter"):
        return not net.many and not (where != "states" and last)
    if where in ("spikes", "residual"):
        return not last
    if where == "start":
        return not net.many
    return True


def samples_of(net: Net, seed: int) -> np.ndarray[Any, Any]:
    """Return (batch, steps, *shape) spikes, or (batch, *shape) pixels, of several rates."""
    rng = np.random.default_rng(seed)
    if net.style.startswith("image"):
        return rng.integers(0, 1 << PIXEL_BITS, (SAMPLES, *net.shape))
    rates = rng.random((SAMPLES, 1, *[1] * len(net.shape)))
    return (rng.random((SAMPLES, STEPS, *net.shape)) < rates).astype(np.int64)


def imported(net: Net) -> ss.Network:
    """Import a module."""
    options: dict[str, Any] = {}
    if net.style.startswith("image"):
        options["input"] = ss.PixelInput(net.shape, PIXEL_BITS)
        options["input_scale"] = 1 / (1 << PIXEL_BITS)
    elif net.style.startswith("batch first"):
        options["sample"] = torch.zeros(1, STEPS, *net.shape)
    elif net.style != "step":
        options["sample"] = torch.zeros(STEPS, 1, *net.shape)
    read = ss.from_spikingjelly if net.jelly else ss.from_snntorch
    return read(net, net.shape, weight_bits=8, fraction_bits=8, **options)


def own_run(net: Net, samples: np.ndarray[Any, Any]) -> tuple[list[np.ndarray[Any, Any]], Any]:
    """Return (batch, steps, neurons) spikes of each layer in the module's own forward, and the
    spike counts that follow from what it returns."""
    net = copy.deepcopy(net).eval()
    kept: list[list[Tensor]] = [[] for _ in net.neurons]

    def keep(i: int) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            steps = first if net.many else first[None]
            kept[i].extend(step.flatten(1) for step in steps)
        return hook

    for i, each in enumerate(net.neurons):
        each.register_forward_hook(keep(i))
    values = torch.from_numpy(samples).float()
    net.put_back()
    with torch.no_grad():
        if net.style.startswith("image"):
            returned = net(values / (1 << PIXEL_BITS))
        elif net.style == "step":
            returned = torch.stack([net(values[:, t]) for t in range(STEPS)])
        else:
            returned = net(values if net.style.startswith("batch first") else values.swapaxes(0, 1))
    spikes = [torch.stack(each, 1).numpy() > 0 for each in kept]
    return spikes, returned.sum(0).flatten(1).numpy()


def tried(seed: int, name: str | None, kind: Kind | None) -> dict[str, Any] | None:
    """Import one module and compare it; None if the kind does nothing in it."""
    net = Net(seed, kind)
    if not suitable(net, kind):
        return None
    row: dict[str, Any] = {
        "seed": seed, "foreign": name or "", "body": net.body, "style": net.style,
        "framework": "SpikingJelly" if net.jelly else "snnTorch",
    }
    start = time.perf_counter()
    try:
        network = imported(net)
    except (ss.NotExpressible, ValueError) as error:
        return row | {"result": "refused", "said": str(error),
                      "seconds": time.perf_counter() - start}
    row["seconds"] = time.perf_counter() - start
    samples = samples_of(net, seed + 1)
    steps = STEPS if net.style.startswith("image") else None
    ours = ss.Golden(network).run(samples, steps, trace=True)
    theirs, counts = own_run(net, samples)
    different = 0
    for mine, own in zip(ours.spikes, theirs, strict=True):
        flat = mine.reshape(*mine.shape[:2], -1)
        different += int((flat != own).sum()) if flat.shape == own.shape else flat.size
    different += int((ours.readout != counts).sum()) if ours.readout.shape == counts.shape else 1
    exact = network.fidelity.exact
    result = "right" if not different else ("wrong" if exact else "measured")
    return row | {"result": result, "exact": exact, "different": different,
                  "spikes": int(sum(each.sum() for each in theirs))}


def modules(count: int, seed: int) -> list[dict[str, Any]]:
    """Try random modules, every other one with something foreign or harmless in it."""
    rows: list[dict[str, Any]] = []
    names: list[str | None] = [*FOREIGN, *HARMLESS]
    kinds = FOREIGN | HARMLESS
    while len(rows) < count:
        number = len(rows)
        name = None if number % 3 == 0 else names[(number * 7 + number // 3) % len(names)]
        row = None
        while row is None:
            seed += 1
            row = tried(seed, name, None if name is None else kinds[name])
        rows.append(row)
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count the results by what was foreign."""
    def counts(of: list[dict[str, Any]]) -> dict[str, int]:
        results = ("refused", "right", "measured", "wrong")
        return {each: sum(row["result"] == each for row in of) for each in results}

    parts = {
        "plain": [row for row in rows if not row["foreign"]],
        "harmless": [row for row in rows if row["foreign"] in HARMLESS],
        "foreign": [row for row in rows if row["foreign"] in FOREIGN],
    }
    kinds = sorted({row["foreign"] for row in rows if row["foreign"]})
    return {
        "modules": len(rows),
        "kinds": sum(kind in FOREIGN for kind in kinds),
        **{part: counts(of) for part, of in parts.items()},
        "by kind": {kind: counts([r for r in rows if r["foreign"] == kind]) for kind in kinds},
        "seconds per import, median": float(np.median([row["seconds"] for row in rows])),
        "seconds per import, longest": max(row["seconds"] for row in rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", help="JSON file to write.")
    parser.add_argument("--modules", type=int, default=600, help="How many modules; 600.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the first one; 0.")
    parser.add_argument("--show", action="store_true", help="Print every refusal.")
    given = parser.parse_args()
    rows = modules(given.modules, given.seed)
    figures = summary(rows)
    for row in rows:
        bad = row["result"] in ("wrong", "measured")
        plain_refused = row["result"] == "refused" and row["foreign"] not in FOREIGN
        if bad or plain_refused or given.show:
            print(row)
    for part in ("plain", "harmless", "foreign"):
        print(f"{part:<10}", figures[part])
    if given.out:
        with open(given.out, "w") as file:
            file.write(json.dumps(figures, indent=2) + "\n")
    if figures["plain"]["wrong"] + figures["harmless"]["wrong"] + figures["foreign"]["wrong"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
