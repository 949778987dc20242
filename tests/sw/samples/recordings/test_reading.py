"""Recordings in every format, whole, damaged and foreign."""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_files import (
    EVENTS,
    FIELDS,
    FILES,
    LIBRARIES,
    aedat2,
    aedat3,
    atis,
    dat,
    es,
    evt2,
    evt3,
    npz,
)
from stablespike.samples.files import read_samples
from stablespike.samples.recordings.reading import FORMATS, read_events, read_recordings


def write(folder: Path, data: bytes, name: str = "recording") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def need(name: str) -> None:
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name])


def same(found: Any, expected: Any = EVENTS) -> None:
    assert found["x"].dtype == found["y"].dtype == np.uint16
    assert found["t"].dtype == np.int64
    for name in "txyp":
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("name", [each for each in FILES if each != "numpy"])
def test_every_format_gives_the_same_events_and_spikes(tmp_path: Path, name: str) -> None:
    need(name)
    path = write(tmp_path, FILES[name](), "a.bin")
    found = read_events(path, format="nmnist" if name == "nmnist" else None)
    same(found)
    same(read_events(str(path), format=name))
    expected = ss.bin_events([EVENTS], (2, 6, 8), 11, bin_time=2500)
    np.testing.assert_array_equal(ss.bin_events([found], (2, 6, 8), 11, bin_time=2500), expected)


@pytest.mark.parametrize("name", [each for each in FILES if each != "nmnist"])
def test_the_name_of_a_file_says_nothing(tmp_path: Path, name: str) -> None:
    need(name)
    for ending in (".raw", ".npy", ".aedat", ".pt"):
        found = read_events(write(tmp_path, FILES[name](), "file" + ending))
        assert found["t"].tolist() == EVENTS["t"].tolist()
        samples, labels = read_samples(tmp_path / ("file" + ending))
        assert [each["x"].tolist() for each in samples] == [EVENTS["x"].tolist()]
        assert labels is None


@pytest.mark.parametrize("name", FILES)
def test_no_cut_file_ends_in_a_foreign_error(tmp_path: Path, name: str) -> None:
    need(name)
    data = FILES[name]()
    whole = 0
    for length in range(len(data)):
        path = write(tmp_path, data[:length])
        for form in (None, name):
            try:
                found = read_events(path, format=form)
            except ss.FileError:
                continue
            # What is read is the beginning of the recording: the format has no mark of its end.
            whole += len(found) == len(EVENTS)
            assert found["t"].tolist() == EVENTS["t"][: len(found)].tolist()
    # A last trigger, table or byte of no meaning may be missing.
    assert whole <= {"aedat4": 300, "evt3": 2, "es": 2}.get(name, 0)


@pytest.mark.parametrize("name", FILES)
def test_no_changed_file_ends_in_a_foreign_error(tmp_path: Path, name: str) -> None:
    need(name)
    data = FILES[name]()
    random, refused = np.random.default_rng(3), 0
    for _ in range(300):
        changed = bytearray(data)
        for at in random.integers(0, len(data), random.integers(1, 6)):
            changed[at] = random.integers(256)
        try:
            found = read_events(write(tmp_path, bytes(changed)), format=name)
        except ss.FileError:
            refused += 1
        else:
            # A changed byte may tell that there is more than one recording.
            for each in found if isinstance(found, list) else [found]:
                assert each.dtype.names[:2] == ("t", "x")
    assert refused < 300, "no change was small enough to be read"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=200), form=st.sampled_from([None, *FORMATS]))
def test_random_bytes(tmp_path: Path, data: bytes, form: str | None) -> None:
    heads = [b"", b"% evt 2.0\n% end\n", b"% evt 3.0\n", b"#!AER-DAT3.1\r\n#!END-HEADER\r\n"]
    heads += [b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n", b"#!AER-DAT2.0\n# AEChip: DAVIS240C\n"]
    heads += [b"#!AER-DAT4.0\r\n", b"Event Stream\x02\x00\x00\x01", b"% Version 2\n\x0c\x08"]
    for head in heads:
        path = write(tmp_path, head + data)
        try:
            found = read_events(path, format=form)
        except ss.FileError:
            continue
        assert isinstance(found, (np.ndarray, list))


def test_times_beyond_the_counters(tmp_path: Path) -> None:
    """The high part of the time begins anew; what follows is later."""
    rest = {"evt2": evt2(EVENTS, high=(1 << 28) - 10), "dat": dat(EVENTS, start=(1 << 32) - 4500)}
    for name, data in rest.items():
        found = read_events(write(tmp_path, data))
        begin = {"evt2": (1 << 34) - 640, "dat": (1 << 32) - 4500}[name]
        same(found, np.array([(t + begin, *rest) for t, *rest in EVENTS.tolist()], FIELDS))
    pytest.importorskip("evt3")
    found = read_events(write(tmp_path, evt3(EVENTS, high=0xFFE)))
    same(found, np.array([(t + (0xFFE << 12), *rest) for t, *rest in EVENTS.tolist()], FIELDS))


def test_aedat3_times_and_cameras(tmp_path: Path) -> None:
    found = read_events(write(tmp_path, aedat3(EVENTS, loops=3)))
    assert found["t"].tolist() == (EVENTS["t"] + (3 << 31)).tolist()
    head = aedat3(EVENTS[:0])
    two = aedat3(EVENTS, sender=2) + aedat3(EVENTS[:5], sender=0).removeprefix(head)
    path = write(tmp_path, two)
    assert [len(each) for each in read_events(path)] == [5, 12]
    same(read_events(path, recordings=1))
    assert [len(each) for each in read_events(path, recordings=(1, 0, 1))] == [12, 5, 12]
    for wrong in (2, -1, [0, 2]):
        with pytest.raises(ValueError, match="recordings must be from 0 to 1, not "):
            read_events(path, recordings=wrong)
    assert len(read_events(write(tmp_path, head))) == 0


@pytest.mark.parametrize("chip", ["DVS128", "DAVIS240C", "Davis346B"])
def test_aedat2_places_times_and_headers(tmp_path: Path, chip: str) -> None:
    form = {"DVS128": "aedat2-dvs128", "DAVIS240C": "aedat2-davis240"}.get(chip, "aedat2-davis346")
    same(read_events(write(tmp_path, aedat2(EVENTS, chip))))
    late = EVENTS.copy()
    late["t"] += (1 << 32) - 5000
    same(read_events(write(tmp_path, aedat2(late, chip))), late)
    for end in ("\r\n", "\n"):
        silent = aedat2(EVENTS, chip, head=f"#!AER-DAT2.0{end}# nothing is said{end}")
        same(read_events(write(tmp_path, silent), format=form))
    settings = "#" + 99 * "<entry key='a' value='1'/>" + "\r\n"
    head = f"#!AER-DAT2.0\r\n{100 * settings}# AEChip: {chip}\r\n# End of ASCII Header\r\n"
    assert len(head) > 1 << 17
    same(read_events(write(tmp_path, aedat2(EVENTS, chip, head=head))))


def test_aedat2_by_hand(tmp_path: Path) -> None:
    """What jAER shows at the bottom left is at x = 0 and y = 127 here, and darker."""
    head = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n"
    words = bytes([0, 0, 0, 0xFF, 0, 0, 1, 0, 0, 0, 0x7F, 0, 0, 0, 1, 2])
    found = read_events(write(tmp_path, head + words))
    assert found.tolist() == [(256, 0, 127, 0), (258, 127, 0, 1)]
    head = b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n"
    words = struct.pack(">IIII", 239 << 12, 7, 179 << 22 | 1 << 11, 8)
    found = read_events(write(tmp_path, head + words))
    assert found.tolist() == [(7, 0, 179, 0), (8, 239, 0, 1)]


def test_an_aedat2_event_that_begins_as_a_line_does(tmp_path: Path) -> None:
    events = EVENTS.copy()
    events["y"] = 180 - 1 - 140  # its address begins with the byte of "#"
    data = aedat2(events, "DAVIS240C", head="#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n")
    at = data.index(b"C\r\n") + 3
    data = data[:at] + data[at + 24 :]
    assert data[at : at + 1] == b"#"
    same(read_events(write(tmp_path, data)), events)
    same(read_events(write(tmp_path, data[: at + 8])), events[:1])


def test_aedat2_of_many_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More words than are decoded at a time; the counter begins anew, twice, between them."""
    monkeypatch.setattr("stablespike.samples.recordings.jaer._BLOCK_WORDS", 7)
    events = np.tile(EVENTS, 20)
    events["t"] = np.arange(240) * 40_000_000
    assert events["t"][-1] > 1 << 33
    for chip in ("DVS128", "Davis346B"):
        same(read_events(write(tmp_path, aedat2(events, chip))), events)


def test_aedat2_headers_of_any_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = "# AEChip: DVS128\r\n"
    for length in (1 << 16, (1 << 16) + 1, 1 << 17):  # as much as is read at a time
        for size in range(length - 4, length + 4):
            lines = "#!AER-DAT2.0\r\n" + 600 * ("#" + 98 * "s" + "\n")
            lines += "#" + (size - len(lines) - len(last) - 2) * "x" + "\n" + last
            assert len(lines) == size
            same(read_events(write(tmp_path, aedat2(EVENTS, head=lines))))
    endless = b"#!AER-DAT2.0\r\n" + 1_000_000 * b"#\n"
    assert len(read_events(write(tmp_path, endless), format="aedat2-dvs128")) == 0
    monkeypatch.setattr("stablespike.samples.recordings.jaer._HEADER_MOST", 1 << 18)
    with pytest.raises(ss.FileError, match=r"AEDAT 2 file: its header has no end within 262144 b"):
        read_events(write(tmp_path, endless))


def test_aedat2_of_another_chip(tmp_path: Path) -> None:
    silent = (
        r"whose header does not name the camera's chip: recordings of DVS128, DAVIS240 and "
        r"DAVIS346 are read; if it is one of these, say which with format: 'aedat2-dvs128', "
        r"'aedat2-davis240', 'aedat2-davis346'$"
    )
    for chip in ("eu.seebetter.ini.chips.davis.Davis640", "retina.DVS128andCochleaAMS1b"):
        path = write(tmp_path, aedat2(EVENTS, head=f"#!AER-DAT2.0\r\n# AEChip: {chip}\r\n"))
        with pytest.raises(ss.FileError, match=f"whose header names {chip}: recordings of DVS128"):
            read_events(path)
        same(read_events(path, format="aedat2-dvs128"))
    for line in ("", "# AEChip: \r\n"):
        path = write(tmp_path, aedat2(EVENTS, head=f"#!AER-DAT2.0\r\n{line}"))
        with pytest.raises(ss.FileError, match=silent):
            read_events(path)
    same(read_events(path, format="aedat2-dvs128"))
    with pytest.raises(ss.FileError, match=(
        r"is damaged or of another chip: it has an address 0x0000[0-9A-F]{4}, which is none of DAV"
    )):
        read_events(path, format="aedat2-davis240")
    path = write(tmp_path, aedat2(EVENTS, "Davis346B"))
    with pytest.raises(ss.FileError, match="has an event at x=345, and x of DAVIS240 is below 240"):
        read_events(path, format="aedat2-davis240")
    with pytest.raises(ss.FileError, match=r"has an address 0x.*, which is none of DVS128$"):
        read_events(path, format="aedat2-dvs128")


def test_dat_version_1(tmp_path: Path) -> None:
    same(read_events(write(tmp_path, dat(EVENTS, version=1))))


def test_polarities_of_dat_are_as_stored(tmp_path: Path) -> None:
    events = EVENTS.copy()
    events["p"] = 3
    found = read_events(write(tmp_path, dat(events)))
    assert set(found["p"].tolist()) == {3}
    with pytest.raises(ValueError, match=r"field 'p' must be from 0 to 1, not 3 \(event 0\)$"):
        ss.bin_events([found], (2, 6, 8), 11, bin_time=2500)


def test_many_events_of_event_stream(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    events = np.zeros(5000, FIELDS)
    events["t"] = np.cumsum(random.choice([0, 1, 126, 127, 128, 254, 1000], 5000))
    events["x"], events["y"] = random.integers(0, 8, 5000), random.integers(0, 6, 5000)
    events["p"] = random.integers(0, 2, 5000)
    same(read_events(write(tmp_path, es(events))), events)


def test_many_events_of_evt2(tmp_path: Path) -> None:
    """More words than are decoded at a time."""
    count = 300_000
    events = np.zeros(count, FIELDS)
    events["t"], events["x"] = np.arange(count) * 40, np.arange(count) % 8
    same(read_events(write(tmp_path, evt2(events))), events)


def test_nmnist_is_told_only_for_sure(tmp_path: Path) -> None:
    events = np.zeros(40, FIELDS)
    events["t"], events["x"], events["y"] = np.arange(40) * 900, 33, np.arange(40) % 34
    same(read_events(write(tmp_path, atis(events))), events)
    outside = events.copy()
    outside["x"][5] = 34
    back = events.copy()
    back["t"][5] = 0
    for unsure in (events[:20], outside, back, np.zeros(40, FIELDS)):
        path = write(tmp_path, atis(unsure))
        with pytest.raises(ss.FileError, match=r"is no file of samples .*numpy.savez$"):
            read_events(path)
        assert len(read_events(path, format="nmnist")) == len(unsure)


def test_spoken_digits(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "spoken.h5"
    times = [np.array([0.0, 0.25, 0.5], "f2"), np.zeros(0, "f2"), np.array([0.125, 1.0], "f2")]
    units = [np.array([3, 699, 0], "u2"), np.zeros(0, "u2"), np.array([1, 2], "u2")]
    with h5py.File(path, "w") as file:
        for name, lists, kind in (("times", times, "f2"), ("units", units, "u2")):
            made = file.create_dataset(f"spikes/{name}", (3,), h5py.vlen_dtype(np.dtype(kind)))
            made[:] = np.array([*lists, None], object)[:3]
        file["labels"] = np.array([4, 0, 19], "u2")
    found = read_events(path)
    assert [each["t"].tolist() for each in found] == [each.tolist() for each in times]
    assert [each["x"].tolist() for each in found] == [each.tolist() for each in units]
    assert found[0].dtype == [("t", "f2"), ("x", "u2")]
    assert read_events(path, recordings=2)["x"].tolist() == [1, 2]
    samples, labels = read_samples(path)
    assert len(samples) == 3
    assert labels.tolist() == [4, 0, 19]
    spikes = ss.bin_events(found, (700,), 8, bin_time=0.125, late="drop")
    assert np.argwhere(spikes).tolist() == [[0, 0, 3], [0, 2, 699], [0, 4, 0], [2, 0, 1], [2, 7, 2]]
    data = path.read_bytes()
    random = np.random.default_rng(1)
    for length in random.integers(8, len(data), 40):
        with pytest.raises(ss.FileError, match="is damaged or truncated"):
            read_events(write(tmp_path, data[:length]))
    with h5py.File(path, "w") as file:
        file["frames"] = np.zeros(3)
    with pytest.raises(ss.FileError, match="is an HDF5 file without spikes/times: those of Spik"):
        read_events(path)


def test_a_file_that_claims_more_recordings_than_it_can_have(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        for name, kind in (("times", "f2"), ("units", "u2")):
            file.create_dataset(
                f"spikes/{name}", (10**12,), h5py.vlen_dtype(np.dtype(kind)), chunks=(1024,)
            )
    with pytest.raises(ss.FileError, match="claims 1000000000000 recordings"):
        read_events(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"x,y,t,p\n1,2,3,0\n", "is no file of samples that can be read: recordings in AEDAT 4"),
        (b"#!AER-DAT3.0\r\n", r"not read: 2.0, 3.1 and 4.0 are; '#!AER-DAT3.0'$"),
        (b"\x1f\x8b\x08\x00rest", r"is compressed \(gzip\): unpack it first"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9.", "of pickle or torch.save, which can hold code"),
        (b"% evt 2.1\n% end\n", "that says EVT21: EVT2, EVT3 and DAT are read; read others with"),
        (b"% evt 3.0\n% format EVT2\n% end\n", "that says EVT2 and EVT3: EVT2, EVT3 and DAT"),
        (b"% date 2026\n% end\n", "that says no format"),
        (b"% Version 3\n\x0c\x08", "is a DAT file of version 3: versions 1 and 2 are read"),
        (b"% Version 2\n\x0e\x08", "is a DAT file of type 0x0E with records of 8 bytes"),
        (b"% Version 2\n\x0c\x08abc", "is truncated: 3 bytes are not a whole number of 8-byte"),
        (evt2(EVENTS) + b"\x00" * 3, "is truncated: .* bytes are not a whole number of 4-byte"),
        (evt2(EVENTS) + b"\x00\x00\x00\x20", "has a word of the type 0x2, which EVT2 does not"),
        (evt2(EVENTS).replace(b"8x6", b"8x5"), "an event at y=5, and its header says that y is"),
        (evt2(EVENTS).replace(b"8x6", b"7x6"), "an event at x=7, and its header says that x is"),
        (dat(EVENTS).replace(b"Width 8", b"Width 7"), "an event at x=7, and its header says"),
        (es(EVENTS)[:12] + b"\x01" + es(EVENTS)[13:], "is an Event Stream of version 1 and type 1"),
        (es(EVENTS)[:15] + b"\x02" + es(EVENTS)[16:], "is an Event Stream of version 2 and type 2"),
        (es(EVENTS)[:16] + b"\x03" + es(EVENTS)[17:], "is damaged: it has an event at x=7, and"),
        (es(EVENTS)[:-3], "is truncated: it ends in the midst of an event"),
        (aedat3(EVENTS).replace(b"RAW", b"PNG"), "has packets of the form 'PNG': 'RAW' is read"),
        (aedat3(EVENTS)[:60], "is a truncated AEDAT 3.1 file: its header has no end"),
        (aedat3(EVENTS)[:-1], "is truncated: its last packet has 40 bytes, of which 39 are there"),
        (aedat3(EVENTS) + bytes(3), "is truncated: it ends in the header of a packet"),
        (aedat3(EVENTS) + b"\xff" * 28, r"is damaged: at byte \d+ of its data is no header of a"),
        (aedat2(EVENTS)[:60], "is a truncated AEDAT 2 file: its header has no end"),
        (aedat2(EVENTS)[:-1], "is truncated: 287 bytes are not a whole number of 8-byte words"),
        (npz(np.zeros(3)), "must have recordings, each a list of events with fields"),
        (npz(), "or the columns t, x, y and p of one; it has no arrays"),
        (npz(t=np.zeros(3), x=np.zeros(2)), "must have recordings, .*; it has t, x"),
    ],
)
def test_what_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(ss.FileError, match=message) as caught:
        read_events(path)
    assert str(caught.value).startswith(str(path))


def test_evt3_words_that_it_has_not(tmp_path: Path) -> None:
    pytest.importorskip("evt3")
    with pytest.raises(ss.FileError, match="has a word of the type 0x9, which EVT3 does not"):
        read_events(write(tmp_path, evt3(EVENTS) + b"\x00\x90"))
    # evt3 itself would take an EVT2 recording for one of its own, and half a word for none.
    with pytest.raises(ss.FileError, match=r"is truncated: .* not a whole number of 2-byte"):
        read_events(write(tmp_path, evt3(EVENTS) + b"\x00"))


@pytest.mark.parametrize("name", ["aedat4", "evt3"])
def test_a_missing_library(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, LIBRARIES[name], None)
    path = write(tmp_path, FILES[name]())
    with pytest.raises(ss.FileError, match=r"reads: pip install 'stablespike\[events\]'"):
        read_events(path)


def test_packets_that_claim_more_than_the_file_has(tmp_path: Path) -> None:
    pytest.importorskip("aedat")
    data = bytearray(FILES["aedat4"]())
    at = 14 + 4 + struct.unpack_from("<I", data, 14)[0]
    data[at + 4 : at + 8] = struct.pack("<i", 2**31 - 1)
    with pytest.raises(ss.FileError, match=f"is truncated: its packet at byte {at} has no end"):
        read_events(write(tmp_path, bytes(data)))


def test_a_header_that_is_no_text(tmp_path: Path) -> None:
    pytest.importorskip("aedat")
    data = bytearray(FILES["aedat4"]())
    data[data.index(b"<dv") + 1] = 0xDA
    with pytest.raises(ss.FileError, match="is damaged: its header is none of AEDAT 4"):
        read_events(write(tmp_path, bytes(data)))


def test_files_of_numpys(tmp_path: Path) -> None:
    other = EVENTS[:3].astype([("timestamp", "u8"), ("x", "u2"), ("y", "u2"), (("p", "on"), "?")])
    two = write(tmp_path, npz(EVENTS, other))
    assert [len(each) for each in read_events(two)] == [12, 3]
    assert read_events(two, recordings=1).dtype.names == ("timestamp", "x", "y", "on")
    columns = write(tmp_path, npz(
        timestamp=EVENTS["t"], x=EVENTS["x"], y=EVENTS["y"], polarity=EVENTS["p"], labels=[3],
    ))
    same(read_events(columns))
    samples, labels = read_samples(columns)
    same(samples[0])
    assert labels.tolist() == [3]
    named = write(tmp_path, npz(samples=EVENTS, labels=[7]))
    samples, labels = read_samples(named)
    same(samples[0])
    assert labels.tolist() == [7]
    np.save(tmp_path / "one.npy", EVENTS)
    same(read_events(tmp_path / "one.npy"))
    np.save(tmp_path / "spikes.npy", np.zeros((2, 3)))
    with pytest.raises(ss.FileError, match=r"a list of events with fields, not float64 of shape"):
        read_events(tmp_path / "spikes.npy")


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    objects = np.empty(2, object)
    objects[:] = [EVENTS, EVENTS[:3]]
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", samples=objects)
    for name in ("a.npy", "a.npz"):
        for function in (read_events, read_samples):
            with pytest.raises(ss.FileError, match=r"save recordings each .*savez\(path, \*record"):
                function(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02.")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("notes.txt", b"\x80\x02.")
    for function in (read_events, read_samples):
        with pytest.raises(ss.FileError, match=r"torch.save, which can .*samples=samples.numpy"):
            function(tmp_path / "a.pt")
        with pytest.raises(ss.FileError, match=r"a zip file, but not of numpy's .*'notes.txt'"):
            function(tmp_path / "a.zip")


@pytest.mark.parametrize("shape", ["(10**12,)".replace("10**12", str(10**12)), f"({2**70},)"])
def test_arrays_that_claim_more_than_the_file_has(tmp_path: Path, shape: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros(4))
    data = (tmp_path / "a.npy").read_bytes()
    length = 10 + int.from_bytes(data[8:10], "little")
    head = data[10:length].replace(b"(4,)", shape.encode()).rstrip() + b"\n"
    changed = data[:8] + len(head).to_bytes(2, "little") + head + data[length:]
    path = write(tmp_path, changed, "a.npy")
    with pytest.raises(ss.FileError, match=r"is truncated: its array .* 32 are there$"):
        read_samples(path)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("samples.npy", changed)
    with pytest.raises(ss.FileError, match=r"samples is truncated: its array .* 32 are there$"):
        read_samples(tmp_path / "a.npz")


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ss.FileError, match="there is no file"):
        read_events(tmp_path / "none")
    with pytest.raises(ss.FileError, match="cannot be read"):
        read_events(tmp_path)
    path = write(tmp_path, FILES["evt2"]())
    with pytest.raises(ValueError, match=r"format must be one of 'aedat4', .*, not 'mp4'"):
        read_events(path, format="mp4")
    with pytest.raises(TypeError, match="recordings must be an integer"):
        read_events(path, recordings=1.5)  # type: ignore[arg-type]
    same(read_events(path, recordings=0))
    assert read_recordings(path).several is False
