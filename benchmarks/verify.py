"""Time of ``stablespike verify`` against ``stablespike run``, with the same samples.

    python benchmarks/verify.py [--array PRESET] [--network NAME] [--images N] [--options boards=2]

Prints one line of JSON. The board is built before the time is taken. It uses only verbs that every
version of the package has; ``--options`` are those of the simulated board's address, and a version
that does not know them gets none.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import stablespike as ss
from simulated_board import shipped

_MAIN = "import sys; from stablespike.cli import main; sys.exit(main())"


def seconds(*arguments: str) -> float:
    """Return the time of a verb."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", _MAIN, *arguments, "--json"], check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--array", default="ecp5-85f-conv")
    parser.add_argument("--network", default="mnist-conv")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--options", default="")
    options = parser.parse_args()
    uri = f"sim:{options.array}"
    try:
        ss.open_device(f"{uri}?{options.options}" if options.options else uri).close()
        uri += f"?{options.options}" * bool(options.options)
    except ValueError:
        ss.open_device(uri).close()
    network, images = shipped(options.network)
    with tempfile.TemporaryDirectory() as name:
        program, samples = Path(name, "p"), Path(name, "samples.npy")
        ss.save_program(ss.compile(network, array=options.array, steps=4), program)
        np.save(samples, images[: options.images])
        given = (str(program), str(samples), "--device", uri)
        figures = {
            "run: s": seconds("run", *given, "-o", str(Path(name, "out.npz"))),
            "verify: s": seconds("verify", *given),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
