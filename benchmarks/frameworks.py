"""Spikes of networks imported from sinabs, rockpool or Norse, compared with those of the modules.

    python benchmarks/frameworks.py sinabs --out docs/results/frameworks.json

The networks are 24-40-20 with random weights on a grid of 1/8, a leak of 1/2 where there is one,
and 4 steps, so that nothing is rounded; they run on the golden model. The samples are random spikes
with a rate of 0.4; for what is not refused, also random frames of 4 bits, of which 8 stands for 0,
times 1/8. The module is called as it is, with all steps at once where it takes them. What is
refused is imported with ``approximate=True``, if that takes it. Each framework has an
environment of its own; the rows of others in --out stay.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
import torch

SIZES = (24, 40, 20)
SAMPLES, STEPS, SEEDS = 270, 4, 5
HALF = 1 / math.log(2)  # the time constant of a decay of 1/2, in steps
FRAMES, FRAME_SCALE = ss.FrameInput(SIZES[:1], bits=4, zero=8), 1 / 8

Make = Callable[[int, torch.Generator], Any]


def samples(seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return (batch, steps, inputs) random spikes."""
    rng = np.random.default_rng(seed)
    return (rng.random((SAMPLES, STEPS, SIZES[0])) < 0.4).astype(np.int64)


def frames(seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return (batch, steps, inputs) random frames."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 << FRAMES.bits, (SAMPLES, STEPS, SIZES[0]))


def eighths(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randint(-8, 8, shape, generator=generator) / 8


def linear(inputs: int, outputs: int, generator: torch.Generator) -> torch.nn.Module:
    made = torch.nn.Linear(inputs, outputs)
    with torch.no_grad():
        for each in made.parameters():
            each.copy_(eighths(generator, *each.shape))
    return made


def layers(make: Make, seed: int, weights: Any = linear) -> list[torch.nn.Module]:
    generator = torch.Generator().manual_seed(seed)
    made: list[torch.nn.Module] = []
    for inputs, outputs in pairwise(SIZES):
        made += [weights(inputs, outputs, generator), make(outputs, generator)]
    return made


def over_steps(module: Any, neurons: list[Any], value: torch.Tensor) -> list[torch.Tensor]:
    """Call a module, and return what its neurons gave."""
    kept: dict[Any, list[torch.Tensor]] = {each: [] for each in neurons}

    def keep(child: Any, given: Any, output: Any) -> None:
        kept[child].append((output[0] if isinstance(output, tuple) else output).detach())

    hooks = [each.register_forward_hook(keep) for each in neurons]
    with torch.no_grad():
        module(value)
    for hook in hooks:
        hook.remove()
    return [torch.stack(each) if len(each) > 1 else each[0] for each in kept.values()]


class Sinabs:
    """sinabs: ``(batch, steps, ...)``, or steps folded into the batch."""

    def __init__(self) -> None:
        import sinabs.layers as sl
        from sinabs import activation as act

        one: Any = {"spike_fn": act.SingleSpike}
        self.kinds, self.squeezed = sl.StatefulLayer, sl.SqueezeMixin
        self.convert = ss.from_sinabs
        self.rows: dict[str, Make] = {
            "IAF": lambda n, g: sl.IAF(**one),
            "IAF, default (MultiSpike)": lambda n, g: sl.IAF(),
            "IAF, min_v_mem=-1 (from_model's default)": lambda n, g: sl.IAF(**one, min_v_mem=-1.0),
            "IAF, MaxSpike(1)": lambda n, g: sl.IAF(spike_fn=act.MaxSpike(1)),
            "IAF, MembraneReset()": lambda n, g: sl.IAF(**one, reset_fn=act.MembraneReset()),
            "IAF, MembraneReset(0.25)": lambda n, g: sl.IAF(
                **one, reset_fn=act.MembraneReset(0.25)
            ),
            "IAF, tau_syn": lambda n, g: sl.IAF(**one, tau_syn=HALF),
            "IAFSqueeze": lambda n, g: sl.IAFSqueeze(num_timesteps=STEPS, **one),
            "IAFRecurrent": lambda n, g: sl.IAFRecurrent(self.back(n, g), **one),
            "LIF": lambda n, g: sl.LIF(HALF, **one),
            "LIF, norm_input=False": lambda n, g: sl.LIF(HALF, **one, norm_input=False),
            "LIF, tau_syn": lambda n, g: sl.LIF(
                HALF, HALF, spike_threshold=torch.tensor(0.25), **one
            ),
            "LIFRecurrent": lambda n, g: sl.LIFRecurrent(HALF, self.back(n, g), **one),
            "ALIF, adapt_scale=0": lambda n, g: sl.ALIF(
                torch.tensor(HALF), torch.tensor(5.0), adapt_scale=0.0
            ),
            "ALIF, default": lambda n, g: sl.ALIF(torch.tensor(HALF), torch.tensor(5.0)),
        }

    @staticmethod
    def back(count: int, generator: torch.Generator) -> torch.nn.Module:
        made = torch.nn.Linear(count, count, bias=False)
        with torch.no_grad():
            made.weight.copy_(eighths(generator, count, count))
        return made

    def module(self, make: Make, seed: int) -> Any:
        return torch.nn.Sequential(*layers(make, seed))

    def run(self, module: Any, value: torch.Tensor) -> list[torch.Tensor]:
        neurons = [each for each in module if isinstance(each, self.kinds)]
        for each in neurons:
            each.reset_states()
        if isinstance(neurons[0], self.squeezed):
            made = over_steps(module, neurons, value.flatten(0, 1))
            return [each.unflatten(0, value.shape[:2]) for each in made]
        return over_steps(module, neurons, value)


class Rockpool:
    """rockpool: ``(batch, steps, ...)``."""

    def __init__(self) -> None:
        from rockpool.nn import modules as rm
        from rockpool.nn.combinators import Sequential

        time = torch.tensor(1e-3 * HALF)
        one: Any = {"max_spikes_per_dt": 1.0}
        decays: Any = {"leak_mode": "decays", **one}  # 1/2 by default
        self.modules, self.sequential, self.convert = rm, Sequential, ss.from_rockpool
        self.rows: dict[str, Make] = {
            "LIFTorch": lambda n, g: rm.LIFTorch(n, tau_mem=time, tau_syn=time, **one),
            "LIFTorch, default (2**16 spikes)": lambda n, g: rm.LIFTorch(n, leak_mode="decays"),
            "LIFTorch, leak_mode=decays": lambda n, g: rm.LIFTorch(n, **decays),
            "LIFTorch, leak_mode=bitshifts": lambda n, g: rm.LIFTorch(
                n, leak_mode="bitshifts", **one
            ),
            "LIFTorch, has_rec": lambda n, g: rm.LIFTorch(
                n, has_rec=True, w_rec=eighths(g, n, n), **decays
            ),
            "LIFTorch, bias": lambda n, g: rm.LIFTorch(n, bias=eighths(g, n), **decays),
            "LIFBitshiftTorch": lambda n, g: rm.LIFBitshiftTorch(
                n, tau_mem=torch.full((n,), 2e-3), tau_syn=torch.full((n,), 2e-3), **one
            ),
            "LIFNeuronTorch": lambda n, g: rm.LIFNeuronTorch(n, tau_mem=time, **one),
            "LIFNeuronTorch, bias": lambda n, g: rm.LIFNeuronTorch(
                n, tau_mem=time, bias=eighths(g, n), **one
            ),
            "LIFNeuronTorch, default (2**16 spikes)": lambda n, g: rm.LIFNeuronTorch(
                n, tau_mem=time
            ),
        }

    def module(self, make: Make, seed: int) -> Any:
        def weights(inputs: int, outputs: int, generator: torch.Generator) -> Any:
            return self.modules.LinearTorch(
                (inputs, outputs), weight=eighths(generator, inputs, outputs)
            )

        return self.sequential(*layers(make, seed, weights))

    def run(self, module: Any, value: torch.Tensor) -> list[torch.Tensor]:
        module.reset_state()
        return over_steps(module, [each for _, each in module.named_children()][1::2], value)


class Norse:
    """Norse: ``(steps, batch, ...)``, or a call for each step, with the state as an argument."""

    def __init__(self) -> None:
        import norse.torch as nt
        from norse.torch.functional.reset import reset_subtract

        def numbers(**values: float) -> dict[str, torch.Tensor]:
            return {name: torch.tensor(value) for name, value in values.items()}

        half = numbers(tau_mem_inv=500.0, v_th=0.5)  # dt is 1 ms by default
        cuba = nt.LIFParameters(**half, **numbers(tau_syn_inv=500.0))
        soft: Any = {"reset_method": reset_subtract}
        rests = numbers(v_leak=0.25, v_reset=-0.25)
        fires = nt.IAFParameters(v_th=torch.tensor(0.5))
        self.sequential, self.convert = nt.SequentialState, ss.from_norse
        self.whole, self.recurrent = (nt.LIF, nt.IAF, nt.LIFRecurrent), "LIFRecurrent"

        def box(**settings: Any) -> Make:
            return lambda n, g: nt.LIFBoxCell(nt.LIFBoxParameters(**half, **settings))

        def recurrent(kind: Any) -> Make:
            def make(count: int, g: torch.Generator) -> Any:
                inputs = SIZES[SIZES.index(count) - 1]
                return kind(inputs, count, cuba, input_weights=eighths(g, count, inputs),
                            recurrent_weights=eighths(g, count, count))

            return make

        self.rows: dict[str, Make] = {
            "LIFCell": lambda n, g: nt.LIFCell(cuba),
            "LIF": lambda n, g: nt.LIF(cuba),
            "LIFCell, v_leak = v_reset = -65": lambda n, g: nt.LIFCell(cuba._replace(
                **numbers(v_leak=-65.0, v_reset=-65.0, v_th=-64.5)
            )),
            "LIFCell, v_leak 0.25, v_reset 0": lambda n, g: nt.LIFCell(
                cuba._replace(v_leak=torch.tensor(0.25))
            ),
            "LIFRecurrentCell": recurrent(nt.LIFRecurrentCell),
            "LIFRecurrent": recurrent(nt.LIFRecurrent),
            "LIFBoxCell": box(),
            "LIFBoxCell, reset_subtract": box(**soft),
            "LIFBoxCell, v_leak 0.25, v_reset -0.25": box(**rests),
            "LIFBoxCell, v_leak 0.25, reset_subtract": box(**rests, **soft),
            "IAFCell": lambda n, g: nt.IAFCell(fires),
            "IAF": lambda n, g: nt.IAF(fires),
            "LSNNCell": lambda n, g: nt.LSNNCell(),
        }

    def module(self, make: Make, seed: int) -> Any:
        made = layers(make, seed)
        # Recurrent modules have weights of their own.
        parts = made[1::2] if self.recurrent in type(made[1]).__name__ else made
        return self.sequential(*parts)

    def run(self, module: Any, value: torch.Tensor) -> list[torch.Tensor]:
        steps = value.swapaxes(0, 1)
        neurons = [each for each in module if hasattr(each, "p")]
        if isinstance(neurons[0], self.whole):
            return [each.swapaxes(0, 1) for each in over_steps(module, neurons, steps)]

        def loop(given: torch.Tensor) -> None:
            state = None
            for each in given:
                _, state = module(each, state)

        return [each.swapaxes(0, 1) for each in over_steps(loop, neurons, steps)]


FRAMEWORKS = {"sinabs": Sinabs, "rockpool": Rockpool, "norse": Norse}


def measured(framework: Any, make: Make) -> dict[str, Any]:
    """Return the figures of one row, over several networks."""
    row: dict[str, Any] = {"exact": True, "different": 0, "compared": 0}
    for seed in range(SEEDS):
        module = framework.module(make, seed)
        options: dict[str, Any] = {"steps": STEPS}
        try:
            network = framework.convert(module, SIZES[:1], **options)
        except ss.NotExpressible as refusal:
            row["refused"] = str(refusal)
            try:
                network = framework.convert(module, SIZES[:1], approximate=True, **options)
            except ss.NotExpressible:
                return {"refused": str(refusal)}
        row["exact"] &= network.fidelity.exact
        unseen = samples(1000 + seed)
        add_differences(row, framework, module, network, unseen, unseen)
        if "refused" in row:
            continue
        # With the scale of the frames, weights between the neurons of a layer take 7 bits.
        network = framework.convert(
            module, SIZES[:1], input=FRAMES, input_scale=FRAME_SCALE, weight_bits=8
        )
        found = row.setdefault("frames", {"exact": True, "different": 0, "compared": 0})
        found["exact"] &= network.fidelity.exact
        unseen = frames(1000 + seed)
        given = (unseen - FRAMES.zero) * FRAME_SCALE
        add_differences(found, framework, module, network, unseen, given)
    return row


def add_differences(
    row: dict[str, Any], framework: Any, module: Any, network: ss.Network, unseen: Any, given: Any
) -> None:
    """Count the neuron-steps in which a network and the module differ.

    ``unseen`` are the samples of the network, and ``given`` what the module receives for them.
    """
    source = framework.run(module, torch.from_numpy(given).float())
    ours = ss.Golden(network).run(unseen, trace=True).spikes
    for mine, theirs in zip(ours, source, strict=True):
        row["different"] += int((mine != (theirs.numpy() > 0)).sum())
        row["compared"] += mine.size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("--out", help="JSON file to write.")
    given = parser.parse_args()
    framework = FRAMEWORKS[given.framework]()
    rows = {}
    for name, make in framework.rows.items():
        rows[name] = row = measured(framework, make)
        counts = "" if "compared" not in row else f"{row['different']} of {row['compared']} differ"
        if "frames" in row:
            counts += f", of frames {row['frames']['different']} of {row['frames']['compared']}"
        print(f"{name:<42} {counts} {row.get('refused', '')}".rstrip())
    if given.out:
        path = Path(given.out)
        figures = json.loads(path.read_text()) if path.exists() else {}
        figures[given.framework] = {"version": version(given.framework), "rows": rows}
        path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
