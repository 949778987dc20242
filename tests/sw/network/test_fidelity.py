"""The report of an import."""

import numpy as np
import pytest
from stablespike.network.fidelity import compare_spikes


def test_spikes_compared():
    """The first neuron always fires in the source alone, the second in ours alone."""
    source, ours = np.zeros((4, 1, 3), bool), np.zeros((4, 1, 3), bool)
    source[:, :, 0] = ours[:, :, 1] = source[0, :, 2] = ours[0, :, 2] = True
    found = compare_spikes(source, ours)
    assert (found.total, found.different) == (12, 8)
    assert found.agreement == pytest.approx(4 / 12)
    assert found.overlap == pytest.approx(1 / 9)
    assert found.rate_source == found.rate == pytest.approx(5 / 12)
    assert found.rate_error == pytest.approx(2 / 3)
    assert compare_spikes(source & False, ours & False).overlap == 1
    with pytest.raises(ValueError, match=r"ours.*\(4, 1, 3\) as the source's.*\(4, 1"):
        compare_spikes(source, ours[:, :, :2])
