"""The page of a run: its figures, its drawings, and its file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
from board_model import Board
from refusals import refuses
from stablespike.device.result import LinkBytes
from stablespike.page import BoardFacts, Run, load_run, page
from stablespike.page.drawing import bar, raster
from stablespike.page.figures import estimated, membranes, shares, times
from verbs import Out, call


def network(readout: str = "counts") -> ss.Network:
    rng = np.random.default_rng(3)
    last = ss.Neuron(fires=False) if readout == "membrane" else ss.Neuron(threshold=60)
    return ss.Network(
        ss.PixelInput((9,), 4),
        [
            ss.Dense(rng.integers(-3, 8, (12, 9)), neuron=ss.Neuron(threshold=300, leak=(2, None))),
            ss.Dense(rng.integers(-3, 8, (4, 12)), neuron=last),
        ],
        readout,
    )


def run_of(readout: str = "counts") -> Run:
    program = ss.compile(network(readout), "icebreaker", 6)
    samples = np.random.default_rng(1).integers(0, 16, (3, 9)).astype(np.uint8)
    with ss.open_device("golden:") as device:
        device.load(program)
        result = device.run(samples, trace=True)
    return Run(program, result, "golden:", result, samples, result.prediction)


def with_cycles(run: Run) -> Run:
    counters, layers = run.result.counters.copy(), run.result.layer_counters.copy()
    counters["cycles"], counters["wait"], counters["drain"] = 1000, 100, 50
    layers["cycles"] = 500
    result = replace(
        run.result, counters=counters, layer_counters=layers, link_bytes=LinkBytes(300, 60)
    )
    return replace(run, result=result, traced=result)


def test_times_and_limits() -> None:
    run = run_of()
    assert times(run) is None
    run = with_cycles(run)
    own = times(run)
    assert own is not None
    assert (own.cycles, own.clock_hz, own.busy) == (1000, 0, 1)
    lanes = run.result.layer_counters["lower_bound"]
    # 12 and 4 neurons, 6 steps one by one.
    bound = np.maximum(lanes, [72, 24]).sum(axis=1).mean()
    assert max(own.limits.values()) == pytest.approx(bound)
    assert own.array_share == pytest.approx(bound / 1000)
    assert "link" not in own.limits
    slow = replace(run, board=BoardFacts("own", "X", 1_000_000, "uart", 50_000))
    found = times(slow)
    assert found is not None
    # 100 bytes of each sample at 50 kB/s are 2 ms, twice what the array takes at 1 MHz.
    assert found.limits["link"] == pytest.approx(2000)
    assert (found.binding, found.busy, found.array_share) == ("link", 0.5, own.array_share)
    text = page(slow, "it")
    for part in ("1 MHz, of the board own", "1,000.00 us", "at most 500", "link: 2,000.00 us",
                 "50.0% of that time", "X"):
        assert part in text
    of_device = times(replace(slow, result=replace(run.result, clock_hz=4_000_000)))
    assert of_device is not None
    assert of_device.clock_hz == 4_000_000


def test_shares_are_of_all_cycles() -> None:
    found = shares(with_cycles(run_of()))
    assert sum(found.values()) == pytest.approx(1)
    assert found["waiting for rows of spikes, or for other cores"] == pytest.approx(0.1)


def test_estimates_and_membranes_are_those_of_the_samples() -> None:
    run = with_cycles(run_of("membrane"))
    values = membranes(run)
    assert values is not None
    assert values.shape == (3, 6, 4)
    assert (values[:, -1] == run.result.readout).all()
    cycles = estimated(run)
    assert cycles is not None
    assert len(cycles) == 3
    text = page(run, "it")
    assert all(f"{count:,}" in text for count in cycles)
    assert "Membranes of the last layer" in text
    without = replace(run, samples=None)
    assert estimated(without) is membranes(without) is None
    assert "active inputs of a layer" in page(without, "it")


def test_an_estimate_without_a_device_has_times() -> None:
    run = run_of()
    cycles = estimated(run)
    assert cycles is not None
    text = page(replace(run, board=BoardFacts("own", "X", 2_000_000, "usb", 1e6)), "it")
    assert f"<td>{cycles[1]:,}</td><td>{cycles[1] / 2:,.1f}</td>" in text
    assert "at the 2 MHz of the board own" in text
    assert f"<td>{cycles[1]:,}</td><td>-</td>" in page(run, "it")


def test_changing_pixels_are_frames() -> None:
    run = run_of("membrane")
    samples = np.repeat(run.samples[:, None], 6, axis=1)  # type: ignore[index]
    assert run.network is run.program.network
    changing = replace(run, samples=samples)
    assert changing.network.input.kind == "frames"
    assert (membranes(changing) == membranes(run)).all()  # type: ignore[union-attr]
    assert estimated(changing) is not None


def test_rasters_draw_every_spike_once() -> None:
    rng = np.random.default_rng(0)
    spikes = rng.random((8, 20)) < 0.5
    stable = spikes & np.vstack([np.zeros((1, 20), bool), spikes[:-1]])
    drawing, shown = raster(spikes, stable, 4, 1000)
    assert shown == 20
    plain, kept = re.findall(r'<path class="(?:spike|stable)" d="(.*?)"', drawing)
    drawn = [set(re.findall(r"M(\d+) (\d+)h1", each)) for each in (plain, kept)]
    assert drawn[1] == {(str(t), str(n)) for t, n in np.argwhere(stable)}
    assert drawn[0] == {(str(t), str(n)) for t, n in np.argwhere(spikes & ~stable)}
    assert 'class="edge" d="M4 0v20"' in drawing
    drawing, shown = raster(spikes, stable, 4, 30)
    assert drawing.count("h1v1h-1z") == spikes[:, :shown].sum() <= 30
    assert spikes[:, : shown + 1].sum() > 30


def test_bars_end_at_the_whole() -> None:
    assert bar([("a", 3), ("b", 9)], 4).count('width="75.00"') == 1
    assert 'width="25.00"' in bar([("a", 3), ("b", 9)], 4)


def test_a_page_is_self_contained_and_explains_what_is_missing() -> None:
    run = run_of()
    text = page(replace(run, traced=None, samples=None, labels=None), "<it>")
    assert "&lt;it&gt;" in text
    assert "<it>" not in text
    for part in ("has no cycles", "run it with <code>--trace</code>"):
        assert part in text
    assert "confusion" not in text
    full = page(run, "it")
    assert "confusion matrix" in full
    assert "100.00% of 3" in full
    for each in (text, full):
        assert not re.search(r"<script|<link|https?:|url\(|@import|src=", each)


def test_pages_of_many_spikes_stay_small() -> None:
    run = run_of()
    trace = tuple(np.ones((6, 200, 4096), bool) for _ in range(2))
    traced = replace(
        run.result.first(3), trace=trace, skeleton=trace, lengths=np.full(6, 200),
        consistency=np.ones((6, 2)), prediction=np.zeros(6, int),
    )
    big = replace(run, traced=traced, result=traced, samples=None, labels=None)
    text = page(replace(big, result=run.result.joined([run.result, run.result])), "it")
    assert len(text) < 3_000_000
    assert "of 4,096 neurons" in text


def test_the_file_of_a_run(capsys: Out, files: Path, board: Callable[..., Board]) -> None:
    board(ss.load_program(files / "program"))
    code, _, err = call(
        capsys, "run", files / "program", files / "labelled.npz", "--device", "sim:icebreaker",
        "-o", files / "out", "--trace", "--batch", 3,
    )
    assert code == 0, err
    run = load_run(files / "out.npz")
    assert run.device == "sim:icebreaker"
    assert run.result.measured("cycles")
    assert run.traced is not None
    assert run.samples is not None
    assert len(run.traced) == len(run.samples) == 6
    assert run.labels is not None
    code, _, err = call(capsys, "report", files / "out.npz", "-o", files / "page.html")
    assert code == 0, err
    text = (files / "page.html").read_text()
    for part in ("MHz, of the device sim:icebreaker", "Where the cycles went", "confusion matrix",
                 "estimated cycles", "iCE40UP5K"):
        assert part in text
    code, out, _ = call(capsys, "report", files / "out.npz")
    assert (code, out.splitlines()[0]) == (0, "Result of 10 samples")
    code, _, err = call(
        capsys, "report", files / "out.npz", "-o", files / "page.html", "--board", "orangecrab-85f"
    )
    assert code == 0, err
    text = (files / "page.html").read_text()
    assert "of the board orangecrab-85f" in text
    assert "Its own array is another one" in text


def test_what_is_no_run(capsys: Out, files: Path) -> None:
    code, _, err = call(capsys, "report", files / "labelled.npz", "-o", files / "page.html")
    assert code == 2
    assert "has no program in it" in err
    assert "--program" in err
    with refuses(ss.FileError, "is no result of 'stablespike run' (KeyError"):
        load_run(files / "labelled.npz", files / "program")
    code, _, err = call(capsys, "report", files / "program", "-o", files / "page.html")
    assert code == 2
    assert "--out is for the result of a run (.npz), and " in err
    code, out, _ = call(
        capsys, "run", files / "program", files / "samples.npy", "--device", "golden:",
        "-o", files / "out.npz", "--json",
    )
    assert json.loads(out)["samples"] == 10
    run = load_run(files / "out.npz")
    assert run.traced is run.samples is run.labels is None
    with np.load(files / "out.npz") as loaded:
        older = {name: loaded[name] for name in loaded.files if name != "program"}
    np.savez(files / "older.npz", **older)
    assert len(load_run(files / "older.npz", files / "program").result) == 10
    np.savez(files / "odd.npz", **{**older, "prediction": older["prediction"][:3]})
    with refuses(ss.FileError, "prediction must be of 10 samples, not 3"):
        load_run(files / "odd.npz", files / "program")
    code, _, err = call(
        capsys, "report", files / "out.npz", "-o", files / "page.html", "--board", "orange"
    )
    assert code == 2
    assert "board must be one of" in err
