"""The house: folders are small, functions are short, and imports run one way.

The order of the folders is in ``pyproject.toml``, as contracts of import-linter.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"stablespike": "sw"} | {
    f"stablespike.{name}": name for name in ("boards", "hw", "sim", "spec")
}
"""The folders of the packages: ``package-dir`` of pyproject."""

MODULES_SIDE_BY_SIDE = 16
HW_LINES, HW_DEPTH = 120, 5
SW_PARAMETERS = 7
MANY_PARAMETERS = {
    # Users call these with keywords.
    "device/device.py:Device.run",
    "device/stream.py:Stream.send",
    "golden/counters.py:count",
    "importers/nir/importer.py:from_nir",
    "samples/events.py:bin_events",
    "network/convolution.py:Conv2d.__init__",
    "train/entry.py:train",
    # The parameters of a verb are its options.
    "cli/board.py:build",
    "cli/board.py:flash",
    "cli/networks.py:compile_",
    "cli/shipped.py:demo",
    "cli/training.py:train",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> dict[str, Path]:
    """The file of every module by the module's name."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


def imported(name: str, path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """The modules that one imports; imports in functions and for type checkers count, too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                for target in (f"{base}.{alias.name}", base):
                    if target in modules:
                        yield target
                        break


def functions(folder: str) -> Iterator[tuple[str, Function]]:
    """Every function of a folder, and where it is."""

    def inside(node: ast.AST, name: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.ClassDef, Function)):
                inner = f"{name}.{child.name}".lstrip(".")
                if isinstance(child, Function):
                    yield inner, child
                yield from inside(child, inner)
            else:
                yield from inside(child, name)

    for path in sorted((ROOT / folder).rglob("*.py")):
        where = path.relative_to(ROOT / folder).as_posix()
        for name, node in inside(ast.parse(path.read_text()), ""):
            yield f"{where}:{name}", node


def depth(node: ast.AST, outside: int = 0) -> int:
    """How deep statements are nested in a function; an ``elif`` is as deep as its ``if``."""
    nested = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith)
    deepest = outside
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        deeper = isinstance(child, nested) and not is_elif
        deepest = max(deepest, depth(child, outside + deeper))
    return deepest


def test_no_modules_import_each_other() -> None:
    modules = sources()
    imports = {
        name: set(imported(name, path, modules)) - {name} for name, path in modules.items()
    }
    assert sum(map(len, imports.values())) > len(imports)
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def test_every_folder_is_installed() -> None:
    """setuptools installs the folders that pyproject lists, and no others."""
    text = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^packages = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)
    assert listed is not None
    found = {
        name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in sources().items()
    }
    assert set(re.findall(r'"(.*?)"', listed[1])) == found


def test_the_order_of_the_folders(tmp_path: Path) -> None:
    """The contracts of pyproject hold on this tree, however the package is installed."""
    pytest.importorskip("importlinter")
    package = tmp_path / "stablespike"
    package.mkdir()
    for path in (ROOT / "sw").iterdir():
        (package / path.name).symlink_to(path)
    for name in ("boards", "hw", "sim", "spec"):
        (package / name).symlink_to(ROOT / name)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(config_filename=sys.argv[2], no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(ROOT / "pyproject.toml")],
        capture_output=True, text=True, cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("top", ["sw", "hw", "sim", "tests/sw"])
def test_folders_are_small(top: str) -> None:
    counts = {
        folder.relative_to(ROOT).as_posix(): len(
            [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        )
        for folder in [ROOT / top, *(ROOT / top).rglob("*/")]
    }
    assert {name: n for name, n in counts.items() if n > MODULES_SIDE_BY_SIDE} == {}


def test_files_of_tests_have_names_of_their_own() -> None:
    # Without packages, pytest imports them by name: of two with one name, the second is an error.
    counts = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    assert [name for name, count in counts.items() if count > 1 and name != "conftest.py"] == []


def test_the_top_of_the_package() -> None:
    files = {path.name for path in (ROOT / "sw").iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "py.typed"}


def test_functions_of_the_gateware_are_short_and_flat() -> None:
    sizes = {
        where: ((node.end_lineno or 0) - node.lineno + 1, depth(node))
        for where, node in functions("hw")
    }
    assert sizes
    large = {w: size for w, size in sizes.items() if size[0] > HW_LINES or size[1] > HW_DEPTH}
    assert large == {}


def test_functions_of_the_package_have_few_parameters() -> None:
    counts = {}
    for where, node in functions("sw"):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        counts[where] = sum(each.arg not in ("self", "cls") for each in arguments)
    assert counts.keys() >= MANY_PARAMETERS
    many = {where: n for where, n in counts.items() if n > SW_PARAMETERS}
    assert {where: n for where, n in many.items() if where not in MANY_PARAMETERS} == {}
