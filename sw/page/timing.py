"""Sections about time: microseconds and limits, where the cycles went, and the estimate."""

from __future__ import annotations

from .drawing import bar, table
from .figures import Times, estimated, shares
from .run import Run

__all__ = ["cycles_of_parts", "estimate_beside", "time"]


def time(run: Run, times: Times | None) -> str:
    head = "<h2>Time</h2>"
    if times is None:
        return head + (
            "<p>This run has no cycles: the golden model (<code>golden:</code>) and runs with "
            "<code>counters=False</code> take none. Run it on <code>sim:</code> or on a board.</p>"
        )
    note = (
        f"<p>A <b>cycle</b> is one tick of the array's clock. A sample took {times.cycles:,.1f} "
        "cycles on average. "
    )
    if not times.clock_hz:
        note += "No clock is known for this array, so there are no times: name a board with "
        return f"{head}{note}<code>--board</code>.</p>{_limits(times)}"
    second = times.clock_hz / times.per_sample
    micro = 1e6 / times.clock_hz
    rows = [
        ("clock", f"{times.clock_hz / 1e6:g} MHz, of {times.source}"),
        ("a sample on the array", f"{times.cycles * micro:,.2f} us"),
        ("samples (images) a second", f"at most {second:,.0f}"),
        (
            "limit that binds",
            f"{times.binding}: {times.limits[times.binding] * micro:,.2f} us a sample",
        ),
        ("reached of the array's own limit", f"{times.array_share:.1%}"),
    ]
    if times.busy < 1:
        rows.append(("the array is busy", f"{times.busy:.1%} of that time, and waits for the link"))
    text = (
        "The times below are these cycles at the clock, and bytes at the rate of the link; they "
        "were not measured with a watch. Host and operating system come on top.</p>"
    )
    if run.result.trace:
        note += (
            "This run also reported its trace, which takes most of the link and may hold up the "
            "array: run without <code>--trace</code> for times. "
        )
    return head + note + text + table(("", ""), rows) + _limits(times)


def _limits(times: Times) -> str:
    micro = 1e6 / times.clock_hz if times.clock_hz else 0.0
    words = {
        "lanes": "cycles in which the lanes of the busiest core add weights; if it is the larger "
        "of the two, those of its neuron unit where a layer needs more of them",
        "neuron units": "cycles in which the neuron unit of the busiest core updates membranes; if "
        "it is the larger of the two, those of its lanes where a layer needs more of them",
        "link": "the bytes of this run at the link's full rate, in its busier direction; a trace "
        "makes them more",
    }
    rows = [
        (
            name, f"{cycles:,.1f}", f"{cycles * micro:,.2f}" if micro else "-",
            bar([("used", cycles)], times.per_sample), words[name],
        )
        for name, cycles in times.limits.items()
    ]
    return (
        "<p>Each <b>limit</b> is the least time that a part needs for a sample. The one that needs "
        "most binds: no other part makes samples faster. The bars compare them with the time that "
        "a sample took.</p>"
        + table(("limit", "cycles a sample", "us", "", "what it is"), rows, (3,))
    )


def cycles_of_parts(run: Run, times: Times | None) -> str:
    if times is None:
        return ""
    parts = shares(run)
    rows = [
        (f'<span class="key k{i}"></span>', name, f"{share:.1%}",
         f"{share * times.cycles:,.1f}")
        for i, (name, share) in enumerate(parts.items())
    ]
    measured = run.result.layer_counters
    layers = [
        (
            str(i), f"{measured['cycles'][:, i].mean():,.1f}",
            f"{measured['lower_bound'][:, i].mean():,.1f}",
            f"{measured['events'][:, i].mean():,.1f}", f"{measured['sops'][:, i].mean():,.0f}",
        )
        for i in range(measured.shape[1])
    ]
    return (
        "<h2>Where the cycles went</h2><p>In every cycle, the lanes of a core (which add weights) "
        "either add, or wait for something. The device counts both.</p>"
        + bar([(f"k{i}", share) for i, share in enumerate(parts.values())], 1)
        + table(("", "what", "share", "cycles a sample"), rows, (0,))
        + "<p>Per layer: <b>cycles</b> from the end of the layer before to its own end; "
        "<b>must add</b>, the cycles that the lanes of its busiest core need; <b>events</b>, the "
        "words with spikes that were read; <b>SOPs</b>, synaptic operations: one weight added for "
        "one spike of one step.</p>"
        + table(("layer", "cycles", "must add", "events", "SOPs"), layers)
    )


def estimate_beside(run: Run, times: Times | None) -> str:
    program = run.program
    if program.device is not None:
        return ""
    head = (
        "<h2>Estimate and measurement</h2><p>The <b>estimate</b> is what the compiler expects "
        "without a device. "
    )
    cycles = estimated(run)
    if cycles is None:
        rows = [
            (f"{activity:.0%}", f"{count:,}") for activity, count in program.cycles().items()
        ]
        if times is not None:
            rows.append(("measured", f"{times.cycles:,.1f}"))
        return head + (
            "Here it is for inputs of which a share is active in a window; that of these very "
            "samples needs their trace, each sample with all steps and from a fresh state.</p>"
        ) + table(("active inputs of a layer", "cycles a sample"), rows)
    note = "Here it is of the very samples that are shown, "
    if times is None:
        clock = 0 if run.board is None else run.board.clock_hz
        alone = [
            (str(i), f"{guess:,}", f"{guess / clock * 1e6:,.1f}" if clock else "-")
            for i, guess in enumerate(cycles.tolist())
        ]
        on = ""
        if run.board is not None:
            on = f", with times at the {clock / 1e6:g} MHz of the board {run.board.name}"
        return f"{head}{note}which no device has counted{on}.</p>" + table(
            ("sample", "estimated cycles", "us"), alone
        )
    took = run.result.counters["cycles"][: len(cycles)]
    also = "The device also reported the trace, which the estimate leaves out." * bool(
        run.result.trace
    )
    shown = [
        (str(i), f"{guess:,}", f"{real:,}", f"{(guess - real) / real:+.1%}")
        for i, (guess, real) in enumerate(zip(cycles.tolist(), took.tolist(), strict=True))
    ]
    return head + (
        f"{note}beside the cycles that the device counted. The first sample has "
        f"nothing before it that it could overlap. {also}</p>"
    ) + table(("sample", "estimated cycles", "measured", "difference"), shown)
