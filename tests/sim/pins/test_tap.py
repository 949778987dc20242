"""The kernel's network stack against the simulated gateware, by benchmarks/tap.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from stablespike.sim.pins.tap import Network, missing

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "tap.py"


def test_ping_and_images_through_the_kernel(tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    out = tmp_path / "tap.json"
    subprocess.run(
        [sys.executable, str(SCRIPT), "--images", "50", "--array", "hx8k", "--loss", "0.02",
         "--duplicate", "0.02", "--reorder", "0.02", "-o", str(out)],
        check=True, timeout=600,
    )
    found = json.loads(out.read_text())
    assert found["answered"] == found["pings"] == 3
    assert (found["images"], found["differences"]) == (50, 0)
    assert found["second host refused"]
    assert found["datagrams of a stranger"] > 0
    assert sum(found["faults from the board"].values()) > 0


def test_a_network_that_is_not_kind() -> None:
    sent = [bytes([i]) for i in range(200)]
    for kind in ("lost", "doubled", "reordered"):
        network = Network(**{kind: 0.1}, seed=1)  # type: ignore[arg-type]
        arrived = [each for one in sent for each in network.carry([one])] + network.carry([])
        count = network.happened[kind]
        assert count > 5
        assert set(network.happened) == {"lost", "doubled", "reordered"}
        assert len(arrived) == len(sent) + {"lost": -count, "doubled": count, "reordered": 0}[kind]
        assert (sorted(arrived) == arrived) == (kind != "reordered")
    assert Network().carry(sent) == sent
