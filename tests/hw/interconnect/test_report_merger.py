"""Report merger."""

import pytest
from stablespike.hw.interconnect.report_merger import ReportMerger
from stablespike.sim.harness.bench import run_bench
from wrapped import Wrapped


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("cores", [1, 3])
def test_report_merger(cores, stall):
    parameters = {"cores": cores, "stall": stall}
    assert run_bench(
        Wrapped(ReportMerger(cores)), "stablespike.sim.benches.interconnect.report_merger",
        name="Merger",
        parameters=parameters,
    ) == 2


@pytest.mark.parametrize(
    ("cores", "error", "message"),
    [
        (0, ValueError, "cores must be at least 1, not 0"),
        (2.0, TypeError, r"cores must be an integer, not 2\.0"),
    ],
)
def test_refuses(cores, error, message):
    with pytest.raises(error, match=message):
        ReportMerger(cores)
