"""Leases: the newest one holds, every other one says why it ended, and threads take turns."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

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


@pytest.mark.parametrize("kind", ["golden", "link"])
def test_threads_wait_for_one_another(kind: str) -> None:
    program = program_of(small(), steps=4)
    device = golden(program) if kind == "golden" else board_device(program)[0]
    device.load(program)
    samples = spikes(batch=4, steps=4)
    wanted = device.run(samples).readout
    together = threading.Barrier(4, timeout=30)

    def work(part: int) -> int:
        together.wait()
        right = 0
        for _ in range(20):
            got = device.run(samples[part : part + 1], counters=False).readout
            right += bool((got == wanted[part : part + 1]).all())
        return right

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [20] * 4
    device.close()


@pytest.mark.parametrize("kind", ["golden", "link"])
def test_a_run_of_another_thread_ends_a_run_of_batches(kind: str) -> None:
    program = program_of(small(), steps=4)
    device = golden(program) if kind == "golden" else board_device(program)[0]
    device.load(program)
    samples = spikes(batch=2, steps=4)
    results = device.run(iter([samples] * 3))
    first = next(results).readout
    with ThreadPoolExecutor(1) as pool:
        assert (pool.submit(device.run, samples).result(30).readout == first).all()
    with pytest.raises(ss.DeviceError, match="began something else"):
        next(results)
    device.close()


def test_a_sender_and_a_reader_share_a_stream() -> None:
    program = program_of(small(), steps=4)
    device = board_device(program)[0]
    device.load(program)
    with device.stream(counters=False) as live:
        done, got = threading.Event(), []

        def read() -> None:
            while not done.is_set() or len(got) < 30:
                got.extend(live.results(wait=False))

        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(30):
            live.send(np.ones((4, 9)))
        done.set()
        reader.join(60)
        assert not reader.is_alive()
    assert len(got) == 30
