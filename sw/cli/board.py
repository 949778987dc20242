"""The verbs ``build``, ``flash`` and ``boards``."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import columns, plain, print_json, say, stages, table
from .options import ARRAY_HELP, Json, Quiet, Verbose, needs

if TYPE_CHECKING:
    from ..boards.build import Build
    from ..boards.links.link import BoardLink

__all__ = ["boards", "build", "flash"]

BoardName = Annotated[
    str, typer.Argument(metavar="BOARD", help="A name that 'stablespike boards' lists.")
]
OtherArray = Annotated[
    str | None,
    typer.Option("--array", help=f"Another array than the board's own: {ARRAY_HELP}."),
]
Link = Annotated[
    str | None,
    typer.Option("--link", metavar="KIND", help="Link of the board: uart, usb, udp or spi."),
]
Ip = Annotated[
    str | None,
    typer.Option(
        "--ip", metavar="ADDRESS[:PORT]", help="Address of the board on Ethernet (udp), IPv4."
    ),
]


def build(
    board: BoardName,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File or folder to copy the bitstream to.")
    ] = None,
    array: OtherArray = None,
    link: Link = None,
    ip: Ip = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of seeds to try; the fastest is kept.")
    ] = 1,
    seed: Annotated[int | None, typer.Option(min=1, help="The first seed.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds to try at the same time.")
    ] = None,
    allow_timing_failure: Annotated[
        bool, typer.Option("--allow-timing-failure", help="Keep a bitstream that misses its clock.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Build a board's bitstream with open tools, or the project for its vendor's tool."""
    done = _build(board, array, _chosen(board, link, ip), seeds, seed, jobs, allow_timing_failure)
    figures = done.as_dict()
    if out is not None:
        figures["bitstream"] = str(_copied(done, out))
    if as_json:
        print_json(figures)
        return
    rows = {
        "device": done.device,
        "array": f"{done.array}, {done.slots_per_cycle} slots per cycle",
        "build": done.build_id,
        "clock": f"{done.clock_mhz:g} MHz",
    }
    for name, (reached, wanted) in done.clocks.items():
        rows[f"fmax of {name}"] = f"{reached:.1f} MHz ({wanted:g} needed)"
    for name in ("logic_cells", "luts", "registers", "block_rams", "dsps"):
        value = getattr(done, name)
        if value is not None:
            rows[name.replace("_", " ")] = f"{value:,}"
    rows |= {kind: f"{used} of {there}" for kind, (used, there) in done.memory.items()}
    if done.critical_path:
        rows["critical path"] = done.critical_path
    if done.seed is not None:
        tried = ", ".join(
            f"{name}: {'failed' if rate is None else f'{rate:.1f}'}"
            for name, rate in done.seeds.items()
        )
        rows["seed"] = f"{done.seed} (MHz by seed {tried})"
    rows["seconds"] = ", ".join(f"{name} {value:g}" for name, value in done.seconds.items())
    rows["tools"] = ", ".join(f"{name} {value}" for name, value in done.versions.items())
    rows["link"] = f"{done.link}: {done.address}"
    rows["project for Vivado" if done.project else "bitstream"] = figures["bitstream"]
    table(f"{board}: StableSpike", rows)
    if done.project:
        say(
            f"{board} needs its vendor's tool, which is not part of this project: run 'vivado "
            f"-mode batch -source top.tcl' in {figures['bitstream']}"
        )


def flash(
    board: BoardName,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- OPTIONS]", help="More options for openFPGALoader."),
    ] = None,
    bitstream: Annotated[
        Path | None, typer.Option(help="Load this file instead of the one that is built.")
    ] = None,
    array: OtherArray = None,
    link: Link = None,
    ip: Ip = None,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="Keep it when the power is off.")
    ] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Load a bitstream onto a board. It is built first if it is not there."""
    with needs("build"):
        from ..boards.flash import flash as load
        from ..boards.registry import board as named_board

    there = named_board(board)
    chosen = _chosen(board, link, ip)
    for name, value in (("array", array), ("link", link), ("ip", ip)):
        if bitstream is not None and value is not None:
            raise ValueError(
                f"{name} {value!r} has no effect on the bitstream {bitstream}: leave one of them "
                "out"
            )
    if bitstream is None and not there.project:
        bitstream = Path(_build(board, array, chosen, 1, None, None, False).bitstream)
    load(there, bitstream or Path(), permanent=permanent, options=options or ())
    say(
        f"loaded {bitstream}; the address of the device is {chosen.address(there)}; plug in: "
        f"{chosen.cable}"
    )


def boards(as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """List the boards: device, array, slots per cycle, clock, links, and what was tried on each."""
    from ..boards.registry import BOARDS

    rows: list[dict[str, Any]] = [
        {
            "board": each.name,
            "title": each.title,
            "device": each.device,
            "array": each.array,
            "slots_per_cycle": each.config.slots,
            "clock_mhz": each.clock_hz / 1e6,
            "link": each.link().kind,
            "baud": next(filter(None, (link.baud(each) for link in each.links)), None),
            "links": [
                {
                    "kind": link.kind, "rate": link.rate(each), "cable": link.cable,
                    "address": link.address(each),
                }
                for link in each.links
            ],
            "state": each.state,
        }
        for each in BOARDS.values()
    ]
    if as_json:
        print_json({"boards": rows})
        return
    shown = ("board", "device", "array", "slots_per_cycle", "clock_mhz")
    columns({
        **{name.replace("_", " "): [plain(row[name]) for row in rows] for name in shown},
        "links": [
            ", ".join(f"{link['kind']} {_rate(link['rate'])}" for link in row["links"])
            for row in rows
        ],
        "plug in": [row["links"][0]["cable"] for row in rows],
        "state": [row["state"] for row in rows],
    })


def _rate(bits: int) -> str:
    """A rate in words."""
    for unit, size in (("Gb/s", 10**9), ("Mb/s", 10**6)):
        if bits >= size:
            return f"{bits / size:g} {unit}"
    return f"{bits / 1000:g} kb/s"


def _chosen(name: str, kind: str | None, ip: str | None) -> BoardLink:
    """The link of a board, with the address that was asked for."""
    with needs("build"):
        from ..boards.registry import board

    link = board(name).link(kind if ip is None else kind or "udp")
    if ip is None:
        return link
    if link.kind != "udp":
        raise ValueError(f"ip is for the link udp, not for {link.kind}: leave it out")
    address, _, port = ip.partition(":")
    settings: dict[str, Any] = {"ip": address}
    if port:
        if not port.isdecimal():
            raise ValueError(f"ip must be ADDRESS or ADDRESS:PORT, not {ip!r}")
        settings["port"] = int(port)
    return replace(link, **settings)


def _build(
    name: str, array: str | None, link: BoardLink, seeds: int, seed: int | None,
    jobs: int | None, allow: bool,
) -> Build:
    """Build for a board, and print a line for each stage."""
    from ..support.arrays import preset

    with needs("build"):
        from ..boards.build import Trials
        from ..boards.build import build as run
        from ..boards.registry import board

    there = board(name)
    config = preset(array) if array is not None else None
    with stages() as stage:
        return run(
            there, config=config, array=array, link=link, trials=Trials(seeds, seed, jobs),
            allow_timing_failure=allow, progress=stage,
        )


def _copied(build: Build, target: Path) -> Path:
    """Copy a bitstream to a file or into a folder, or a vendor's project to a folder.

    Returns
    -------
    Path
        The path of the copy.

    Raises
    ------
    FileError
        If the copy cannot be written.
    """
    from ..support.errors import FileError

    source = Path(build.bitstream)
    try:
        if build.project:
            target.mkdir(parents=True, exist_ok=True)
            for each in sorted(source.iterdir()):
                shutil.copy(each, target)
            return target
        if target.is_dir():
            target = target / f"{build.board}{source.suffix}"
        shutil.copy(source, target)
    except OSError as error:
        raise FileError(
            f"{target} cannot be written: {error.strerror or error}; give another path with --out"
        ) from error
    return target
