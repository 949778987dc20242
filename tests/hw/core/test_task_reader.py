"""Task reader."""

import pytest
from stablespike.hw.core.task_reader import TaskReader
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig, preset, task_layout

CONFIGS = {
    "icebreaker": preset("icebreaker"),
    "synapse": ArrayConfig(tasks=5, spike_rows=37),
}


@pytest.mark.parametrize(("name", "side"), [("icebreaker", "scan"), ("synapse", "neuron")])
def test_task_reader(name, side):
    config = CONFIGS[name]
    layout = task_layout(config)
    reader = TaskReader(config, getattr(layout, side), 0 if side == "scan" else len(layout.scan))
    parameters = {"config": config, "side": side}
    assert run_bench(reader, "stablespike.sim.benches.core.task_reader", parameters=parameters) == 1


def test_refuses():
    config = preset("icebreaker")
    layout = task_layout(config)
    with pytest.raises(TypeError, match=r"first must be an integer, not 1\.0"):
        TaskReader(config, layout.scan, 1.0)
    with pytest.raises(ValueError, match="first must be at least 0, not -1"):
        TaskReader(config, layout.scan, -1)
    with pytest.raises(ValueError, match="words must be at least one layout, not none"):
        TaskReader(config, (), 0)
    count = len(layout.scan)
    last = layout.stride - count
    with pytest.raises(
        ValueError,
        match=f"first must be at most {last} for {count} words of a task of {layout.stride}, "
        f"not {last + 1}",
    ):
        TaskReader(config, layout.scan, last + 1)
