"""Spoken words: trained in float and on integers, and run on a simulated board.

    python benchmarks/words.py [--data FOLDER] [--epochs 12] [--words 100] [--out FILE]

Without a folder of WAV files (see ``stablespike.signals.read_words``), espeak-ng speaks the ten
digits: synthetic speech, of which the voices that are tested are in no training word. The network
in float has the same shape, leaks, normalisation and number of epochs as that of the recipe.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
import torch
from stablespike.device.verify import Comparison, compare
from stablespike.train import RECIPES, Recipe, train
from stablespike.train.data import Samples, read
from stablespike.train.exact import spike
from stablespike.train.gathering import gather
from stablespike.train.sources import read_source

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-029")
VOICES = (
    "m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "f4", "Alex", "Andrea", "Andy", "Annie",
    "Denis", "Gene", "Hugo", "Jacky", "Lee", "adam", "belinda", "benjamin", "boris", "caleb", "ed",
    "edward", "john", "linda", "max", "miguel", "pablo", "paul", "pedro", "robert", "steph", "zac",
)
TESTED = ("m7", "m8", "f5", "Alicia", "Mike", "david", "rob", "victor", "travis")
SPEEDS = (140, 190)
ARRAYS = {"words": "icebreaker", "words-recurrent": "icebreaker-recurrent"}


def speak(folder: Path) -> str:
    """Let espeak-ng speak the digits into ``train`` and ``test``; return its version."""
    tool = shutil.which("espeak-ng")
    if tool is None:
        raise SystemExit("espeak-ng is not there: 'apt-get install espeak-ng', or give --data")
    for split, voices in (("train", VOICES), ("test", TESTED)):
        for word in DIGITS:
            (folder / split / word).mkdir(parents=True)
            for accent in ACCENTS:
                for voice in voices:
                    for speed in SPEEDS:
                        path = folder / split / word / f"{accent}_{voice}_{speed}.wav"
                        subprocess.run(
                            [tool, "-v", f"{accent}+{voice}", "-s", str(speed), "-w", path, word],
                            check=True,
                        )
    said = subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout
    return said.split("Data")[0].split(":")[1].strip()


class Float(torch.nn.Module):
    """The network of a recipe in float: layers, normalisation, leaks, and membranes as readout."""

    def __init__(self, plan: Recipe) -> None:
        super().__init__()
        sizes = [plan.shape[0], *plan.sizes]
        self.factor = ss.Leak.of(plan.leak).factor
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(a, b) for a, b in pairwise(sizes)
        )
        self.norms = torch.nn.ModuleList(torch.nn.BatchNorm1d(size) for size in sizes[1:])
        self.own = torch.nn.ModuleList(
            torch.nn.Linear(size, size, bias=False) for size in sizes[1:] if plan.recurrent
        )
        self.last = torch.nn.Linear(sizes[-1], plan.classes)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        for index, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            current = norm(layer(values).flatten(0, 1)).reshape(*values.shape[:2], -1)
            v = fired = torch.zeros_like(current[0])
            spikes = []
            for drive in current:
                v = self.factor * v + drive
                if self.own:
                    v = v + self.own[index](fired)
                fired = spike(v - 1, 1.0)
                v = v - fired
                spikes.append(fired)
            values = torch.stack(spikes)
        return self.last(values).mean(0)


def in_float(plan: Recipe, samples: Samples, test: Samples, seed: int) -> float:
    """Train the network in float, and return its accuracy on the test samples."""
    torch.manual_seed(seed)
    net, rate = Float(plan), 2e-3
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.epochs)
    full = float((1 << plan.pixel_bits) - 1)
    for _ in range(plan.epochs):
        net.train()
        for batch in torch.randperm(len(samples)).split(plan.batch):
            scores = net(read(samples.inputs[batch], plan) / full)
            loss = torch.nn.functional.cross_entropy(scores, samples.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        right = net(read(test.inputs, plan) / full).argmax(1) == test.labels
    return float(right.double().mean())


def on_board(network: ss.Network, array: str, samples: Any, labels: Any) -> dict[str, Any]:
    """Compare a simulated board with golden on some samples: in every spike word and membrane, and
    without a trace in every membrane and counter."""
    program = ss.compile(network, array, samples.shape[1])
    comparison = Comparison()
    with ss.open_device(f"sim:{array}") as board, ss.open_device("golden:") as golden:
        board.load(program)
        golden.load(program)
        got = board.run(samples, trace=True)
        compare(golden.run(samples, trace=True), got, program, comparison)
        # The spike words of a trace go out over the link, which holds the array up.
        bare = board.run(samples)
        compare(golden.run(samples), bare, program, comparison)
    right = int((got.prediction == labels).sum())
    return {
        "words": len(samples), "right": right,
        "cycles_per_word": round(float(bare.counters["cycles"].mean()), 1),
        "different_spike_words": comparison.word_mismatches,
        "different_readouts": comparison.readout_mismatches,
        "different_counters": comparison.counter_mismatches,
    }


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="Folder of WAV files; espeak-ng by default.")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--words", type=int, default=100, help="Words for the simulated board.")
    parser.add_argument("--recipes", nargs="*", default=list(ARRAYS), choices=list(ARRAYS))
    parser.add_argument("--out", type=Path)
    return parser.parse_args(given)


def main() -> int:
    chosen = arguments()
    with tempfile.TemporaryDirectory() as made:
        folder, spoken = chosen.data, "recordings"
        if folder is None:
            folder, spoken = Path(made), f"espeak-ng {speak(Path(made))}"
        print(f"words of {spoken}", file=sys.stderr)
        found: dict[str, Any] = {"speech": spoken, "epochs": chosen.epochs, "seed": chosen.seed}
        for name in chosen.recipes:
            plan = replace(RECIPES[name], epochs=chosen.epochs)
            assert plan.own is not None
            source = read_source(folder, plan.own)
            parts = [source.train] if source.test is None else [source.train, source.test]
            data = tuple(each for part in parts for each in (part.samples, part.labels))
            own = gather(plan, data)
            result = train(
                plan, seed=chosen.seed, data=data,
                progress=lambda line: print(line, file=sys.stderr),
            )
            some = np.random.default_rng(0).permutation(len(own.test))[: chosen.words]
            found[name] = {
                "shape": "-".join(map(str, [*own.plan.shape, *own.plan.sizes, own.plan.classes])),
                "train_words": len(own.train), "test_words": len(own.test),
                "float": round(in_float(own.plan, own.train, own.test, chosen.seed), 4),
                "integers": round(result.test, 4), "held_out": result.validation,
                "golden_differences": result.golden_differences,
                "array": ARRAYS[name],
                "board": on_board(
                    result.network, ARRAYS[name], own.test.inputs[some].numpy().astype(int),
                    own.test.labels[some].numpy(),
                ),
                "seconds": result.seconds,
            }
            print(json.dumps(found[name]), file=sys.stderr, flush=True)
    text = json.dumps(found, indent=2) + "\n"
    if chosen.out:
        chosen.out.write_text(text)
    print(text)
    return any(
        found[name]["golden_differences"] or found[name]["board"]["different_spike_words"]
        or found[name]["board"]["different_readouts"]
        or found[name]["board"]["different_counters"] for name in chosen.recipes
    )


if __name__ == "__main__":
    sys.exit(main())
