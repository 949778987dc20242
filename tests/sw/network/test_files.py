"""Networks on disk: saved, loaded, damaged and foreign."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import refusals
import safetensors.numpy
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from random_networks import random_maps, random_network
from reports import report
from stablespike.network import files


@pytest.fixture
def net():
    return random_network(np.random.default_rng(3), depth=(2, 2))


@pytest.fixture
def path(tmp_path, net):
    ss.save(net, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


refuses = partial(refusals.refuses, ss.FileError)


@given(seed=st.integers(0, 2**32 - 1), weight_bits=st.sampled_from([4, 8]), maps=st.booleans())
def test_load_inverts_save(tmp_path_factory, seed, weight_bits, maps):
    make = random_maps if maps else random_network
    net = make(np.random.default_rng(seed), weight_bits=weight_bits)
    path = tmp_path_factory.mktemp("net") / "net"
    ss.save(net, path)
    assert ss.load(path) == net
    again = path.with_name("again")
    ss.save(ss.load(path), again)
    assert path.read_bytes() == again.read_bytes()
    assert sorted(p.name for p in path.parent.iterdir()) == ["again", "net"]


def test_file_is_plain_safetensors(path, net):
    tensors = safetensors.numpy.load_file(path)
    assert tensors["layers.0.weight"].dtype == np.int8
    assert (tensors["layers.0.weight"] == net.layers[0].weight).all()


def test_a_file_says_which_leaks_add_their_second_term(tmp_path):
    added = ss.Neuron(
        threshold=1, leak=ss.Leak(1, 4, add=True), synapse_leak=ss.Leak(0, 3, add=True)
    )
    net = ss.Network(ss.SpikeInput((1,)), [ss.Dense([[1]], neuron=added)])
    ss.save(net, tmp_path / "net")
    again = ss.load(tmp_path / "net").layers[0].neuron
    assert (again.leak, again.synapse_leak) == (added.leak, added.synapse_leak)
    with safetensors.safe_open(tmp_path / "net", framework="numpy") as file:
        header = json.loads(file.metadata()["stablespike"])
    assert header["layers"][0]["neuron"]["leak"] == [1, 4, "add"]


def test_missing_and_unreadable(tmp_path):
    with refuses(tmp_path / "none", "does not exist; expected a stablespike network"):
        ss.load(tmp_path / "none")
    with refuses(tmp_path):
        ss.load(tmp_path)
    (tmp_path / "empty").touch()
    with refuses(tmp_path / "empty", "is empty"):
        ss.load(tmp_path / "empty")


def test_paths_that_take_no_file(tmp_path, net):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for target, why in {
        tmp_path / "no" / "net": "No such file or directory",
        tmp_path / "folder": "it is a folder",
        tmp_path / "file" / "net": "Not a directory",
        "/dev/null": "it is not a regular file",
    }.items():
        with refuses(target, "cannot be written", why):
            files.check_writable(target)
        with refuses(target, "cannot be written", why):
            ss.save(net, target)
    (tmp_path / "file").write_text("kept")
    files.check_writable(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_truncated_anywhere(path):
    data = path.read_bytes()
    for length in [1, 7, 8, 9, 100, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with refuses(path, "is truncated or not a safetensors file"):
            ss.load(path)
    path.write_bytes(data + b"\0")
    with refuses(path):
        ss.load(path)


def test_foreign(path):
    path.write_bytes(b"PK\x03\x04 not what you think" * 20)
    with refuses(path, "truncated or not a safetensors file"):
        ss.load(path)
    safetensors.numpy.save_file({"weight": np.ones(3)}, path)
    with refuses(path, "was not written by stablespike: it has no 'stablespike' header"):
        ss.load(path)
    for header in ("{", "[]", "{}", '{"format": "stablespike network"}'):
        path.write_bytes(safetensors.numpy.save({}, metadata={"stablespike": header}))
        with refuses(path, "was not written by stablespike"):
            ss.load(path)


def test_another_format_and_version(path, net):
    files.write(path, "stablespike program", 1, {}, {})
    with refuses(
        path, "is a stablespike program, not a stablespike network: it is compiled already",
        "stablespike.load_program",
    ):
        ss.load(path)
    ss.save(net, path)
    with refuses(
        path, "is a stablespike network, not a stablespike program: compile it first",
        "stablespike.compile",
    ):
        ss.load_program(path)
    files.write(path, "stablespike song", 1, {}, {})
    with refuses(path, "is a stablespike song, not a stablespike network"):
        ss.load(path)
    for version in (files.NETWORK_VERSION + 1, 0, "1"):
        files.write(path, files.NETWORK_FORMAT, version, {}, {})
        with refuses(path, f"has version {version} of the stablespike network format", "install"):
            ss.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, t: h.pop("readout"), "is damaged: it lacks 'readout'"),
        (lambda h, t: t.pop("layers.1.weight"), "is damaged: it lacks 'layers.1.weight'"),
        (lambda h, t: h.update(readout="song"), "readout ... one of"),
        (lambda h, t: h["layers"][0].update(kind="conv9d"), "layers[0]: unknown kind 'conv9d'"),
        (lambda h, t: h["input"].update(kind="smell"), "input: unknown kind 'smell'"),
        (lambda h, t: h["layers"][0]["neuron"].update(mood=1), "mood"),
        (lambda h, t: t.update({"layers.0.recurrent": t["layers.0.weight"]}),
         "the array layers.0.recurrent belongs to nothing in the header"),
        (lambda h, t: h["layers"].clear(), "layers ... at least one layer"),
        (lambda h, t: t.update({"layers.0.weight": np.ones((1, 1))}), "layers[0]: bias"),
        (lambda h, t: h.update(input=3), "is damaged"),
        (lambda h, t: h.update(fidelity=3), "is damaged: fidelity must be a dictionary, not 3"),
        (lambda h, t: h.update(fidelity={}), "is damaged: it lacks 'fidelity.source'"),
        (lambda h, t: h.update(fidelity={**report().as_dict(), "steps": "4"}),
         "is damaged: fidelity.steps must be of type int"),
    ],
)
def test_damaged_inside(path, net, change, message):
    header, tensors = files.encode_network(net)
    header = json.loads(json.dumps(header))
    change(header, tensors)
    files.write(path, files.NETWORK_FORMAT, files.NETWORK_VERSION, header, tensors)
    with refuses(path, message):
        ss.load(path)


def test_every_flipped_bit_is_found(path, net):
    ss.save(net, path)
    data = bytearray(path.read_bytes())
    for at in range(len(data)):
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        with pytest.raises(ss.FileError, match="net"):
            ss.load(path)
        data[at] ^= 1 << at % 8


def test_files_without_a_checksum(path, net):
    # Files of version 4 have none; files since then must have theirs.
    header, tensors = files.encode_network(net)
    for version in (4, files.NETWORK_VERSION):
        text = json.dumps({**header, "format": files.NETWORK_FORMAT, "version": version})
        path.write_bytes(safetensors.numpy.save(tensors, metadata={"stablespike": text}))
        if version == 4:
            assert ss.load(path) == net
        else:
            with refuses(path, "its contents are not those of its checksum"):
                ss.load(path)


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
def test_numbers_that_numpy_does_not_know(path, kind):
    size = {"BF16": 2, "F8_E4M3": 1}[kind]
    own = json.dumps({"format": files.NETWORK_FORMAT, "version": 4})
    for metadata, message in (
        ({"stablespike": own}, "is damaged"), ({}, "was not written by stablespike")
    ):
        head = json.dumps({
            "__metadata__": metadata, "x": {"dtype": kind, "shape": [1], "data_offsets": [0, size]}
        }).encode()
        path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(size))
        with refuses(path, message):
            ss.load(path)


@pytest.mark.parametrize("header", ["[" * 100_000, '{"format": [], "version": 4}', "[]"])
def test_a_header_that_is_none_of_ours(path, header):
    path.write_bytes(safetensors.numpy.save({}, metadata={"stablespike": header}))
    with refuses(path, "was not written by stablespike"):
        ss.load(path)
    assert files.file_format(path) is None


def test_the_report_is_kept(tmp_path, net):
    path, plain = tmp_path / "net", tmp_path / "plain"
    for made in (report(), report(source="another"), report(spikes=None)):
        ss.save(replace(net, fidelity=made), path)
        loaded = ss.load(path)
        assert loaded.fidelity == made
        assert loaded == net  # the report does not count
    ss.save(net, plain)
    assert ss.load(plain).fidelity is None
    ss.save(ss.load(path), plain)
    assert plain.read_bytes() == path.read_bytes()


def test_formats_are_told(path, tmp_path):
    assert files.file_format(path) == "stablespike network"
    (tmp_path / "text").write_text("text")
    assert files.file_format(tmp_path / "text") is None
    assert files.file_format(tmp_path / "none") is None
    safetensors.numpy.save_file({"weight": np.ones(3)}, path)
    assert files.file_format(path) is None


def test_save_refuses(tmp_path, net):
    with pytest.raises(TypeError, match="network must be a Network, not 3"):
        ss.save(3, tmp_path / "net")
    with refuses(tmp_path / "no" / "net", "cannot be written"):
        ss.save(net, tmp_path / "no" / "net")
    (tmp_path / "folder").mkdir()
    with refuses(tmp_path / "folder", "cannot be written"):
        ss.save(net, tmp_path / "folder")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([], np.int8), ([-128, 127], np.int8), ([128], np.int16), ([-32769], np.int32),
     ([1 << 31], np.int64)],
)
def test_narrowest(values, dtype):
    array = np.array(values, dtype=np.int64)
    assert files.narrowest(array).dtype == dtype
    assert files.narrowest(array).tolist() == values


@pytest.mark.parametrize("path", [5, None, b"net"])
def test_paths_that_are_none(net, path):
    message = r"path must be the name of a file \(a str or a Path\), not "
    with pytest.raises(TypeError, match=message):
        ss.load(path)
    with pytest.raises(TypeError, match=message):
        ss.save(net, path)


def test_arrays_that_are_not_contiguous_are_written_as_they_are(tmp_path):
    """safetensors 0.8.0 stores their numbers in the wrong places."""
    weight = np.arange(6, dtype=np.int8).reshape(2, 3)
    files.write(tmp_path / "file", "stablespike network", 2, {}, {"weight": weight.T})
    _, tensors = files.read(tmp_path / "file", "stablespike network", 2)
    assert tensors["weight"].tolist() == weight.T.tolist()
