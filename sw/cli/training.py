"""The verbs ``train`` and ``frames``: from data to a network, and from WAV files to its samples."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import named, print_json, say, table
from .options import Json, Quiet, Verbose, naming, needs, npz_file, taking, whole_numbers
from .recordings import Recordings

if TYPE_CHECKING:
    from ..train import Recipe

__all__ = ["frames", "train"]

_OF_DATA = (
    "zero", "shape", "test_share", "split_seed", "format", "bin_time", "start", "late", "excess",
    "crop", "downscale", "merge_polarities",
)


@dataclass(frozen=True, kw_only=True)
class Changes(Recordings):
    """The options of ``train`` that change a recipe for data of one's own."""

    hidden: Annotated[
        str | None, typer.Option(help="Own data: neurons of the hidden layers, such as 128,64.")
    ] = None
    recurrent: Annotated[
        bool | None,
        typer.Option("--recurrent/--no-recurrent", help="Own data: hidden layers are recurrent."),
    ] = None
    bits: Annotated[
        int | None, typer.Option(help="Own data: bits of a pixel or of a value of a frame.")
    ] = None
    zero: Annotated[
        int | None, typer.Option(help="Own data: the pixel or value that stands for 0.")
    ] = None
    steps: Annotated[
        int | None, typer.Option(help="Own data: steps of pixels and recordings.")
    ] = None
    batch: Annotated[int | None, typer.Option(help="Own data: samples per update.")] = None
    test_share: Annotated[
        float | None, typer.Option(help="Own data: share of each class that is tested.")
    ] = None
    split_seed: Annotated[
        int | None, typer.Option(help="Own data: seed of the choice of tested samples.")
    ] = None
    shape: Annotated[
        str | None, typer.Option(help="Events: shape of the input, such as 2,34,34.")
    ] = None

    def applied(self, name: str) -> str | Recipe:
        """Return the recipe of that name with these changes; the name, if there are none."""
        from ..train import RECIPES

        given = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) != each.default
        }
        if not given:
            return name
        plan = RECIPES.get(name)
        if plan is None:
            return name  # refused by train
        if plan.own is None:
            option = "--" + next(iter(given)).replace("_", "-")
            raise ValueError(
                f"{option} is for recipes of data of one's own: "
                + ", ".join(key for key, each in RECIPES.items() if each.own is not None)
            )
        for key, form in (("hidden", "128 or 128,64"), ("shape", "2,34,34")):
            if key in given:
                given[key] = whole_numbers(key, given[key], form)
        read = {**self.binning(), **self.fitting()}
        given |= {key: read[key] for key in given.keys() & read.keys()}
        count = given.pop("bin_count", None)
        if count is not None and given.setdefault("steps", count) != count:
            raise ValueError(f"bin_count must be the {given['steps']} steps, not {count}")
        if "bits" in given:
            given["pixel_bits"] = given.pop("bits")
        of_data = {key: given.pop(key) for key in _OF_DATA if key in given}
        return replace(plan, own=replace(plan.own, **of_data), **given)


@taking(Changes)
def train(
    changes: Changes,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Name of a recipe, such as mnist-mlp.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the files that are written.")
    ] = Path(),
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the training data.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set; or one's own data, a folder or a file."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    torch_device: Annotated[str, typer.Option(help="Device of PyTorch: cpu or cuda.")] = "cpu",
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Train, quantize, evaluate and save a network."""
    with needs("train"):
        from ..train import train as run

    options: dict[str, Any] = {"epochs": epochs, "seed": seed, "data": data, "out": out}
    plan = changes.applied(recipe)
    if not isinstance(plan, str):
        options["name"] = recipe
    with naming({
        "resume=True": "--resume", "path=": "--data", "data must be given": "--data must be given"
    }):
        result = run(
            plan, progress=say, resume=resume, threads=threads, torch_device=torch_device, **options
        )
    # The figures of a result; its arrays and networks are in files.
    figures = {
        name: value
        for name, value in vars(result).items()
        if isinstance(value, (bool, int, float, str))
    }
    figures |= {name: str(path) for name, path in result.files.items()}
    if as_json:
        print_json(figures)
    else:
        table(recipe, named(figures))


def frames(
    source: Annotated[
        Path, typer.Argument(metavar="WAV", help="A folder of WAV files named by word, or a file.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npz file to write.")],
    settings: Annotated[
        Path | None,
        typer.Option(help="Figures of the training (words.json), whose frames and words to use."),
    ] = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Turn spoken words into frames of mel bands, the samples of a network."""
    import numpy as np

    from ..network.files import atomic_file
    from ..signals import MelBands, read_words
    from ..signals.words import frames_of

    bands, classes = (MelBands(), None) if settings is None else _trained(settings)
    target = npz_file(out)
    arrays: dict[str, Any]
    if source.is_file():
        arrays = {"samples": frames_of(source, bands)[None]}
    else:
        words = read_words(source, bands, classes)
        arrays = {
            "samples": words.frames, "labels": words.labels, "classes": np.array(words.classes)
        }
    with atomic_file(target) as file:
        np.savez_compressed(file, **arrays)
    shape = arrays["samples"].shape
    figures = {
        "words": shape[0], "frames": shape[1], "bands": shape[2], "bits": bands.bits,
        "classes": ", ".join(arrays.get("classes", [])), "samples": str(target),
    }
    if as_json:
        print_json(figures)
    else:
        table(f"frames of {source}", named(figures))


def _trained(path: Path) -> tuple[Any, tuple[str, ...]]:
    """The frames and the words of a trained network, from the figures beside it."""
    from ..signals import MelBands
    from ..support.errors import FileError

    try:
        figures = json.loads(path.read_text())
        bands = MelBands.of(figures["settings"]["own"]["bands"])
        return bands, tuple(map(str, figures["data"]["classes"]))
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error})") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FileError(
            f"{path} is not the figures of a training on words ({type(error).__name__}: {error})"
        ) from error
