"""Sections about the machine: memories, network, array and board."""

from __future__ import annotations

from html import escape

from ..network.words import LAYER_COLUMNS, layer_row, size_words
from .drawing import bar, table
from .run import Run

__all__ = ["board", "memory", "network"]


def memory(run: Run) -> str:
    program = run.program
    if not program.needed:
        return (
            "<h2>Memory</h2><p>The program is for the golden model alone: it takes no memory of an "
            "array.</p>"
        )
    words = {
        "weight_rows": "a weight for each lane",
        "spike_rows": "a spike word for each lane: the maps that layers read",
        "neuron_groups": "parameters of as many neurons as there are lanes",
        "state_groups": "membranes of as many neurons as there are lanes",
        "tasks": "what a core does for a layer",
    }
    config = program.config
    rows = [
        (
            name.replace("_", " "), f"{count:,} of {getattr(config, name):,}",
            f"{count / getattr(config, name):.0%}", bar([("used", count)], getattr(config, name)),
            words.get(name, ""),
        )
        for name, count in program.needed.items()
    ]
    cores = [
        (program.network.layer_name(i), " ".join(map(str, counts)))
        for i, counts in enumerate(program.group_counts)
    ]
    return (
        "<h2>Memory</h2><p>What the fullest core holds of each of its memories. An entry is a row, "
        "a group or a task.</p>"
        + table(("memory", "used", "", "", "an entry is"), rows, (3,))
        + "<p>A <b>group</b> is as many neurons as a core has lanes. Groups of each core:</p>"
        + table(("layer", "core by core"), cores)
    )


def network(run: Run) -> str:
    net, config = run.program.network, run.program.config
    rows = [
        layer_row(i, layer, shape, net.layer_weight_bits(i), net.fraction_bits)
        for i, (layer, shape) in enumerate(zip(net.layers, net.input_shapes, strict=True))
    ]
    array = [(name.replace("_", " "), str(value)) for name, value in config.as_dict().items()]
    return (
        f"<h2>Network and array</h2><p>{escape(net.input.kind)} of "
        f"{size_words(net.input.shape)} into {len(rows)} layers, {run.program.steps} steps a "
        f"sample at most, readout {net.readout}. In a step, <b>v</b> is the membrane of a "
        "neuron.</p>"
        + table(LAYER_COLUMNS, rows)
        + f"<details><summary>The array: {config.cores} core(s) of {config.lanes} lanes, words "
        f"of {config.window} steps</summary>{table(('field of ArrayConfig', 'value'), array)}"
        "</details>"
    )


def board(run: Run) -> str:
    there = run.board
    if there is None:
        return ""
    facts = [
        ("board", there.name), ("device", there.device),
        ("clock", f"{there.clock_hz / 1e6:g} MHz"),
        ("link", f"{there.link}, at most {there.link_bytes_per_second:,.0f} bytes a second"),
        *there.build.items(),
    ]
    if there.build:
        note = "The figures of its bitstream are those that place and route reported."
    elif there.own:
        note = f"No bitstream of it is in the cache ('stablespike build {there.name}' makes one)."
    else:
        note = (
            "Its own array is another one, and whether this one fits, and reaches that clock, is "
            f"not known ('stablespike build {there.name} --array' finds out)."
        )
    return (
        f"<h2>Board</h2><p>The board whose clock and link the times are for. {escape(note)}</p>"
        + table(("", ""), facts)
    )
