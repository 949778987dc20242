"""A small array, and stand-ins for the tools that build boards."""

import json
import os

import pytest
from stablespike.boards import flow
from stablespike.boards.registry import BOARDS
from stablespike.boards.tools import Tools
from stablespike.spec import ArrayConfig


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    """Every test starts without builds of others."""
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def small():
    """An array of 16 slots, which is quick to elaborate and to synthesize."""
    return ArrayConfig(
        lanes=4, acc_bits=12, weight_rows=2048, spike_rows=64, neuron_groups=16, tasks=4,
        receive_bytes=512, result_bytes=512, synaptic_current=False,
    )


def report(achieved: float, wanted: float = 24.0) -> str:
    """The report nextpnr writes for a seed that reached ``achieved`` MHz."""
    def step(kind, delay, before, behind):
        return {"type": kind, "delay": delay, "from": {"cell": before}, "to": {"cell": behind}}

    scanner = "accelerator.accelerator.array.core0.scanner"
    return json.dumps({
        "fmax": {"sync": {"achieved": achieved, "constraint": wanted}},
        "utilization": {"ICESTORM_LC": {"used": 4000, "available": 5280}},
        "critical_paths": [
            {"from": "<async>", "to": "posedge sync", "path": []},
            {"from": "posedge sync", "to": "posedge sync", "path": [
                step("clk-to-q", 1.5, f"{scanner}.row_SB_DFFE_Q_4_DFFLC", "x"),
                step("routing", 2.0, f"{scanner}.row_SB_DFFE_Q_4_DFFLC",
                     "accelerator.accelerator.link.take_SB_LUT4_O_LC"),
                step("logic", 0.5, "accelerator.accelerator.link.take_SB_LUT4_O_LC",
                     "$nextpnr_ICESTORM_LC_9"),
                step("setup", 0.25, "accelerator.uart.left_SB_DFF_Q_D_SB_LUT4_O_LC",
                     "accelerator.uart.left_SB_DFF_Q_D_SB_LUT4_O_LC"),
            ]},
        ],
    })


class FakeTools:
    """Replaces ``Tools.run`` and writes the files that the tools would write.

    Attributes
    ----------
    rates : dict
        fmax by seed, or the error to raise.
    calls : list
        Tools and arguments so far.
    """

    def __init__(self):
        self.rates, self.calls = {}, []

    def __call__(self, tools, tool, *arguments):
        self.calls.append((tool, arguments))
        if tool == "yosys":
            kinds = {"SB_LUT4": 3000, "SB_DFFE": 1500, "SB_DFFSR": 20, "SB_RAM40_4K": 22}
            cells = {"design": {"num_cells_by_type": kinds}}
            (tools.folder / "cells.json").write_text(json.dumps(cells))
            (tools.folder / "top.json").write_text("{}")
        elif tool.startswith("nextpnr"):
            seed = int(arguments[arguments.index("--seed") + 1])
            rate = self.rates.get(seed, 30.0)
            if isinstance(rate, BaseException):
                raise rate
            (tools.folder / f"{seed}.json").write_text(report(rate))
        else:
            (tools.folder / arguments[-1]).write_bytes(f"packed {arguments[0]}".encode())
        return ""


@pytest.fixture(scope="session")
def elaborations():
    """The files of gateware that was elaborated, by board and configuration."""
    return {}


@pytest.fixture
def fake(monkeypatch, elaborations):
    """Tools that are not run, on gateware that is elaborated once for all tests.

    The files then hold the build ID of the first test, which only the real tools would read.
    """
    tools, elaborate = FakeTools(), flow.elaborate

    def once(board, config, build_id, folder, link=None):
        key = board.name, board.target_hz, config, link and link.kind
        if key not in elaborations:
            elaborate(board, config, build_id, folder, link)
            elaborations[key] = {path.name: path.read_text() for path in folder.iterdir()}
        for name, text in elaborations[key].items():
            (folder / name).write_text(text)

    monkeypatch.setattr(Tools, "run", lambda self, *arguments: tools(self, *arguments))
    monkeypatch.setattr(flow, "elaborate", once)
    return tools


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Puts a module in place of a tool's wheel, for the processes that run tools."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)

    def put(module, text):
        (folder / f"{module}.py").write_text(text)

    return put


@pytest.fixture
def icebreaker():
    return BOARDS["icebreaker"]


@pytest.fixture
def versioned(monkeypatch):
    """The digest of the sources, which a test may change."""
    from stablespike.boards import build

    state = {"sources": "first"}
    monkeypatch.setattr(build, "source_digest", lambda *packages: state["sources"])
    return state
