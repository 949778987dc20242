"""Our NIR files, opened by the importers of other programs.

    python benchmarks/nir_readers.py write FOLDER           in an environment that has this project
    python benchmarks/nir_readers.py open sinabs FOLDER                in one that has sinabs
    python benchmarks/nir_readers.py show FOLDER -o docs/results/nir_readers.json

Every file must be read by ``nir.read`` of every release. What a program's own importer makes of
the nodes is another matter: its answer for each file is kept. ``nox -s writers`` does all of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


def networks() -> dict[str, Any]:
    """Return a network for every node that ``to_nir`` writes."""
    import stablespike as ss

    rng = np.random.default_rng(0)

    def settings(more: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        own = {name: more.pop(name) for name in ("pool_before", "padding") if name in more}
        fires = {} if more.get("fires") is False else {"threshold": 60}
        return ss.Neuron(**{"leak": (1, None), **fires, **more}), own

    def dense(outputs: int, inputs: int, back: bool = False, **more: Any) -> Any:
        neuron, own = settings(more)
        recurrent = rng.integers(-8, 8, (outputs, outputs)) if back else None
        return ss.Dense(
            rng.integers(-8, 8, (outputs, inputs)), rng.integers(-9, 9, outputs), neuron=neuron,
            recurrent=recurrent, **own,
        )

    def conv(outputs: int, inputs: int, **more: Any) -> Any:
        neuron, own = settings(more)
        return ss.Conv2d(
            rng.integers(-8, 8, (outputs, inputs, 3, 3)), rng.integers(-9, 9, outputs),
            neuron=neuron, **own,
        )

    def network(*layers: Any, shape: tuple[int, ...] = (24,)) -> Any:
        readout = "counts" if layers[-1].neuron.fires else "membrane"
        return ss.Network(ss.SpikeInput(shape), layers, readout=readout)

    free, maps = {"leak": (None, None)}, (2, 8, 8)
    current, silent = {"synapse_leak": (1, None)}, {"fires": False}
    return {
        "LIF": network(dense(12, 24), dense(5, 12, reset="zero")),
        "IF": network(dense(12, 24, **free)),
        "CubaLIF": network(dense(12, 24, **current)),
        "LI": network(dense(12, 24), dense(5, 12, **silent)),
        "I": network(dense(12, 24), dense(5, 12, **silent, **free)),
        "LI and LI, a readout with a current": network(
            dense(12, 24), dense(5, 12, **silent, **current)),
        "LI and IF": network(dense(12, 24, **free, **current)),
        "Conv2d, SumPool2d, Flatten": network(
            conv(4, 2, padding=1), conv(3, 4, padding=1, pool_before=ss.SumPool2d(2)),
            dense(5, 48), shape=maps),
        "SumPool2d and Affine": network(dense(5, 32, pool_before=ss.SumPool2d(2)), shape=maps),
        "recurrent": network(dense(12, 24, back=True), dense(5, 12)),
    }


def write(folder: Path) -> None:
    """Write the files, and read them again."""
    import stablespike as ss

    folder.mkdir(parents=True, exist_ok=True)
    for name, network in networks().items():
        path = folder / f"{name}.nir"
        ss.to_nir(network, path)
        if ss.from_nir(path) != network:
            sys.exit(f"{path} is not read back as it was")


def opened(name: str, graph: Any) -> None:
    """Give a graph to the importer of a program."""
    if name == "snntorch":
        from snntorch.import_nir import import_from_nir

        import_from_nir(graph)
    elif name == "spikingjelly":
        from spikingjelly.activation_based.nir_exchange import import_from_nir as of_jelly

        of_jelly(graph)
    elif name == "norse":
        from norse.torch.utils.import_nir import from_nir as of_norse

        of_norse(graph)
    elif name == "sinabs":
        from sinabs.nir import from_nir as of_sinabs

        of_sinabs(graph, batch_size=1)
    elif name == "rockpool":
        from rockpool.nn.modules.torch.nir import from_nir as of_rockpool

        of_rockpool(graph)
    elif name == "spyx":
        import jax.numpy as jnp
        import spyx.nir

        shape = [int(size) for size in graph.nodes["input"].input_type["input"]]
        spyx.nir.from_nir(graph, jnp.ones((3, 1, *shape)), dt=1e-4)


def open_(name: str, folder: Path) -> None:
    """Open the files with a program, and keep what it says."""
    import nir

    warnings.simplefilter("ignore")
    answers: dict[str, Any] = {"release": version(name), "nir": version("nir"), "files": {}}
    for path in sorted(folder.glob("*.nir")):
        graph = nir.read(path)  # every release must
        try:
            opened(name, graph)
            answer = "opens"
        except Exception as error:  # whatever the program raises
            answer = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        answers["files"][path.stem] = answer
        print(f"{name}, {path.stem}: {answer}")
    (folder / f"{name}.json").write_text(json.dumps(answers, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    writing = verbs.add_parser("write")
    writing.add_argument("folder", type=Path)
    opening = verbs.add_parser("open")
    opening.add_argument("program")
    opening.add_argument("folder", type=Path)
    showing = verbs.add_parser("show")
    showing.add_argument("folder", type=Path)
    showing.add_argument("-o", "--out", help="JSON file to write.")
    given = parser.parse_args()
    if given.verb == "write":
        write(given.folder)
    elif given.verb == "open":
        open_(given.program, given.folder)
    else:
        kept = {path.stem: json.loads(path.read_text()) for path in given.folder.glob("*.json")}
        text = json.dumps(dict(sorted(kept.items())), indent=2) + "\n"
        Path(given.out).write_text(text) if given.out else print(text)


if __name__ == "__main__":
    main()
