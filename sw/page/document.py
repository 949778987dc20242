"""The page as a document that needs nothing else: neither network nor scripts."""

from __future__ import annotations

from html import escape

from .figures import times
from .machine import board, memory, network
from .run import Run
from .spikes import classes, consistency, last_membranes, rasters
from .timing import cycles_of_parts, estimate_beside, time

__all__ = ["page"]

_STYLE = """
:root{color-scheme:light dark;--ink:#1b2733;--paper:#fff;--pale:#e6ebf0;--blue:#1f4e79;
--orange:#f0a35e}
@media(prefers-color-scheme:dark){:root{--ink:#dde5ec;--paper:#14191f;--pale:#2b343e;
--blue:#7db4e6;--orange:#e08a3c}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:break-word}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.5rem;border-top:1px solid var(--pale);
padding-top:1rem}h3{font-size:1rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.5rem}
.facts div{background:var(--pale);padding:.6rem;border-radius:.4rem}
.facts b{display:block;font-size:1.25rem}
.wide{overflow-x:auto}td:last-child:not(:first-child){min-width:5rem}table{border-collapse:collapse;font-size:.875rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;
border-bottom:1px solid var(--pale)}
svg{display:block;width:100%}figure{margin:.5rem 0 1rem}figcaption{font-size:.875rem}
.raster,.chart{background:var(--pale)}.chart{height:140px}
.spike{fill:var(--orange);color:var(--orange)}.stable{fill:var(--blue);color:var(--blue)}
.edge{stroke:var(--ink);stroke-width:1;opacity:.35;vector-effect:non-scaling-stroke}
.line,.level,.zero{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
.level{stroke:var(--ink);stroke-dasharray:6 4}.zero{stroke:var(--ink);opacity:.3}
.bar{height:14px;min-width:6rem}.there{fill:var(--pale)}.used{fill:var(--blue)}
.cell{display:block;padding:0 .4rem;min-width:2.2rem;min-height:1.3rem;
background:color-mix(in srgb,var(--orange) calc(var(--share)*100%),transparent)}
.key{display:inline-block;width:.8rem;height:.8rem}
.k0{fill:#1f4e79;background:#1f4e79}.k1{fill:#f0a35e;background:#f0a35e}
.k2{fill:#b5573c;background:#b5573c}.k3{fill:#7a9e7e;background:#7a9e7e}
.k4{fill:#8c8c9c;background:#8c8c9c}
.c0{stroke:#1f77b4}.c1{stroke:#ff7f0e}.c2{stroke:#2ca02c}.c3{stroke:#d62728}.c4{stroke:#9467bd}
.c5{stroke:#8c564b}.c6{stroke:#e377c2}.c7{stroke:#7f7f7f}.c8{stroke:#bcbd22}.c9{stroke:#17becf}
"""


def page(run: Run, title: str) -> str:
    """The page of a run as HTML.

    Parameters
    ----------
    run : Run
        The run.
    title : str
        Its title.
    """
    result, measured = run.result, times(run)
    facts = {"samples": f"{len(result):,}"}
    if run.labels is not None:
        facts["accuracy"] = f"{result.accuracy(run.labels):.2%}"
    if measured is not None:
        facts["cycles a sample"] = f"{measured.cycles:,.0f}"
        if measured.clock_hz:
            facts["us a sample"] = f"{measured.per_sample / measured.clock_hz * 1e6:,.1f}"
            facts["images a second"] = f"{measured.clock_hz / measured.per_sample:,.0f}"
        facts["the limit that binds"] = measured.binding
        facts["of the array's limit"] = f"{measured.array_share:.1%}"
    shown = "".join(
        f"<div>{escape(name)}<b>{escape(value)}</b></div>" for name, value in facts.items()
    )
    sections = (
        *(each(run, measured) for each in (time, cycles_of_parts, estimate_beside)),
        *(
            each(run)
            for each in (
                rasters, consistency, last_membranes, classes, memory, network, board
            )
        ),
    )
    body = "".join(f"<section>{text}</section>" for text in sections if text)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p>On the device <code>{escape(run.device)}</code>.</p>"
        f'<div class="facts">{shown}</div>{body}</body></html>\n'
    )
