"""Arrays by the names of presets and boards, and by files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import stablespike as ss
from refusals import refuses
from stablespike.spec import PRESETS
from stablespike.support.arrays import array_code, array_config, array_toml, preset


def test_a_preset_and_a_board() -> None:
    assert ss.preset is preset
    assert preset("ecp5-85f") == PRESETS["ecp5-85f"]
    assert preset("orangecrab-85f") == PRESETS["ecp5-85f"]
    assert array_config("ulx3s-25f") == PRESETS["ecp5-25f"]
    own = replace(PRESETS["icebreaker"], tasks=9)
    assert array_config(own) is own
    with refuses(ValueError, "not 'orangecrab': did you mean orangecrab-"):
        preset("orangecrab")
    with refuses(TypeError, "array must be an ArrayConfig or one of", "not 4"):
        array_config(4)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_printed_is_read_back(name: str, tmp_path: Path) -> None:
    file = tmp_path / "array.toml"
    file.write_text(array_toml(PRESETS[name]))
    assert preset(file) == preset(str(file)) == PRESETS[name]
    own = replace(PRESETS[name], tasks=11)
    assert array_code(PRESETS[name]) == f'"{name}"'
    assert eval(array_code(own), {"stablespike": ss}) == own


def test_a_file_changes_a_preset_or_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('# mine\npreset = "orangecrab-85f"\ntasks = 20\n"state_groups" = 64\n')
    assert preset(file) == replace(PRESETS["ecp5-85f"], tasks=20, state_groups=64)
    file.write_text("lanes = 8\nconvolution = true\n")
    assert preset(file) == ss.ArrayConfig(lanes=8, convolution=True)
    file.write_text("")
    assert preset(file) == ss.ArrayConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lanes = 8\n\nlane = 8\n", "line 3: an array has no field 'lane': did you mean lanes?"),
        ("[array]\nlanes = 8\n", "line 1: an array has no field 'array'"),
        ("lanes = 12\n", "line 1: lanes must be a power of two from 4 to 64, not 12"),
        ("window = 4\n lanes = '8'\n", "line 2: lanes must be an integer, not '8'"),
        ("tasks = 4.0\n", "line 1: tasks must be an integer, not 4.0"),
        ("state = 1\n", "line 1: state must be True or False, not 1"),
        ("window = 2\nneuron_steps = 4\n", "line 2: neuron_steps must be at most window (2)"),
        ("\nwide_weights = true\n", "line 2: wide_weights must be False where convolution is"),
        ('preset = "ice"\n', "line 1: preset must be one of ... the name of a board, not 'ice'"),
        ("preset = 4\n", "line 1: preset must be one of ... not 4"),
        ("lanes =\n", "is no TOML file: Invalid value (at line 1"),
    ],
)
def test_wrong_files_are_refused_by_name_and_line(
    text: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    with refuses(ss.FileError, f"{file} " if "no TOML" in message else f"{file}, ", message):
        preset(file)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with refuses(ss.FileError, "none.toml cannot be read as an array (No such file"):
        preset(tmp_path / "none.toml")
    with refuses(ss.FileError, "cannot be read as an array (Is a directory)"):
        preset(tmp_path)
