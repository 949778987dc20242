import subprocess
import sys

import pytest
import stablespike as ss
from stablespike import spec

HEAVY = (
    "torch", "amaranth", "cocotb", "typer", "rich", "snntorch", "nir", "h5py", "spikingjelly",
    "sinabs", "rockpool", "norse", "brevitas", "scipy",
)


def loaded_after(code):
    code = f"{code}; import sys; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import stablespike",
        "import stablespike as ss; ss.Network, ss.load, ss.consistency, ss.ArrayConfig",
        "import stablespike as ss; ss.Program, ss.load_program, ss.save_program",
        "import stablespike as ss; ss.from_nir, ss.to_nir, ss.Fidelity",
        "from stablespike.signals import mel_frames; mel_frames([0.0, 1.0] * 4000, 8000)",
        "import stablespike as ss; ss.Device, ss.Stream, ss.Result, ss.open_device, ss.preset",
    ],
)
def test_import_stays_light(code):
    assert loaded_after(code) == []


def test_names_are_loaded_when_they_are_used():
    code = "import sys, stablespike as ss; print('numpy' in sys.modules, ss.compile)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("False <function compile")


@pytest.mark.parametrize("module", ["stablespike", "stablespike.cli"])
def test_the_command_line_is_a_module(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("stablespike 0.")


def test_names():
    assert ss.Golden.__name__ == "Golden"
    assert ss.preset("icebreaker") == spec.preset("icebreaker")
    assert issubclass(type(ss.open_device("golden:")), ss.Device)
    assert set(ss.__all__) <= set(dir(ss))
    assert all(getattr(ss, name).__name__ == name for name in ss.__all__)
    with pytest.raises(AttributeError, match="module 'stablespike' has no attribute 'Densee'"):
        ss.Densee  # noqa: B018
