"""Loaders of files and the driver's parsers, fed with damaged and hostile bytes.

    python benchmarks/fuzz.py [TARGET ...] [--seconds N] [-o docs/results/fuzz.json]

``atheris`` mutates small valid files, and keeps what reaches new lines of this package. Each target
runs in a process of its own. It fails with any exception but those that the loader's docstring
names, with an input that takes more than 5 s or the process beyond 1 GB, and where something is
accepted that is not valid: what a loader returns is checked, and what can be written is written and
read again. A failing input is kept in the folder ``--keep``.

Networks and programs are files of an older version, without a checksum: with one, every damaged
file would be refused before its contents are looked at. Frames of the device get their COBS and
their CRC after the mutation.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["stablespike"], enable_loader_override=False):
    import stablespike as ss
    from stablespike.datasets import images
    from stablespike.datasets.nmnist import _from_archive, parse_events
    from stablespike.device.reports import Collector
    from stablespike.importers.nir import export, importer
    from stablespike.link import frames, session
    from stablespike.link.transports.transport import Transport
    from stablespike.network import files as network_files
    from stablespike.program import files as program_files
    from stablespike.samples import files as sample_files
    from stablespike.samples.recordings import reading
    from stablespike.signals import waves
    from stablespike.spec.array import preset
    from stablespike.spec.link import BODY_BYTES, CRC_BYTES, Kind, ReportFlags, pack_info

HANG_SECONDS, MEMORY_MB = 5, 1024
TESTS = Path(__file__).parent.parent / "tests"
sys.path[:0] = [str(TESTS / "sw"), str(TESTS)]


class WrongAcceptError(AssertionError):
    """Something invalid was accepted."""


def accept(condition: bool, what: str) -> None:
    """Check a promise about what was accepted."""
    if not condition:
        raise WrongAcceptError(what)


class Files:
    """A loader of files as a target: bytes in, nothing out.

    Parameters
    ----------
    load : callable
        Called with the path of a file with the bytes.
    check : callable
        Checks what it returned.
    errors : tuple of exceptions
        What it may raise.
    said : tuple of exceptions
        What it may raise by a ``raise`` of this package only, and not from a library below it.
    """

    def __init__(
        self, load: Callable[[Path], Any], check: Callable[[Any], None],
        errors: tuple[type[Exception], ...] = (ss.FileError,),
        said: tuple[type[Exception], ...] = (),
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "input"
        self._load, self._check, self._errors, self._said = load, check, errors, said

    def __call__(self, data: bytes) -> bool:
        self.path.write_bytes(data)
        try:
            found = self._load(self.path)
        except self._errors:
            return False
        except self._said as error:
            *_, last = traceback.extract_tb(error.__traceback__)
            if "stablespike" not in last.filename or not (last.line or "").startswith("raise"):
                raise
            return False
        self._check(found)
        return True


def small_network(recurrent: bool = False) -> ss.Network:
    rng = np.random.default_rng(0)
    neuron = ss.Neuron(leak=(1, None), threshold=[5, 6, 7], synapse_leak=(2, 3))
    kind = {"recurrent": rng.integers(-3, 4, (3, 3))} if recurrent else {}
    layer = ss.Dense(rng.integers(-7, 8, (3, 4)), neuron=neuron, **kind)
    return ss.Network(ss.FrameInput((4,), 2, 1), [layer], "counts", 4, 4)


def map_network(pool: int | None = 2) -> ss.Network:
    rng = np.random.default_rng(0)
    neuron = ss.Neuron(leak=(1, None), threshold=5)
    layers = [
        ss.Conv2d(rng.integers(-7, 8, (2, 1, 3, 3)), padding=1, neuron=neuron,
                  pool_after=None if pool is None else ss.MaxPool2d(pool)),
        ss.Dense(rng.integers(-7, 8, (2, 32 if pool is None else 8)), neuron=neuron),
    ]
    return ss.Network(ss.SpikeInput((1, 4, 4)), layers, "counts", 4, 4)


def dense_program() -> ss.Program:
    layer = ss.Dense(np.arange(-6, 6).reshape(3, 4), neuron=ss.Neuron(leak=(1, None), threshold=5))
    return ss.compile(ss.Network(ss.SpikeInput((4,)), [layer], "counts", 4, 4), "hx8k", steps=8)


def unchecked(path: Path) -> bytes:
    """A file of this package as one of version 4, which has no checksum."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    own = json.loads(header["__metadata__"]["stablespike"])
    del own["checksum"]
    own["version"] = 4
    header["__metadata__"]["stablespike"] = json.dumps(own)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def written(write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


def same_again(write: Callable[[Any, Path], Any], read: Callable[[Path], Any]) -> Any:
    """A check: what was read is written, read and written again, with the same bytes."""
    folder = tempfile.TemporaryDirectory()
    first, second = Path(folder.name) / "first", Path(folder.name) / "second"

    def check(found: Any, folder: Any = folder) -> None:  # the folder lives as long as the check
        write(found, first)
        write(read(first), second)
        accept(first.read_bytes() == second.read_bytes(), "written and read, it is another one")

    return check


def old_files(write: Callable[[Any, Path], Any], values: list[Any]) -> list[bytes]:
    found = []
    for value in values:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            write(value, path)
            found.append(unchecked(path))
    return found


def target_network() -> tuple[Any, list[bytes]]:
    seeds = old_files(ss.save, [small_network(), small_network(True), map_network()])
    check = same_again(ss.save, ss.load)
    return Files(network_files.load, check), seeds


def target_program() -> tuple[Any, list[bytes]]:
    conv = ss.compile(map_network(), "ecp5-85f-conv", steps=8)
    seeds = old_files(program_files.save_program, [dense_program(), conv])
    check = same_again(program_files.save_program, program_files.load_program)
    return Files(program_files.load_program, check), seeds


def target_nir() -> tuple[Any, list[bytes]]:
    neuron = ss.Neuron(leak=(1, None), threshold=5)
    layer = ss.Dense(np.arange(-3, 3).reshape(2, 3), neuron=neuron)
    plain = ss.Network(ss.SpikeInput((3,)), [layer], "counts", 4, 4)
    seeds = [written(lambda path, n=n: export.to_nir(n, path)) for n in (plain, map_network(None))]

    def check(found: ss.Network) -> None:
        accept(isinstance(found, ss.Network), "no network")

    errors, said = (ss.FileError, ss.NotExpressible), (TypeError, ValueError)
    return Files(importer.from_nir, check, errors, said), seeds


def recordings() -> list[bytes]:
    import recording_files as files

    events = files.EVENTS
    return [
        files.aedat4(), files.evt2(events), files.evt3(events), files.dat(events),
        files.aedat3(events), files.aedat2(events), files.es(events),
        files.npz(events), files.npz(events, events, labels=np.array([1, 2])),
    ]


def target_events() -> tuple[Any, list[bytes]]:
    def check(found: Any) -> None:
        for each in found if isinstance(found, list) else [found]:
            accept(each.ndim == 1 and each.dtype.names is not None, "no list of events")

    return Files(reading.read_events, check), recordings()


def target_samples() -> tuple[Any, list[bytes]]:
    seeds = [written(lambda path: np.save(path.open("wb"), np.eye(4, dtype=np.uint8)))]
    seeds.append(written(lambda path: np.savez(
        path.open("wb"), samples=np.eye(4), labels=np.arange(4))))

    def check(found: Any) -> None:
        accept(isinstance(found.values, (list, np.ndarray)), "no samples")

    return Files(sample_files.read_sample_file, check), seeds + recordings()


def target_wave() -> tuple[Any, list[bytes]]:
    import wave

    def tone(path: Path, width: int, channels: int = 1) -> None:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(width)
            file.setframerate(8000)
            file.writeframes(bytes(range(24 * channels)))

    def check(found: Any) -> None:
        samples, rate = found
        accept(samples.ndim == 1 and len(samples) > 0 and rate > 0, "no wave")
        accept(bool(np.isfinite(samples).all()), "a sample is not finite")

    seeds = [written(lambda path, w=w: tone(path, w)) for w in (1, 2, 3, 4)]
    return Files(waves.read_wave, check), seeds


def target_images() -> tuple[Any, list[bytes]]:
    """The parts of MNIST's reader behind its checksum."""
    idx = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (2, 3, 3)) + bytes(range(18))

    def load(path: Path) -> Any:
        data = path.read_bytes()
        return images._parse_idx(images._unpack(data, path) if data[:2] == b"\x1f\x8b" else data,
                                 path)

    def check(found: Any) -> None:
        accept(found.dtype == np.uint8, "no bytes")

    return Files(load, check), [idx, gzip.compress(idx)]


def target_nmnist() -> tuple[Any, list[bytes]]:
    """The parts of N-MNIST's readers behind their checksums."""
    import tarfile
    import zipfile

    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("NMNISTsmall/1.bs2", bytes((1, 2, 128, 0, 9)) * 3)
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        info = tarfile.TarInfo("NMNISTsmall/1.bs2")
        info.size = 15
        tar.addfile(info, io.BytesIO(bytes((1, 2, 128, 0, 9)) * 3))

    def load(path: Path) -> Any:
        data = path.read_bytes()
        if data[:2] in (b"PK", b"\x1f\x8b"):
            data = _from_archive(data, str(path))("1.bs2")
        return parse_events(data, path)

    def check(found: Any) -> None:
        accept(all(found[axis].max(initial=0) < 34 for axis in "xy"), "outside of the camera")

    return Files(load, check), [bytes((1, 2, 128, 0, 9)) * 3, zipped.getvalue(), tarred.getvalue()]


class Fed(Transport):
    """Returns pieces, then nothing; time passes with each wait."""

    name, timeout, poll = "fuzz:", 2.0, 0.25

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces, self.now, self.out = pieces[::-1], 0.0, b""

    def clock(self) -> float:
        return self.now

    def write(self, data: bytes) -> None:
        self.out += data

    def read(self, timeout: float) -> bytes:
        if self.pieces and timeout > 0:
            return self.pieces.pop()
        self.now += timeout
        return b""

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def target_frames() -> tuple[Any, list[bytes]]:
    """Bytes from the wire through the frame parser: what is accepted is that frame's encoding."""
    def target(data: bytes) -> bool:
        found = frames.decode_frame(data)
        if found is None:
            # Mutated bytes have no right CRC but by a chance of 2 ** -32, so give them one.
            body = data[: 4 + BODY_BYTES]
            data = frames.cobs.encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little"))
            found = frames.decode_frame(data)
            accept((found is not None) == (len(body) >= 4), "a right frame is refused")
        if found is not None:
            again = frames.decode_frame(frames.encode_frame(found)[:-1])
            accept(again == found, "encoded again, it is another frame")
        return found is not None

    return target, [frames.encode_frame(frames.Frame(3, 1, 2, 3, bytes(range(20))))[:-1]]


def target_session() -> tuple[Any, list[bytes]]:
    """A device that sends whatever frames it likes: only errors of the driver, and an end."""
    info = pack_info(preset("hx8k"))

    def target(data: bytes) -> bool:
        transport = Fed([])
        host = session.Session(transport, clock=transport.clock)
        number, nonce = host.number, host._nonce
        pieces, reader = [], io.BytesIO(data)
        while head := reader.read(5):
            kind, own, seq, ack, size = head.ljust(5, b"\0")
            body = reader.read(min(size, BODY_BYTES))
            if kind == Kind.INFO:
                body = nonce + body
            if kind == 0xFF:
                pieces.append(body or b"\0")
                continue
            frame = frames.Frame(kind, number if own else own, seq, ack, body[:BODY_BYTES])
            pieces.append(frames.encode_frame(frame))
        transport.pieces = pieces[::-1]
        got = b""
        try:
            host.open()
            source = iter([b"one", b"two", b"three"])
            for _ in range(200):
                got += host.step(source, "a report")
            accept(False, "no end")
        except ss.DeviceError:
            return bool(got)
        return True

    def said(*parts: tuple[int, int, int, bytes]) -> bytes:
        return b"".join(bytes((k, 1, s, a, len(b))) + b for k, s, a, b in parts)

    hello = (int(Kind.INFO), 0, 0, info)
    return target, [
        said(hello, (3, 0, 1, b"abc"), (3, 1, 2, b"def"), (4, 0, 3, b"")),
        said(hello, (0x44, 0, 0, b""), (3, 0, 2, b"a"), (0x84, 0, 3, b"")),
    ]


def target_reports() -> tuple[Any, list[bytes]]:
    """Streams of reports: a result, or a LinkError. Values are the CRC's matter, not its."""
    from board_model import Board, board_device
    from stablespike.device.result import LinkBytes

    program = dense_program()
    rng = np.random.default_rng(0)
    samples = rng.random((2, 8, 4)) < 0.5
    caught: dict[str, Any] = {"stream": b""}

    class Recorded(Collector):
        def feed(self, data: bytes) -> None:
            caught["stream"] += data
            super().feed(data)

        def add(self, batch: Any) -> None:
            caught["batch"] = batch
            super().add(batch)

    from stablespike.device import link_device

    real, link_device.Collector = link_device.Collector, Recorded
    device, _, _ = board_device(program, board=Board(program))
    device.load(program)
    device.run(samples, trace=True, counters=True)
    link_device.Collector = real
    flags = ReportFlags.TRACE | ReportFlags.COUNTERS | ReportFlags.TIMES

    def target(data: bytes) -> bool:
        collector = Collector("fuzz:", program, flags, 0)
        collector.add(caught["batch"])
        try:
            for at in range(0, len(data), 97):
                collector.feed(data[at : at + 97])
            collector.feed(b"")
        except ss.LinkError:
            return False
        if not collector.complete:
            return False
        result = collector.take(LinkBytes())
        accept(result.readout.shape == (2, 3), "a result of another shape")
        return True

    return target, [caught["stream"]]


TARGETS = {
    name.removeprefix("target_"): made for name, made in list(globals().items())
    if name.startswith("target_")
}


def fuzz(name: str, seconds: float, keep: Path) -> None:
    """Fuzz one target in this process, which ends with it."""
    target, seeds = TARGETS[name]()
    for seed in seeds:
        accept(target(seed), f"seed {seed[:20]!r} of {name} is refused")
    with tempfile.TemporaryDirectory() as folder:
        for i, seed in enumerate(seeds):
            (Path(folder) / str(i)).write_bytes(seed)
        # libFuzzer ends the process itself, so the count is on the disk.
        count = np.memmap(keep / f"{name}.accepted", np.int64, "w+", shape=(1,))

        def one(data: bytes) -> None:
            try:
                count[0] += target(data)
            except BaseException:
                (keep / f"{name}-failed").write_bytes(data)
                traceback.print_exc(file=sys.stdout)
                sys.stdout.flush()
                os._exit(1)

        atheris.Setup(
            [sys.argv[0], folder, f"-max_total_time={int(seconds)}", f"-timeout={HANG_SECONDS}",
             f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={keep}/{name}-", "-seed=7",
             f"-max_len={max(4096, 2 * max(map(len, seeds)))}", "-print_final_stats=1"],
            one,
        )
        atheris.Fuzz()


def main() -> None:
    """Fuzz every target in a process of its own, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-o", dest="out", type=Path)
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(unknown)}: there are {', '.join(TARGETS)}")
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.here:
        fuzz(options.targets[0], options.seconds, options.keep)
        return
    record: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "seconds each": options.seconds,
        "python": platform.python_version(), "targets": {},
    }
    if options.out and options.out.exists():
        record["targets"] = json.loads(options.out.read_text())["targets"]
    failed = False
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    for name in options.targets or TARGETS:
        # libFuzzer ends the process itself, so nothing is cleaned up there.
        with tempfile.TemporaryDirectory(dir=memory) as scratch:
            ran = subprocess.run(
                [sys.executable, __file__, name, "--here", "--seconds", str(options.seconds),
                 "--keep", str(options.keep)], capture_output=True, text=True, check=False,
                env={**os.environ, "TMPDIR": scratch},
            )
        said = ran.stdout + ran.stderr
        found = {
            label: int(match[1]) if (match := re.search(rf"{pattern}\s*(\d+)", said)) else 0
            for label, pattern in (
                ("inputs", "number_of_executed_units:"), ("peak MB", "peak_rss_mb:"),
                ("slowest, s", "slowest_unit_time_sec:"),
            )
        }
        covered = re.findall(r"cov: (\d+)", said)
        counted = options.keep / f"{name}.accepted"
        found["accepted"] = int(np.fromfile(counted, np.int64)[0]) if counted.exists() else 0
        found["edges"] = int(covered[-1]) if covered else 0
        found["failures"] = int(ran.returncode != 0)
        record["targets"][name] = found
        print(name, found, flush=True)
        if ran.returncode:
            failed = True
            print(ran.stdout[-3000:], ran.stderr[-1000:], flush=True)
    if options.out:
        options.out.write_text(json.dumps(record, indent=2) + "\n")
    if failed:
        raise SystemExit("a target failed; its input is kept")


if __name__ == "__main__":
    main()
