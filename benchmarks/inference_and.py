"""What the AND is worth at inference, on the networks that ``stable_spike.py`` trained.

    python benchmarks/inference_and.py --runs docs/results/stable_spike.jsonl \
        --out docs/results/inference_and.jsonl

For each network, on the whole test set:

- skeleton: the last layer reads the skeleton instead of the spikes. There are N biases but N - 1
  pairs, so biases are kept, scaled by (N - 1) / N, or fitted on training samples; accuracy,
  estimated cycles and SOPs.
- agreement (``emit="both"``): the share of samples on which the two classifiers agree, and the
  accuracy there, compared with as many samples of the largest readout margin (highest membrane
  minus the next).
- consistency: accuracy on the 90 % of the samples whose hidden layer is most consistent, compared
  with the 90 % of the largest margin.

A network is one line of the output. When the benchmark is started again, it skips those that are
there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import stablespike as ss
import torch
from runs import add_line, mean_and_deviation, read_lines, table
from stable_spike import KEY, Run, folder, hardware, identity, plan_of
from stablespike.train import Recipe
from stablespike.train.data import Samples, load, shaped

FITTED_ON = 10_000
COVERAGE = 0.9
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def emitting(
    network: ss.Network, emit: str, bias: Integers | None = None
) -> ss.Network:
    """Return the network with another emission of the hidden layer and another bias of the last."""
    hidden, last = network.layers
    settings = {"pool_before": None, "recurrent": None}
    return ss.Network(
        input=network.input,
        layers=(
            ss.Dense(
                hidden.weight, hidden.bias, neuron=hidden.neuron, emit=emit,
                weight_bits=hidden.weight_bits, **settings,
            ),
            ss.Dense(
                last.weight, last.bias if bias is None else bias, neuron=last.neuron,
                weight_bits=last.weight_bits, **settings,
            ),
        ),
        readout=network.readout, weight_bits=network.weight_bits,
        fraction_bits=network.fraction_bits,
    )


def ran(network: ss.Network, samples: Any, steps: int) -> Any:
    """Return the golden model's result."""
    return ss.Golden(network).run(samples, None if network.input.kind == "spikes" else steps)


def fitted_bias(network: ss.Network, samples: Any, labels: Integers, steps: int) -> Integers:
    """Return biases of the last layer with the least cross-entropy of the skeleton's membranes.

    Their scale is fitted with them. A bias is added in each of the ``steps`` steps.
    """
    membranes = torch.from_numpy(ran(emitting(network, "skeleton"), samples, steps).readout).float()
    target = torch.from_numpy(labels)
    offset = torch.zeros(membranes.shape[1], requires_grad=True)
    log_gain = (-membranes.std().log()).requires_grad_()
    unit = float(membranes.std())
    optimizer = torch.optim.LBFGS([offset, log_gain], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = (membranes + unit * offset) * log_gain.exp()
        found = torch.nn.functional.cross_entropy(scores, target)
        found.backward()
        return found

    optimizer.step(loss)
    moved = np.rint(unit * offset.detach().numpy().astype(np.float64) / steps).astype(np.int64)
    return np.asarray(network.layers[-1].bias + moved)


def margins(membranes: Integers) -> Integers:
    """Return (batch,) differences of the highest membrane and the next."""
    ordered = np.sort(membranes, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def selected(score: npt.ArrayLike, coverage: float) -> npt.NDArray[np.bool_]:
    """Return a mask of the ``coverage`` share with the highest score; of equal ones the first."""
    values = np.asarray(score, float)
    kept = np.zeros(len(values), bool)
    kept[np.argsort(-values, kind="stable")[: round(coverage * len(values))]] = True
    return kept


def accuracy(right: npt.NDArray[np.bool_], kept: npt.NDArray[np.bool_]) -> float | None:
    """Return the share of kept samples that is right; None if none is kept."""
    return float(right[kept].mean()) if kept.any() else None


def hidden_consistency(result: Any, steps: int) -> Floats:
    """Return (batch,) consistencies of the hidden layer."""
    of_all = ss.consistency(result.spike_counts, result.stable_counts, steps)
    return np.asarray(of_all[:, 0], dtype=np.float64)


def measured(
    network: ss.Network, plan: Recipe, fit: Samples, test: Samples, counted: int
) -> dict[str, Any]:
    """Return the figures of one network."""
    steps, labels = plan.steps, test.labels.numpy()
    samples = shaped(test.inputs, plan)
    both = ran(emitting(network, "both"), samples, steps)
    right = both.prediction == labels

    last = network.layers[-1].bias
    biases = {
        "kept": last,
        "scaled": np.rint(last * (steps - 1) / steps).astype(np.int64),
        "fitted": fitted_bias(network, shaped(fit.inputs, plan), fit.labels.numpy(), steps),
    }
    skeletons = {name: emitting(network, "skeleton", bias) for name, bias in biases.items()}
    found: dict[str, Any] = {"accuracy": float(right.mean())}
    for name, each in skeletons.items():
        predicted = ran(each, samples, steps).prediction
        found[f"skeleton_{name}"] = float((predicted == labels).mean())
    for prefix, each in (("", network), ("skeleton_", skeletons["fitted"])):
        costs = hardware(each, samples[:counted], steps)
        found |= {f"{prefix}{name}": value for name, value in costs.items()}

    margin = margins(both.readout)
    coverage = float(both.agreement.mean())
    found |= {
        "agreement_coverage": coverage,
        "agreement_accuracy": accuracy(right, both.agreement),
        "margin_accuracy_there": accuracy(right, selected(margin, coverage)),
    }
    consistent = hidden_consistency(both, steps)
    return found | {
        "consistency_accuracy_90": accuracy(right, selected(consistent, COVERAGE)),
        "margin_accuracy_90": accuracy(right, selected(margin, COVERAGE)),
    }


SHOWN = {
    "accuracy": "accuracy", "skeleton_kept": "skeleton, biases kept",
    "skeleton_scaled": "scaled", "skeleton_fitted": "fitted", "cycles": "cycles",
    "skeleton_cycles": "skeleton", "sops": "SOPs", "skeleton_sops": "skeleton",
    "agreement_coverage": "agreement: coverage",
    "agreement_accuracy": "accuracy there", "margin_accuracy_there": "of the margin there",
    "consistency_accuracy_90": "consistency at 90 %", "margin_accuracy_90": "margin at 90 %",
}


def summary(lines: Sequence[Run]) -> str:
    """Return a table of mean and deviation over seeds and folds, by data set, T and losses."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for line in lines:
        groups.setdefault(tuple(line[name] for name in KEY[:5]), []).append(line)
    head = ("data set", "T", "losses", "beta", "gamma", "networks", *SHOWN.values())
    rows = [
        [*map(str, key), str(len(runs)), *(_figure(runs, name) for name in SHOWN)]
        for key, runs in sorted(groups.items())
    ]
    return table(head, rows)


def _figure(runs: Sequence[Run], name: str) -> str:
    values = [run[name] for run in runs if run[name] is not None]
    if not values:
        return "-"
    mean, deviation = mean_and_deviation(values)
    if name.endswith(("cycles", "sops")):
        return f"{mean:,.0f}"
    return f"{mean:.2%}" if np.isnan(deviation) else f"{mean:.2%} ± {deviation:.2%}"


def networks(options: argparse.Namespace, there: set[Any]) -> Iterator[Run]:
    """Iterate over the runs whose network is to be measured."""
    for line in read_lines(options.runs):
        if "diverged" in line or line["losses"] not in options.losses:
            continue
        if identity(line) not in there:
            yield {name: line[name] for name in KEY}


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("stable_spike.jsonl"))
    parser.add_argument("--work", type=Path, default=Path("stable_spike_networks"))
    parser.add_argument("--out", type=Path, default=Path("inference_and.jsonl"))
    parser.add_argument("--data", type=Path)
    parser.add_argument(
        "--losses", nargs="+", default=["baseline", "spike", "noise", "both"]
    )
    parser.add_argument("--counted", type=int, default=500, help="samples for cycles")
    parser.add_argument("--table", action="store_true", help="print the table, run nothing")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    lines = read_lines(options.out)
    if not options.table:
        if not options.runs.is_file():
            raise SystemExit(f"{options.runs} does not exist: run stable_spike.py first")
        for run in networks(options, {identity(line) for line in lines}):
            file = folder(options.work, run) / "custom.safetensors"
            if not file.is_file():
                raise SystemExit(f"{file} does not exist: --work must be stable_spike.py's")
            plan = plan_of(run)
            fit = load(plan, "train", options.data).span(0, FITTED_ON)
            test = load(plan, "test", options.data)
            line = {**run, **measured(ss.load(file), plan, fit, test, options.counted)}
            add_line(options.out, line)
            lines.append(line)
            named = " ".join(f"{name}={run[name]}" for name in KEY)
            print(f"{named}: skeleton {line['skeleton_fitted']:.2%}", flush=True)
    print(summary(lines))


if __name__ == "__main__":
    main()
