"""Sections about spikes: rasters, consistency, membranes, and classes."""

from __future__ import annotations

from html import escape

import numpy as np

from .drawing import lines, raster, table
from .figures import membranes
from .run import Run

__all__ = ["classes", "consistency", "last_membranes", "rasters"]

_SPIKES = 60_000  # rectangles on a page, of 14 bytes each
_CLASSES = 30     # the most classes whose confusion is a matrix
_ROWS = 32        # the most samples in a table


def rasters(run: Run) -> str:
    traced, program = run.traced, run.program
    head = "<h2>Spikes</h2>"
    if traced is None:
        return head + (
            "<p>This run has no trace, so the spikes of its layers are not known: run it with "
            "<code>--trace</code>.</p>"
        )
    layers = len(traced.trace)
    most = _SPIKES // (len(traced) * layers)
    note = (
        "<p>Time runs to the right, and every row is a neuron. The spikes of "
        f"{program.window} steps are one <b>word</b>, between two thin lines. A spike is "
        "<b class='stable'>stable</b> if the same neuron also fired in the step before: the stable "
        "spikes are the <b>skeleton</b>, which is the AND of a word with itself one step later. "
        "The other spikes are <b class='spike'>not in the skeleton</b>.</p>"
    )
    parts = [head, note]
    for sample in range(len(traced)):
        steps = int(traced.lengths[sample])
        parts.append(f"<h3>Sample {sample}{_outcome(run, sample)}</h3>")
        for i, name in enumerate(map(program.network.layer_name, range(layers))):
            spikes, stable = (
                each[i][sample, :steps].reshape(steps, -1)
                for each in (traced.trace, traced.skeleton)
            )
            drawing, shown = raster(spikes, stable, program.window, most)
            neurons = spikes.shape[1]
            cut = "" if shown == neurons else f", the first {shown:,} of {neurons:,} neurons"
            ratio = traced.consistency[sample, i]
            parts.append(
                f"<figure><figcaption>{escape(name)}: {spikes.sum():,} spikes, {stable.sum():,} "
                f"stable, consistency {_ratio(ratio)}{cut}</figcaption>{drawing}</figure>"
            )
    return "".join(parts)


def _outcome(run: Run, sample: int) -> str:
    text = f": class {run.result.prediction[sample]}"
    return text if run.labels is None else f"{text}, label {run.labels[sample]}"


def _ratio(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.3f}"


def consistency(run: Run) -> str:
    result = run.result
    if not result.measured("spikes"):
        return ""
    ratios = result.consistency
    head = ("sample", *(f"layer {i}" for i in range(ratios.shape[1])))
    if np.isnan(ratios).any():
        return ""
    rows = [("mean of all", *map(_shade, ratios.mean(axis=0))),
            ("lowest", *map(_shade, ratios.min(axis=0))),
            ("highest", *map(_shade, ratios.max(axis=0)))]
    rows += [(str(i), *map(_shade, row)) for i, row in enumerate(ratios[:_ROWS])]
    more = f" The first {_ROWS} of {len(ratios):,} samples." if len(ratios) > _ROWS else ""
    return (
        "<h2>Consistency</h2><p><b>Consistency</b> is the rate of stable spikes over the rate of "
        "spikes, per layer and sample: 0 if no neuron fires in two steps one after the other, 1 if "
        f"every neuron that fires does so in all steps; 1, too, without spikes.{more}</p>"
        + table(head, rows, range(1, len(head)))
    )


def _shade(value: float) -> str:
    depth = max(0.0, min(1.0, float(value)))
    return f'<span class="cell" style="--share:{depth:.2f}">{value:.3f}</span>'


def last_membranes(run: Run) -> str:
    values, traced = membranes(run), run.traced
    if values is None or traced is None:
        return ""
    network = run.program.network
    neuron, one = network.layers[-1].neuron, 1 << network.fraction_bits
    level = None
    if neuron.fires and isinstance(neuron.threshold, int):
        level = neuron.threshold / one
    parts = [
        "<h2>Membranes of the last layer</h2><p>A <b>membrane</b> is what a neuron has added up "
        "and not yet lost. Values are in weight steps, after each step; each line is an output, "
        "the first 10 of them. "
        + ("The dashed line is the threshold. " if level is not None else "")
        + "They are the golden model's, computed from the same samples, since a device does not "
        "send them.</p>"
    ]
    for sample in range(len(values)):
        own = values[sample, : int(traced.lengths[sample])] / one
        last = ", ".join(f"{i}: {v:g}" for i, v in enumerate(own[-1, :10]))
        parts.append(
            f"<figure><figcaption>Sample {sample}{_outcome(run, sample)}. At the end {last}"
            f"</figcaption>{lines(own, level)}</figure>"
        )
    return "".join(parts)


def classes(run: Run) -> str:
    if run.labels is None:
        return ""
    result, outputs = run.result, run.program.network.outputs
    counts = np.zeros((outputs, outputs), dtype=np.int64)
    np.add.at(counts, (run.labels, result.prediction), 1)
    head = (
        f"<h2>Classes</h2><p><b>Accuracy</b>, the share of samples whose class is their label: "
        f"{result.accuracy(run.labels):.2%} of {len(result):,}. "
    )
    if outputs > _CLASSES:
        wrong = counts * (1 - np.eye(outputs, dtype=np.int64))
        order = np.argsort(-wrong, axis=None, kind="stable")[:20]
        pairs = (np.unravel_index(at, wrong.shape) for at in order)
        most = [(str(a), str(b), f"{wrong[a, b]:,}") for a, b in pairs if wrong[a, b]]
        return head + "The pairs that were confused most:</p>" + table(
            ("label", "class", "samples"), most
        )
    totals = counts.sum(axis=1)
    rows = [
        (str(i), *(_count(int(n), int(totals[i])) for n in row), f"{totals[i]:,}")
        for i, row in enumerate(counts)
    ]
    return head + (
        "The <b>confusion matrix</b> has a row for each label and a column for each class that the "
        "network chose.</p>"
    ) + table(
        ("label", *map(str, range(outputs)), "all"), rows, range(1, outputs + 1)
    )


def _count(value: int, total: int) -> str:
    share = value / total if total else 0.0
    return f'<span class="cell" style="--share:{share:.2f}">{value or ""}</span>'
