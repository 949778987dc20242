"""Lengths and flags of state of samples, from their file and from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import Board
from stablespike.program.files import load_program
from stablespike.samples.files import read_samples
from verbs import Out, call

LENGTHS = np.array([6, 1, 4, 5, 2, 6, 3, 3, 1, 6])
FLAGS = np.array([False, True, True, False, True, False, False, True, True, True])


def run(capsys: Out, files: Path, name: str, *options: Any) -> dict[str, Any]:
    code, _, err = call(
        capsys, "run", files / "program", files / name, "--device", "golden:",
        "-o", files / "out.npz", "--batch", 4, *options,
    )
    assert code == 0, err
    with np.load(files / "out.npz") as loaded:
        return dict(loaded)


def padded(files: Path) -> Any:
    samples = np.load(files / "samples.npy")
    samples[np.arange(6) >= LENGTHS[:, None]] = 0
    return samples


def expected(files: Path, **options: Any) -> ss.Result:
    with ss.open_device("golden:") as device:
        device.load(load_program(files / "program"))
        result: ss.Result = device.run(padded(files), **options)
        return result


def test_lengths_and_flags_of_a_file(
    capsys: Out, files: Path, board: Callable[..., Board]
) -> None:
    samples = padded(files)
    np.savez(files / "own.npz", samples=samples, lengths=LENGTHS, carry_state=FLAGS)
    np.savez(files / "turned.npz", samples=samples.swapaxes(0, 1), lengths=LENGTHS)
    named = run(capsys, files, "own.npz")
    result = expected(files, lengths=LENGTHS, carry_state=FLAGS)
    for name in ("readout", "prediction", "margin", "lengths", "spikes", "consistency"):
        np.testing.assert_array_equal(named[name], result.arrays()[name])
    turned = run(capsys, files, "turned.npz", "--time-axis", 0)
    alone = expected(files, lengths=LENGTHS)
    np.testing.assert_array_equal(turned["readout"], alone.readout)
    assert (alone.readout != result.readout).any()
    board(load_program(files / "program"))
    code, out, err = call(
        capsys, "verify", files / "program", files / "own.npz", "--device", "sim:icebreaker",
        "--batch", 4, "--json",
    )
    assert code == 0, err
    figures = json.loads(out)
    windows = int((-(-LENGTHS // 4)).sum())
    assert (figures["mismatches"], figures["words"]) == (0, 2 * windows * (12 + 4))


def test_own_lengths_of_recordings(capsys: Out, files: Path) -> None:
    samples, recordings = padded(files), []
    samples[np.arange(10), LENGTHS - 1, 0] = True
    for sample in samples:
        step, x = np.nonzero(sample)
        events = np.zeros(len(x), dtype=[("t", "i8"), ("x", "i2")])
        events["t"], events["x"] = 7 * step, x
        recordings.append(events)
    np.savez(files / "events.npz", *recordings)
    np.savez(files / "given.npz", *recordings, lengths=np.full(10, 6), carry_state=FLAGS)
    options = ["--bin-time", 7, "--start", 0]
    own = run(capsys, files, "events.npz", "--own-lengths", *options)
    assert own["lengths"].tolist() == LENGTHS.tolist()
    assert run(capsys, files, "events.npz", *options)["lengths"].tolist() == [6] * 10
    given = run(capsys, files, "given.npz", *options)
    with ss.open_device("golden:") as device:
        device.load(load_program(files / "program"))
        result = device.run(recordings, bin_time=7, start=0, carry_state=FLAGS)
    np.testing.assert_array_equal(given["readout"], result.readout)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"lengths": LENGTHS[:9]}, [], "lengths in {} must be (10,), one per sample, not (9,)"),
        ({"carry_state": FLAGS[:9]}, [], "carry_state in {} must be (10,), one per sample"),
        ({"carry_state": LENGTHS}, [], "carry_state must be True, False, or a list"),
        ({"lengths": LENGTHS / 2}, [], "lengths must be integers"),
        ({"lengths": LENGTHS}, ["--own-lengths"], "--own-lengths is for files without 'lengths'"),
        ({"carry_state": FLAGS}, ["--carry-state"], "--carry-state is for files without 'carry"),
    ],
)
def test_files_that_do_not_go_with_the_options(
    capsys: Out, files: Path, arrays: dict[str, Any], options: list[str], message: str
) -> None:
    path = files / "wrong.npz"
    np.savez(path, samples=padded(files), **arrays)
    for verb in ("run", "verify"):
        out = ["-o", files / "out.npz"] if verb == "run" else []
        code, _, err = call(
            capsys, verb, files / "program", path, "--device", "golden:", *out, *options
        )
        assert code == 2
        assert message.format(path) in err
    assert not (files / "out.npz").exists()


def test_only_runs_take_lengths(files: Path) -> None:
    np.savez(files / "own.npz", samples=padded(files), lengths=LENGTHS)
    with pytest.raises(ss.FileError, match=r"own\.npz has an array 'lengths', which"):
        read_samples(files / "own.npz")
