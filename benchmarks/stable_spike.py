"""Stable Spike's losses: accuracy, spikes and cycles with and without them, over seeds.

    python benchmarks/stable_spike.py --out docs/results/stable_spike.jsonl

It trains a baseline, L_spike, L_noise and both, with a sweep of gamma, at T = 2 and 4, on MNIST and
the small N-MNIST (all five folds of its 1,100 recordings), with five seeds each; "nmnist-conv" is
the latter with convolutions. A finished run is one line of the output. When the benchmark is
started again, it skips finished runs, and continues an interrupted one from its checkpoint in
``--work``, where the networks stay for ``inference_and.py``. ``--table`` only prints the table of
the finished runs. For the data see ``stablespike.datasets`` ($STABLESPIKE_DATA or --data).

Within a seed (and fold), all losses see the same samples in the same order from the same first
weights, so tests are paired. With folds, a pair is a seed's mean over the folds. Cycles are
estimated from golden's words of the first ``--counted`` test samples.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
from runs import add_line, mean_and_deviation, paired, read_lines, table
from stablespike.golden.counters import count, source_words
from stablespike.golden.counters import totals as summed
from stablespike.timing.estimate import estimate
from stablespike.train import RECIPES, Diverged, Recipe, train
from stablespike.train.consistency import NOISE_DETACH, SPIKE_DETACH
from stablespike.train.data import load, shaped
from stablespike.train.recipe import FOLDS

ARRAY, CONVOLVING = "icebreaker", "ecp5-85f-conv"
NAMES = {
    "mnist": "mnist", "fashion-mnist": "fashion", "nmnist-small": "nmnist",
    "nmnist-conv": "nmnist-conv",
}
LOSSES = ("baseline", "spike", "noise", "both")
KEY = (
    "dataset", "steps", "losses", "beta", "gamma", "spike_detach", "noise_detach", "seed", "fold",
    "epochs",
)
Run = dict[str, Any]


def wanted(options: argparse.Namespace) -> list[Run]:
    """Iterate over the runs, by the fields of ``KEY``; all losses of a seed come together."""
    runs = []
    for seed in range(options.seeds):
        for dataset in options.datasets:
            for steps in options.steps:
                for fold in range(FOLDS if dataset.startswith("nmnist-") else 1):
                    for weights in _weights(options):
                        plan = RECIPES[f"{NAMES[dataset]}-baseline-t{steps}"]
                        epochs = options.epochs or plan.epochs
                        values = (dataset, steps, *weights, seed, fold, epochs)
                        runs.append(dict(zip(KEY, values, strict=True)))
    return runs


def _weights(options: argparse.Namespace) -> Iterator[tuple[str, float, float, str, str]]:
    for losses in options.losses:
        of_spikes, of_noise = losses in ("spike", "both"), losses in ("noise", "both")
        yield from product(
            (losses,),
            options.betas if of_spikes else (0.0,),
            options.gammas if of_noise else (0.0,),
            options.spike_detach if of_spikes else ("none",),
            options.noise_detach if of_noise else ("none",),
        )


def identity(run: Run) -> tuple[Any, ...]:
    return tuple(run[name] for name in KEY)


def folder(work: Path, run: Run) -> Path:
    return work / "_".join(str(value) for value in identity(run))


def plan_of(run: Run) -> Recipe:
    """Return the recipe that a run trains."""
    base = RECIPES[f"{NAMES[run['dataset']]}-baseline-t{run['steps']}"]
    fields = ("beta", "gamma", "spike_detach", "noise_detach", "fold", "epochs")
    return replace(base, **{name: run[name] for name in fields})


def hardware(network: ss.Network, samples: np.ndarray[Any, Any], steps: int) -> dict[str, float]:
    """Return SOPs and estimated cycles per sample, for samples in a row."""
    plain = all(isinstance(layer, ss.Dense) for layer in network.layers)
    program = ss.compile(network, ARRAY if plain else CONVOLVING, steps)
    traced = ss.Golden(network).run(
        samples, None if network.input.kind == "spikes" else steps, trace=True
    )
    window = program.config.window
    words = source_words(network, samples, traced.spikes, traced.skeleton, window)
    counters = count(
        network, samples, traced.spikes, traced.skeleton, window, program.tiles
    )
    return {
        "sops": float(summed(counters)["sops"].mean()),
        "cycles": float(estimate(program, words).mean()),
    }


def execute(run: Run, data: Path | None, work: Path, counted: int) -> Run:
    """Train and measure one run; of one that diverges, the message is kept."""
    place, plan = folder(work, run), plan_of(run)
    begun = (place / "custom.checkpoint.pt").is_file()
    try:
        result = train(plan, seed=run["seed"], data=data, out=place, resume=begun)
    except Diverged as error:
        return {**run, "diverged": str(error)}
    (place / "custom.checkpoint.pt").unlink()
    samples = shaped(load(plan, "test", data).span(0, counted).inputs, plan)
    rates = (result.skeleton_rate, result.firing_rate)
    return {
        **run,
        "test": result.test,
        "validation": result.validation,
        "best_epoch": result.best_epoch,
        "skeleton_rate": rates[0],
        "firing_rate": rates[1],
        "consistency": rates[0] / rates[1] if rates[0] is not None and rates[1] else None,
        **hardware(result.network, samples, plan.steps),
        "seconds": result.seconds,
    }


def summary(lines: Sequence[Run]) -> str:
    """Return the tables, one for each data set and T."""
    parts = []
    head = (
        "losses", "beta", "gamma", "detached", "runs", "accuracy, mean", "deviation",
        "against baseline", "p, paired t", "p, sign flips", "skeleton rate", "firing rate",
        "consistency", "SOPs", "cycles, estimated",
    )
    groups: dict[tuple[Any, ...], dict[tuple[Any, ...], list[Run]]] = {}
    for line in lines:
        if "diverged" not in line:
            kind = tuple(line[name] for name in KEY[2:7])
            groups.setdefault(_group(line), {}).setdefault(kind, []).append(line)
    for (dataset, steps, epochs), kinds in sorted(groups.items()):
        base = next((each for kind, each in kinds.items() if kind[0] == "baseline"), [])
        rows = [_row(kind, runs, base) for kind, runs in sorted(kinds.items(), key=_order)]
        lost = sum("diverged" in line for line in lines if _group(line) == (dataset, steps, epochs))
        title = f"### {dataset}, T = {steps}, {epochs} epochs"
        parts.append(f"{title}{f', {lost} diverged' if lost else ''}\n\n{table(head, rows)}")
    return "\n".join(parts)


def _group(line: Run) -> tuple[Any, ...]:
    return line["dataset"], line["steps"], line["epochs"]


def _order(item: tuple[tuple[Any, ...], list[Run]]) -> tuple[Any, ...]:
    return (LOSSES.index(item[0][0]), *item[0][1:])


def by_seed(runs: Sequence[Run]) -> dict[int, tuple[float, frozenset[int]]]:
    """Return accuracy and folds of each seed."""
    seeds: dict[int, dict[int, float]] = {}
    for run in runs:
        seeds.setdefault(run["seed"], {})[run["fold"]] = run["test"]
    return {
        seed: (float(np.mean(list(folds.values()))), frozenset(folds))
        for seed, folds in seeds.items()
    }


def _row(kind: tuple[Any, ...], runs: Sequence[Run], base: Sequence[Run]) -> list[str]:
    ours, theirs = by_seed(runs), by_seed(base)
    mean, deviation = mean_and_deviation(value for value, _ in ours.values())
    shared = [
        seed for seed in sorted(ours) if seed in theirs and ours[seed][1] == theirs[seed][1]
    ]
    tests = ["", "", ""]
    if kind[0] != "baseline" and shared:
        found = paired([ours[s][0] for s in shared], [theirs[s][0] for s in shared])
        tests = [f"{found['difference']:+.2%}", _p(found["t_test"]), _p(found["sign_flips"])]

    def average(name: str, form: str) -> str:
        values = [run[name] for run in runs if run[name] is not None]
        return format(float(np.mean(values)), form) if values else "-"

    detached = ", ".join(each for each in kind[3:5] if each != "none") or "-"
    return [
        kind[0], f"{kind[1]:g}", f"{kind[2]:g}", detached, str(len(runs)),
        f"{mean:.2%}", _share(deviation), *tests,
        average("skeleton_rate", ".4f"), average("firing_rate", ".4f"),
        average("consistency", ".3f"), average("sops", ",.0f"), average("cycles", ",.0f"),
    ]


def _p(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2%}"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("stable_spike.jsonl"))
    parser.add_argument("--work", type=Path, default=Path("stable_spike_networks"))
    parser.add_argument("--data", type=Path)
    parser.add_argument(
        "--datasets", nargs="+", choices=NAMES, default=["mnist", "nmnist-small"]
    )
    parser.add_argument("--steps", nargs="+", type=int, choices=(2, 4), default=[2, 4])
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--betas", nargs="+", type=float, default=[1.0])
    parser.add_argument("--gammas", nargs="+", type=float, default=[0.01, 0.1, 1.0])
    parser.add_argument("--spike-detach", nargs="+", choices=SPIKE_DETACH, default=["none"])
    parser.add_argument("--noise-detach", nargs="+", choices=NOISE_DETACH, default=["none"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="instead of the recipes'")
    parser.add_argument("--counted", type=int, default=500, help="samples for SOPs and cycles")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with one thread")
    parser.add_argument("--table", action="store_true", help="print the table, run nothing")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    lines = read_lines(options.out)
    if not options.table:
        there = {identity(line) for line in lines}
        missing = [run for run in wanted(options) if identity(run) not in there]
        print(f"{len(missing)} runs, {len(there)} there", flush=True)
        call = partial(
            execute, data=options.data, work=options.work, counted=options.counted
        )
        for done, line in enumerate(_results(call, missing, options.jobs), 1):
            add_line(options.out, line)
            lines.append(line)
            named = " ".join(f"{name}={line[name]}" for name in KEY)
            outcome = line.get("diverged") or f"{line['test']:.2%}"
            print(f"{done}/{len(missing)} {named}: {outcome}", flush=True)
    print(summary(lines))


def _results(call: Any, missing: Sequence[Run], jobs: int) -> Iterator[Run]:
    if jobs == 1:
        yield from map(call, missing)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(call, run) for run in missing]):
            yield future.result()


if __name__ == "__main__":
    main()
