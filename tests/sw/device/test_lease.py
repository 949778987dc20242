"""Leases: the newest one holds, and every other one says why it ended."""

from __future__ import annotations

import numpy as np
import pytest
import stablespike as ss
from board_model import board_device
from device_programs import golden, program_of, small, spikes
from stablespike.device.lease import Lease


def test_a_lease_holds_until_it_ends() -> None:
    lease = Lease()
    assert lease.holds
    lease.check()
    lease.end("gone: come back later")
    lease.release()
    assert not lease.holds
    with pytest.raises(ss.DeviceError, match=r"^gone: come back later$"):
        lease.check()


@pytest.mark.parametrize("kind", ["golden", "link"])
def test_a_closed_device_ends_runs_and_streams(kind: str) -> None:
    program = program_of(small(), steps=4)
    for streams in (True, False):
        device = golden(program) if kind == "golden" else board_device(program)[0]
        device.load(program)
        if streams:
            live = device.stream()
            live.send(np.ones((4, 9)))
            results = live.results()
        else:
            results = device.run(iter([spikes(steps=4)] * 3))
            next(results)
        device.close()
        with pytest.raises(ss.DeviceError, match="is closed: open it again with open_device"):
            next(results)


@pytest.mark.parametrize("kind", ["golden", "link"])
def test_an_error_in_a_stream_ends_it(kind: str) -> None:
    program = program_of(small(), steps=4)
    device = golden(program) if kind == "golden" else board_device(program)[0]
    device.load(program)
    with pytest.raises(ValueError, match="window must be"), device.stream() as live:
        live.send(np.ones((4, 8)))
    with pytest.raises(ss.DeviceError, match=r"has ended: open another one with device\.stream"):
        live.send(np.ones((4, 9)))
    live.close()
    assert len(device.run(spikes(2, 4))) == 2
