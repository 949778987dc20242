"""NIR files of other programs, read with ``writer=`` and compared with the programs' own spikes.

    python benchmarks/writers.py write rockpool FOLDER        in an environment that has rockpool
    python benchmarks/writers.py read FOLDER -o docs/results/writers.json          in ours

The first part needs the framework and nothing of this project: it makes networks of 24-40-20
neurons with random weights on a grid and leaks of 1/2, writes them as NIR files, runs them on
random spikes with a rate of 0.4 for 4 steps, and saves inputs and spikes. The second part reads the
files and runs the imported networks on the golden model. ``nox -s writers`` does both, each
framework in an environment of its own, since they require different releases of nir.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (24, 40, 20)
MAP = (2, 8, 8)
SAMPLES, STEPS = 135, 4
BITS = {"weight_bits": 8, "fraction_bits": 8}  # nothing is rounded in 4 steps, nor with 3/4 as leak
Arrays = list[np.ndarray[Any, np.dtype[Any]]]
Row = tuple[str, Any, Arrays, dict[str, Any]]
"""A name, the graph, (batch, steps, neurons) spikes of each layer, and what to read it with."""


def samples(shape: tuple[int, ...] = SIZES[:1]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return (batch, steps, *shape) random spikes, with steps to spare for those who are late."""
    rng = np.random.default_rng(len(shape))
    made = (rng.random((SAMPLES, STEPS, *shape)) < 0.4).astype(np.float32)
    return np.concatenate([made, np.zeros_like(made[:, :2])], 1)


def weights(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return weights in eighths."""
    rng = np.random.default_rng((seed, *shape))
    return (rng.integers(-8, 8, shape) / 8).astype(np.float32)


def torch_linear(torch: Any, outputs: int, inputs: int, bias: bool = True) -> Any:
    """Return a Linear on the grid."""
    layer = torch.nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights(outputs, inputs)))
        if bias:
            layer.bias.copy_(torch.from_numpy(weights(outputs)))
    return layer


def torch_conv(torch: Any, *shape: int) -> Any:
    """Return a convolution of (out, in, kernel, kernel) or (out, in, kernel) on the grid."""
    kind = torch.nn.Conv2d if len(shape) == 4 else torch.nn.Conv1d
    layer = kind(shape[1], shape[0], shape[2:], padding=1)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights(*shape)))
        layer.bias.copy_(torch.from_numpy(weights(shape[0])))
    return layer


def torch_run(
    module: Any, neurons: Any, inputs: Any, by_step: bool = True
) -> Arrays:
    """Return (batch, steps, neurons) outputs of the neurons of a torch module that keeps states.

    ``by_step`` calls it with one step after another, and else with all of them.
    """
    import torch

    kept: list[Any] = [[] for _ in neurons]

    def keeping(place: list[Any]) -> Any:
        def keep(module: Any, arguments: Any, output: Any) -> None:
            place.append((output[0] if isinstance(output, tuple) else output).detach())

        return keep

    hooks = [each.register_forward_hook(keeping(kept[i])) for i, each in enumerate(neurons)]
    with torch.no_grad():
        values = torch.from_numpy(inputs)
        if by_step:
            for t in range(values.shape[1]):
                module(values[:, t])
        else:
            module(values)
    for hook in hooks:
        hook.remove()
    arrays = [torch.stack(each, 1) if by_step else each[0] for each in kept]
    return [each.reshape(*inputs.shape[:2], -1).numpy() for each in arrays]


def exact_tau(torch: Any, decay: float, dt: float) -> float:
    """Return a time constant whose decay in float32 is just that number.

    Most are off by a rounding, and then a membrane on the threshold may be seen above or below it.
    """
    near = np.float32(-dt / np.log(decay) * (1 - 1e-6))
    for _ in range(50):
        if torch.exp(-dt / torch.tensor(near)) == decay:
            return float(near)
        near = np.nextafter(near, np.float32(np.inf))
    raise ValueError(f"no float32 gives a decay of {decay}")


def rockpool() -> Iterator[Row]:
    import torch
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules.torch import ExpSynTorch, LIFNeuronTorch, LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    half = exact_tau(torch, 0.5, 1e-3)
    one = torch.tensor(1.0)

    def linear(outputs: int, inputs: int) -> Any:
        weight = torch.from_numpy(weights(outputs, inputs).T.copy())
        bias = torch.from_numpy(weights(outputs))
        return LinearTorch((inputs, outputs), weight=weight, bias=bias, has_bias=True)

    def neuron(kind: Any, size: int, **settings: Any) -> Any:
        shape = (size,) if kind is LIFNeuronTorch else (size, size)
        taus = {"tau_mem": half} | ({"tau_syn": half} if kind is LIFTorch else {})
        return kind(
            shape, **taus, threshold=1.0, dt=1e-3, noise_std=0.0, max_spikes_per_dt=one, **settings
        )

    def synapse(size: int) -> Any:
        made = ExpSynTorch((size,), tau=half, dt=1e-3)
        made.tau.requires_grad_(False)  # else its writer makes a node that HDF5 cannot hold
        return made

    def run(layers: list[Any]) -> Arrays:
        values, kept = torch.from_numpy(samples()), []
        with torch.no_grad():
            for layer in layers:
                layer.reset_state()  # the writer has run it
                values = layer(values)[0]
                if isinstance(layer, (LIFNeuronTorch, LIFTorch)):
                    kept.append(values.numpy())
        return kept

    for name, kind in (("LIFNeuronTorch", LIFNeuronTorch), ("LIFTorch", LIFTorch)):
        layers = [each for outputs, inputs in ((40, 24), (20, 40))
                  for each in (linear(outputs, inputs), neuron(kind, outputs))]
        yield name, to_nir(Sequential(*layers)), run(layers), {}
    layers = [linear(40, 24), synapse(40), neuron(LIFNeuronTorch, 40)]
    yield "ExpSynTorch, LIFNeuronTorch", to_nir(Sequential(*layers)), run(layers), {}
    layers = [linear(40, 24), neuron(LIFNeuronTorch, 40)]
    graph = to_nir(Sequential(*layers), torch.zeros(1, STEPS, 24))
    yield "LIFNeuronTorch, written with (1, steps, inputs)", graph, run(layers), {}


def sinabs() -> Iterator[Row]:
    import torch
    from sinabs.activation import MembraneReset, MembraneSubtract, SingleSpike
    from sinabs.layers import IAF, LIF, SumPool2d
    from sinabs.nir import to_nir

    def rows() -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
        def lif(decay: float, reset: Any = None) -> Any:
            return LIF(
                tau_mem=exact_tau(torch, decay, 1.0), spike_fn=SingleSpike, norm_input=True,
                reset_fn=reset or MembraneSubtract(), spike_threshold=0.25,
            )

        def iaf() -> Any:
            return IAF(spike_fn=SingleSpike, reset_fn=MembraneSubtract())

        def dense(first: Any, second: Any) -> list[Any]:
            return [torch_linear(torch, 40, 24), first, torch_linear(torch, 20, 40), second]

        yield "IAF", dense(iaf(), iaf()), {}
        yield "LIF", dense(lif(0.5), lif(0.5)), {}
        yield "LIF, two time constants", dense(lif(0.5), lif(0.75)), {}
        zero = dense(lif(0.5, MembraneReset()), lif(0.5, MembraneReset()))
        yield "LIF, MembraneReset", zero, {"reset": "zero"}

    inputs = samples()
    for name, layers, said in rows():
        module = torch.nn.Sequential(*layers)
        neurons = [each for each in layers if isinstance(each, (IAF, LIF))]
        module(torch.from_numpy(inputs[:1]))
        graph = to_nir(module, torch.from_numpy(inputs[:1]))
        for each in neurons:
            each.reset_states()
        yield name, graph, torch_run(module, neurons, inputs, by_step=False), said

    from sinabs.layers import IAFSqueeze

    maps = samples(MAP)
    squeezed = [IAFSqueeze(batch_size=1, spike_fn=SingleSpike) for _ in range(2)]
    module = torch.nn.Sequential(
        torch_conv(torch, 4, 2, 3, 3), squeezed[0], SumPool2d(2), torch.nn.Flatten(),
        torch_linear(torch, 20, 64), squeezed[1],
    )
    flat = torch.from_numpy(maps.reshape(-1, *MAP))
    module(flat[: maps.shape[1]])
    graph = to_nir(module, flat[: maps.shape[1]])
    graph._forward_type_inference()  # a Conv2d without the shape of its input cannot be written
    kept: Arrays = []
    for at in range(len(maps)):
        for each in squeezed:
            each.reset_states()
        parts = []
        with torch.no_grad():
            values = flat[at * maps.shape[1] : (at + 1) * maps.shape[1]]
            for layer in module:
                values = layer(values)
                if isinstance(layer, IAFSqueeze):
                    parts.append(values.reshape(maps.shape[1], -1).numpy())
        kept.append(parts)  # type: ignore[arg-type]
    stacked = [np.stack([sample[i] for sample in kept]) for i in range(2)]
    yield "IAFSqueeze, convolution", graph, stacked, {}


def spyx() -> Iterator[Row]:
    import jax.numpy as jnp
    from flax import nnx
    from spyx import nn
    from spyx.nir import to_nir

    rngs = nnx.Rngs(0)

    def linear(outputs: int, inputs: int, bias: bool) -> Any:
        layer = nnx.Linear(inputs, outputs, use_bias=bias, rngs=rngs)
        layer.kernel[...] = jnp.asarray(weights(outputs, inputs).T)
        if bias:
            layer.bias[...] = jnp.asarray(weights(outputs))
        return layer

    def run(layers: list[Any], inputs: Any) -> Arrays:
        states = [
            layer.initial_state(len(inputs)) if hasattr(layer, "initial_state") else None
            for layer in layers
        ]
        kept: dict[int, list[Any]] = {}
        for t in range(inputs.shape[1]):
            values = jnp.asarray(inputs[:, t])
            for i, layer in enumerate(layers):
                if states[i] is None:
                    values = layer(values)
                    continue
                values, states[i] = layer(values, states[i])
                shown = np.asarray(values)
                # Maps of spyx have their channels last.
                shown = np.moveaxis(shown, -1, 1) if shown.ndim == 4 else shown
                kept.setdefault(i, []).append(shown.reshape(len(inputs), -1))
        return [np.stack(each, 1) for each in kept.values()]

    half = {"beta": 0.5}
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (nn.IF, {}), (nn.LIF, half), (nn.CuBaLIF, {"alpha": 0.5, **half}), (nn.PSU_LIF, half),
        (nn.RIF, {}), (nn.RLIF, half), (nn.RCuBaLIF, {"alpha": 0.5, **half}),
    ]
    for kind, settings in kinds:
        layers = []
        for first, (inputs, outputs) in zip((True, False), pairwise(SIZES), strict=True):
            neurons = kind((outputs,), threshold=1.0, rngs=rngs, **settings)
            if hasattr(neurons, "recurrent_w"):
                neurons.recurrent_w[...] = jnp.asarray(weights(outputs, outputs, seed=1))
            layers += [linear(outputs, inputs, first), neurons]
        graph = to_nir(
            nn.Sequential(*layers), {"input": np.array([24])}, {"output": np.array([20])}
        )
        late = 0 if kind is nn.PSU_LIF else 1
        yield kind.__name__, graph, run(layers, samples()), {"late": late}
    conv = nnx.Conv(2, 4, (3, 3), padding="SAME", rngs=rngs)
    conv.kernel[...] = jnp.asarray(weights(4, 2, 3, 3).transpose(2, 3, 1, 0))
    conv.bias[...] = jnp.asarray(weights(4))
    layers = [
        conv, nn.LIF((8, 8, 4), threshold=1.0, rngs=rngs, **half),
        nn.SumPool((2, 2), (2, 2), "VALID", channel_axis=-1), nn.Flatten(), linear(20, 64, False),
        nn.LIF((20,), threshold=1.0, rngs=rngs, **half),
    ]
    graph = to_nir(nn.Sequential(*layers), {"input": np.array(MAP)}, {"output": np.array([20])})
    spikes = run(layers, np.moveaxis(samples(MAP), 2, -1))
    yield "LIF, convolution", graph, spikes, {"late": 1}


def norse() -> Iterator[Row]:
    import norse.torch as norse
    import torch
    from norse.torch.functional.reset import reset_subtract, reset_value
    from norse.torch.utils.export_nir import to_nir

    half = {"tau_mem_inv": torch.tensor(500.0), "v_th": torch.tensor(0.5)}

    def box(reset: Any, **settings: Any) -> Any:
        return norse.LIFBoxCell(norse.LIFBoxParameters(**half, reset_method=reset, **settings))

    def iaf() -> Any:
        return norse.IAFCell(norse.IAFParameters(v_th=torch.tensor(0.5)))

    def lif() -> Any:
        return norse.LIFCell(norse.LIFParameters(**half, tau_syn_inv=torch.tensor(500.0)))

    def dense(first: Any, second: Any) -> list[Any]:
        return [torch_linear(torch, 40, 24), first, torch_linear(torch, 20, 40), second]

    rows: list[tuple[str, list[Any], dict[str, Any]]] = [
        ("LIFBoxCell", dense(box(reset_value), box(reset_value)), {}),
        ("LIFBoxCell, v_leak 0.25", dense(
            box(reset_value, v_leak=torch.tensor(0.25)), box(reset_value)), {}),
        ("LIFBoxCell, reset_subtract", dense(box(reset_subtract), box(reset_subtract)),
         {"reset": "subtract"}),
        ("IAFCell", dense(iaf(), iaf()), {}),
        ("LIFCell", dense(lif(), lif()), {}),
        ("LIFBoxCell and IAFCell", dense(box(reset_value), iaf()), {}),
    ]
    for name, layers, said in rows:
        graph = to_nir(norse.SequentialState(*layers), torch.rand(1, 24))
        cells, inputs = layers[1::2], torch.from_numpy(samples())
        states: list[Any] = [
            norse.IAFFeedForwardState(v=torch.zeros(len(inputs), size))
            if isinstance(cell, norse.IAFCell) else None
            for cell, size in zip(cells, SIZES[1:], strict=True)
        ]
        kept: list[list[Any]] = [[] for _ in cells]
        with torch.no_grad():
            for t in range(inputs.shape[1]):
                values = inputs[:, t]
                for i, cell in enumerate(cells):
                    values, states[i] = cell(layers[2 * i](values), states[i])
                    kept[i].append(values)
        yield name, graph, [torch.stack(each, 1).numpy() for each in kept], said


def snntorch() -> Iterator[Row]:
    import snntorch as snn
    import torch
    from snntorch.export_nir import export_to_nir

    def full(size: int, value: float = 0.5) -> Any:
        return torch.full((size,), value)

    def dense(make: Callable[[int, bool], Any]) -> Any:
        return torch.nn.Sequential(
            torch_linear(torch, 40, 24), make(40, False), torch_linear(torch, 20, 40),
            make(20, True),
        )

    def leaky(size: int, last: bool, **settings: Any) -> Any:
        return snn.Leaky(
            beta=full(size), threshold=full(size, 1.0), init_hidden=True, output=last, **settings
        )

    def synaptic(size: int, last: bool) -> Any:
        return snn.Synaptic(
            full(size), full(size), threshold=full(size, 1.5), init_hidden=True, output=last
        )

    def recurrent(size: int, last: bool) -> Any:
        made = snn.RLeaky(
            beta=0.5, all_to_all=True, linear_features=size, init_hidden=True, output=last
        )
        with torch.no_grad():
            made.recurrent.weight.copy_(torch.from_numpy(weights(size, size, seed=1)))
            made.recurrent.bias.zero_()
        return made

    rows: list[tuple[str, Any, dict[str, Any]]] = [
        ("Leaky", dense(leaky), {}),
        ("Leaky, zero, reset_delay=False", dense(lambda size, last: leaky(
            size, last, reset_mechanism="zero", reset_delay=False)), {"reset": "zero"}),
        ("Leaky, none", dense(lambda size, last: leaky(
            size, last, reset_mechanism="none")), {"reset": "none"}),
        ("Synaptic", dense(synaptic), {}),
        ("RLeaky", dense(recurrent), {}),
    ]
    for name, module, said in rows:
        graph = export_to_nir(module, torch.rand(1, 24), ignore_dims=[0])
        neurons = [each for each in module if isinstance(each, snn.SpikingNeuron)]
        for each in neurons:
            each.reset_mem()
        yield name, graph, torch_run(module, neurons, samples()), said


def spikingjelly() -> Iterator[Row]:
    import torch
    from spikingjelly.activation_based import functional, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    def rows() -> Iterator[tuple[str, list[Any], tuple[int, ...], float]]:
        hard = {"v_threshold": 0.5, "v_reset": 0.0}
        lif = neuron.LIFNode
        cases: list[tuple[str, Any, dict[str, Any]]] = [
            ("IFNode", neuron.IFNode, hard),
            ("LIFNode", lif, hard),
            ("LIFNode, decay_input=False", lif, {**hard, "decay_input": False}),
            ("LIFNode, v_reset -0.5", lif, {**hard, "v_reset": -0.5}),
            ("ParametricLIFNode", neuron.ParametricLIFNode, hard),
            ("CUBALIFNode", neuron.CUBALIFNode, {**hard, "c_decay": 0.5, "v_decay": 0.5}),
        ]
        for name, kind, settings in cases:
            made = [torch_linear(torch, 40, 24), kind(**settings), torch_linear(torch, 20, 40),
                    kind(**settings)]
            yield name, made, (24,), 1e-4
            if kind is neuron.IFNode:
                yield f"{name}, written with dt=1", made, (24,), 1.0
        maps = [torch_conv(torch, 4, 2, 3, 3), lif(**hard), torch.nn.AvgPool2d(2),
                torch.nn.Flatten(), torch_linear(torch, 20, 64), lif(**hard)]
        yield "LIFNode, convolution and average pool", maps, MAP, 1e-4

    for name, layers, shape, dt in rows():
        module = torch.nn.Sequential(*layers)
        graph = export_to_nir(module, torch.rand(1, *shape), dt=dt)
        functional.reset_net(module)
        neurons = [each for each in layers if isinstance(each, neuron.BaseNode)]
        yield name, graph, torch_run(module, neurons, samples(shape)), {}


FRAMEWORKS: dict[str, tuple[Callable[[], Iterator[Row]], str]] = {
    "rockpool": (rockpool, "rockpool"), "sinabs": (sinabs, "sinabs"), "spyx": (spyx, "spyx"),
    "norse": (norse, "norse"), "snntorch": (snntorch, "snntorch"),
    "spikingjelly": (spikingjelly, "spikingjelly"),
}


def write(name: str, folder: Path) -> None:
    """Write the files of a framework, with inputs and spikes."""
    import nir

    rows, package = FRAMEWORKS[name]
    here = folder / name
    here.mkdir(parents=True, exist_ok=True)
    listed = []
    for index, (row, graph, spikes, said) in enumerate(rows()):
        # nir 1.0.8 compresses, which HDF5 cannot do with single values; 1.0.4 does not.
        plain = {} if version("nir") == "1.0.4" else {"compression": None}
        nir.write(here / f"{index}.nir", graph, **plain)
        inputs = samples(MAP if "convolution" in row else SIZES[:1])
        np.savez_compressed(
            here / f"{index}.npz", samples=inputs.astype(np.uint8),
            **{f"spikes{i}": each.astype(np.int16) for i, each in enumerate(spikes)},
        )
        listed.append({"name": row, **said})
        print(f"{name}: {row}")
    about = {"release": version(package), "nir": version("nir"), "rows": listed}
    (here / "rows.json").write_text(json.dumps(about, indent=2))


def compared(folder: Path, index: int, writer: str, row: dict[str, Any]) -> dict[str, Any]:
    """Read a file, run it, and count the neuron-steps that differ from the framework's."""
    import stablespike as ss

    said = {key: value for key, value in row.items() if key not in ("name", "late")}
    network = ss.from_nir(folder / f"{index}.nir", writer=writer, **BITS, **said)
    with np.load(folder / f"{index}.npz") as kept:
        inputs = kept["samples"][:, :STEPS]
        theirs = [kept[f"spikes{i}"] for i in range(len(network.layers))]
    inputs = inputs.reshape(len(inputs), STEPS, *network.input.shape)
    ours = ss.Golden(network).run(inputs, trace=True).spikes
    different = compared = active = 0
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        late = row.get("late", 0) * (i + 1)
        shown = other[:, late : late + STEPS]
        different += int((mine.reshape(shown.shape) != shown).sum())
        compared += mine.size
        active += int(mine.sum())
    assert network.fidelity is not None
    return {
        "writer": writer, "different": different, "compared": compared,
        "spikes": active, "exact": network.fidelity.exact,
    }


def read(folder: Path, out: str | None) -> bool:
    """Compare all files of a folder; return whether nothing differs."""
    figures: dict[str, Any] = {}
    good = True
    for name in FRAMEWORKS:
        if not (folder / name).is_dir():
            continue
        about = json.loads((folder / name / "rows.json").read_text())
        figures[name] = {"release": about["release"], "nir": about["nir"], "rows": {}}
        for index, row in enumerate(about["rows"]):
            found = compared(folder / name, index, name, row)
            figures[name]["rows"][row["name"]] = found
            good = good and not found["different"] and found["exact"] and found["spikes"] > 0
            print(
                f"{name} {about['release']}, {row['name']}: {found['different']} of "
                f"{found['compared']} differ" + (" (exact)" if found["exact"] else "")
            )
    if out:
        Path(out).write_text(json.dumps(figures, indent=2) + "\n")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    writing = verbs.add_parser("write")
    writing.add_argument("framework", choices=sorted(FRAMEWORKS))
    writing.add_argument("folder", type=Path)
    reading = verbs.add_parser("read")
    reading.add_argument("folder", type=Path)
    reading.add_argument("-o", "--out", help="JSON file to write.")
    given = parser.parse_args()
    if given.verb == "write":
        write(given.framework, given.folder)
    elif not read(given.folder, given.out):
        sys.exit("some files are read with other spikes")


if __name__ == "__main__":
    main()
