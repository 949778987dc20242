"""The simulated board behind a wire that damages bytes and frames in both directions."""

import numpy as np
import stablespike as ss


def test_results_through_a_bad_wire_are_golden() -> None:
    rng = np.random.default_rng(0)
    neuron = ss.Neuron(leak=(1, None), threshold=40)
    layer = ss.Dense(rng.integers(-3, 8, (6, 9)), neuron=neuron)
    network = ss.Network(ss.SpikeInput((9,)), [layer], "counts", 4, 4)
    program = ss.compile(network, "icebreaker", steps=8)
    samples = rng.random((60, 8, 9)) < 0.5
    with ss.open_device("golden:") as golden:
        golden.load(program)
        wanted = golden.run(samples, trace=True)
    with ss.open_device("sim:icebreaker?faults=1e-3&seed=1") as board:
        board.load(program)
        result = board.run(samples, trace=True)
        assert sum(board.transport.faults.happened.values()) >= 5
        assert board.transport.cycles > 0
    np.testing.assert_array_equal(result.readout, wanted.readout)
    for ours, theirs in zip(result.trace, wanted.trace, strict=True):
        np.testing.assert_array_equal(ours, theirs)
