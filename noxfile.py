"""Everything this project runs: ``nox -s demo``, ``nox -s tests``, ``nox -l`` for the rest."""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"

# The last release whose plain wheel runs on the CPU alone: later ones bring several GB of CUDA,
# which nothing here uses. An installed torch from 2.2 on does as well outside of nox.
TORCH = "torch==2.13.0"

# The longest benches are parameters of one test: a worker that is done takes of another's.
WORKERS = ("-n", "auto", "--dist", "worksteal")
# One thread each: the workers already fill the processors.
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def install(session: nox.Session, extra: str) -> None:
    session.install(TORCH)
    session.install(f".[{extra}]")


@nox.session
def demo(session: nox.Session) -> None:
    """The shipped network on the simulated board, against the golden model."""
    install(session, "sim")
    session.run("stablespike", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite, with branch coverage of spec/ and sw/; arguments go to pytest instead."""
    install(session, "test")
    arguments = session.posargs or [*WORKERS, "--cov", "--cov-fail-under=90"]
    session.run("pytest", *arguments, env=THREADS)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types of spec/ and sw/, and the order in which the rooms import each other."""
    install(session, "lint,test")
    session.run("ruff", "check", ".")
    session.run("mypy", "-p", "stablespike")
    session.run("lint-imports", "--no-cache")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site with its API reference, in docs/_build; warnings are errors."""
    install(session, "docs,train,import")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "docs/_build")


@nox.session
def sim(session: nox.Session) -> None:
    """Every cocotb bench, and the simulated board's own tests."""
    install(session, "test")
    session.run("pytest", *WORKERS, "tests/hw", "tests/sim", *session.posargs, env=THREADS)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed of the golden model against snnTorch, and of the simulated board."""
    install(session, "sim")
    session.install("snntorch>=1.0,<2")
    session.run("python", "benchmarks/golden.py")
    session.run("stablespike", "bench", "--device", "sim:icebreaker", "--images", "1000")


@nox.session
def dialects(session: nox.Session) -> None:
    """Imported networks against the neurons of snnTorch, SpikingJelly and Norse."""
    install(session, "import")
    session.install("norse>=1.1,<2")
    session.run("python", "benchmarks/dialects.py", *session.posargs, env=THREADS)


@nox.session
def sinabs(session: nox.Session) -> None:
    """A layer of ours against the neuron of sinabs, which needs an older nir."""
    install(session, "golden")
    session.install("sinabs>=3.1,<4")
    session.run("python", "benchmarks/sinabs_iaf.py", env=THREADS)


@nox.session
def boards(session: nox.Session) -> None:
    """Bitstreams of all boards, their figures in docs/results/boards.json; hours."""
    session.install(".[build]")
    arguments = session.posargs or ["--seeds", "2"]
    session.run("python", "-m", "stablespike.boards.survey", *arguments,
                "-o", "docs/results/boards.json")


@nox.session
def record(session: nox.Session) -> None:
    """Changes the record of the icebreaker's logic and clock that CI compares with."""
    session.install(".[build]")
    session.run("python", "-m", "stablespike.boards.survey", "icebreaker", *session.posargs,
                "-o", "boards/record.json")


@nox.session
def train_step(session: nox.Session) -> None:
    """Time of a training step with the integer-exact forward pass, against the float one."""
    install(session, "train")
    session.run("python", "benchmarks/train_step.py", *session.posargs, env=THREADS)


@nox.session
def stable_spike(session: nox.Session) -> None:
    """Stable Spike's losses over seeds, hours; finished runs are kept, so it can be stopped."""
    install(session, "experiments")
    session.run("python", "benchmarks/stable_spike.py", *session.posargs, env=THREADS)


@nox.session
def inference_and(session: nox.Session) -> None:
    """Skeleton inference, agreement and consistency on the networks of ``stable_spike``."""
    install(session, "experiments")
    session.run("python", "benchmarks/inference_and.py", *session.posargs, env=THREADS)


@nox.session
def mnist10k(session: nox.Session) -> None:
    """All 10,000 MNIST test images on the simulated board, every spike word against golden."""
    install(session, "sim")
    session.run("python", "benchmarks/mnist10k.py", *session.posargs)


@nox.session
def netlist(session: nox.Session) -> None:
    """MNIST images through the netlists of two boards, every spike word against golden."""
    install(session, "sim,build")
    session.run("python", "benchmarks/netlist.py", *session.posargs)


@nox.session
def figures(session: nox.Session) -> None:
    """A benchmark by its name, and its arguments: ``nox -s figures -- peers -o FILE``, or
    ``bitstream``, ``convolution``, ``explore``, ``link``."""
    if not session.posargs:
        session.error("name a benchmark: bitstream, convolution, explore, link or peers")
    install(session, "sim,build")
    name, *arguments = session.posargs
    session.run("python", f"benchmarks/{name}.py", *arguments)


@nox.session
def cells(session: nox.Session) -> None:
    """Memories and multipliers of every family, as mapped, against what was written."""
    install(session, "test")
    session.run("pytest", "tests/sim/test_cells.py", *session.posargs,
                env={"STABLESPIKE_CELLS": "1", **THREADS})


@nox.session
def random500(session: nox.Session) -> None:
    """500 random networks and more, and 500 with maps: plain integers, golden, simulated board.

    As many on each of the arrays of ``test_random`` as make 500 on 13 of them, and of those of
    ``test_random_maps`` on 7; pytest says how many networks passed.
    """
    install(session, "test")
    for tests, each in (("test_random", 39), ("test_random_maps", 75)):
        count = {"STABLESPIKE_RANDOM_NETWORKS": str(each), **THREADS}
        session.run("pytest", *WORKERS, "--dist", "loadscope", f"tests/sim/{tests}.py",
                    *session.posargs, env=count)
