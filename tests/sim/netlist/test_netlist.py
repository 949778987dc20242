"""Netlists on the simulated board: small arrays, faults, and errors."""

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import stablespike as ss
from stablespike.device.link_device import LinkDevice
from stablespike.device.verify import compare
from stablespike.hw.accelerator import UartAccelerator
from stablespike.link.transports.transport import Transport
from stablespike.sim.board.board import SimTransport
from stablespike.sim.netlist import board_netlist, cells
from stablespike.sim.netlist.netlist import Netlist, netlist_verilog, random_faults, read_netlist
from stablespike.spec.link import BAUD_DEFAULT, CLOCKS_PER_BIT_MIN
from stablespike.support.errors import DeviceError, FileError, ToolError
from synthesis import UART_PINS, synthesize

# The slowest clock that the default baud rate allows, for the fewest clocks per bit.
CLOCK_HZ = CLOCKS_PER_BIT_MIN * BAUD_DEFAULT
CONFIG = ss.ArrayConfig(
    lanes=4, acc_bits=10, weight_rows=2048, spike_rows=64, neuron_groups=8, tasks=8, row_queue=4,
    receive_bytes=512, result_bytes=512, synaptic_current=False,
)
STEPS = 6
FAULTS = 12


class PinTransport(Transport):
    """A netlist as the driver sees it."""

    name = "the netlist"
    timeout = 60.0
    poll = 5.0

    def __init__(self, verilog, fault):
        self._board = SimTransport(
            CONFIG, uart=True, clock_hz=CLOCK_HZ, verilog=verilog, quick=True, fault=fault
        )

    def write(self, data):
        self._board.write(data)

    def read(self, timeout):
        return self._board.read(timeout)

    def close(self):
        self._board.close()

    def reset(self):
        self._board.reset()
        super().reset()


@pytest.fixture(scope="module", params=["ice40", "ecp5"])
def netlist(request):
    return synthesize(UartAccelerator(CONFIG, clock_hz=CLOCK_HZ), request.param)


def task():
    """A program of two layers, of which one emits spikes and skeleton, and samples for it."""
    rng = np.random.default_rng(1)
    neuron = ss.Neuron(leak=ss.Leak(1, 4, add=True), threshold=60, v_init=15)
    net = ss.Network(
        ss.SpikeInput((12,)),
        [
            ss.Dense(rng.integers(-8, 8, (6, 12)), rng.integers(-20, 60, 6), neuron=neuron,
                     emit="both"),
            ss.Dense(rng.integers(-8, 8, (3, 6)), neuron=replace(neuron, leak=(2, None))),
        ],
        weight_bits=4, fraction_bits=4,
    )
    return ss.compile(net, CONFIG, steps=STEPS), rng.random((3, STEPS, 12)) < 0.5


def differences(verilog, fault, timeout=None):
    """Comparison of the driver's results with those of the golden model."""
    program, samples = task()
    with ss.open_device("golden:") as golden:
        golden.load(program)
        expected = golden.run(samples, trace=True)
    assert expected.spikes.sum(axis=0).min() > 0, "a layer without a spike shows nothing"
    with (
        patch("secrets.token_bytes", bytes),
        LinkDevice("pins:", lambda: PinTransport(verilog, fault), None, timeout) as device,
    ):
        device.load(program)
        found = compare(expected, device.run(samples, trace=True), program)
    assert found.words == 3 * 2 * 2 * (6 + 3)
    return found


def test_netlists_give_goldens_integers_and_faults_are_caught(netlist):
    faults = random_faults(netlist, FAULTS, seed=1)
    verilog = netlist_verilog(netlist, UART_PINS, faults=faults)
    found = differences(verilog, 0)
    assert found.mismatches == 0, str(found.first)
    caught = []
    for number in range(1, FAULTS + 1):
        try:
            caught.append(differences(verilog, number, timeout=3).mismatches > 0)
        except DeviceError:
            caught.append(True)
    # Tables have entries that no input selects, and parts that this network does not use.
    assert any(caught), caught


def cell(kind, connections, **parameters):
    outputs = ("O", "Q", "Z", "DO", "DATAOUT")
    return {
        "type": kind, "parameters": parameters, "connections": connections,
        "port_directions": {pin: "output" if pin in outputs else "input" for pin in connections},
    }


def small(**cells):
    """A netlist of a register and further cells; bits 2, 3 and 4 are the ports."""
    ports = {"clk": ("input", [2]), "rx": ("input", [3]), "tx": ("output", [4])}
    register = cell("SB_DFF", {"C": [2], "D": [3], "Q": [4]})
    return Netlist(ports, {"register": register, **cells})


def test_a_netlist_needs_a_file_of_yosys(tmp_path):
    path = tmp_path / "top.json"
    with pytest.raises(FileError, match=r"top\.json .* module 'top' .*: write it with yosys'"):
        read_netlist(path)
    path.write_text(json.dumps({"modules": {"other": {}}}))
    with pytest.raises(FileError, match="'top'"):
        read_netlist(path)


def test_ports_and_cells_that_are_not_there():
    assert small().family == "ice40"
    assert "module board(input [0:0] clock" in netlist_verilog(small(), UART_PINS)
    with pytest.raises(ToolError, match="has no port 'clk12', only clk, rx, tx"):
        netlist_verilog(small(), {**UART_PINS, "clock": "clk12"})
    with pytest.raises(ToolError, match="must be of iCE40 or ECP5 cells, not of DFF"):
        netlist_verilog(Netlist({}, {"a": cell("DFF", {})}), UART_PINS)
    with pytest.raises(ToolError, match=r"1 nets .* not driven .*bit 9: netlist\.py must learn"):
        netlist_verilog(small(a=cell("SB_DFF", {"C": [2], "D": [9], "Q": [10]})), UART_PINS)


def test_what_has_no_faithful_model_is_refused():
    memory = {"RSTA": [3], "RSTB": ["0"], "CLKA": [2], "CLKB": [2]}
    muxes = {"CLKAMUX": "CLKA", "CLKBMUX": "CLKB"}
    with pytest.raises(ToolError, match=r"DP16KD ram has RSTA driven by logic.*keep resets"):
        netlist_verilog(small(ram=cell("DP16KD", memory, **muxes)), UART_PINS)
    memory |= {"RSTA": ["0"], "CLKB": [3]}
    with pytest.raises(ToolError, match=r"DP16KD ram must have the same clock.*one clock domain"):
        netlist_verilog(small(ram=cell("DP16KD", memory, **muxes)), UART_PINS)
    with pytest.raises(ToolError, match="SB_SPRAM256KA ram has SLEEP driven by logic"):
        netlist_verilog(small(ram=cell("SB_SPRAM256KA", {"SLEEP": [3]})), UART_PINS)
    pad = cell("SB_IO", {"PACKAGE_PIN": [4], "D_OUT_0": [3], "OUTPUT_ENABLE": [3]},
               PIN_TYPE="101001")
    with pytest.raises(ToolError, match=r"SB_IO pad is neither a plain input .*: keep registers"):
        netlist_verilog(small(pad=pad), UART_PINS)


def test_boards_and_families_that_are_not_there(monkeypatch):
    with pytest.raises(ValueError, match="'icebraker': did you mean icebreaker"):
        ss.open_device("sim:netlist=icebraker")
    with pytest.raises(ValueError, match="at its UART's pins anyway: leave uart= out"):
        ss.open_device("sim:netlist=icebreaker?uart=1")
    with pytest.raises(TypeError, match=r"array must be an ArrayConfig .*, not 4"):
        ss.open_device("sim:netlist=icebreaker", 4)
    with pytest.raises(ValueError, match="family must be one of ice40, ecp5, not 'gowin'"):
        cells.cell_models("gowin")
    monkeypatch.setattr(board_netlist, "FAMILIES", ("ecp5",))
    with pytest.raises(ToolError, match="of ecp5 only, not of ice40"):
        ss.open_device("sim:netlist=icebreaker")


def test_missing_models_name_the_extra(monkeypatch):
    monkeypatch.setattr(cells.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"models of them: pip install 'stablespike\[build\]'"):
        cells.cell_models("ice40")
