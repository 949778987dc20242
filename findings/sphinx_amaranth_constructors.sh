#!/usr/bin/env bash
# Sphinx documents the constructor of every Amaranth component as (*args, src_loc_at=0, **kwargs)
#
# Expected: autodoc prints `class Adder(width, *, signed=False)`, from the __init__ that the author wrote.
# Found (Sphinx 9.0.4, amaranth 0.5.10, 2026-11-30): Sphinx asks a class for its __new__ before its __init__, and
#   Amaranth's Elaboratable, above every Component, has a __new__ that takes anything. So it is `class Adder(*args,
#   src_loc_at=0, **kwargs)`, and the parameters the author named are nowhere on the page. A plain Python class beside
#   it is right, and so are ports, which are annotations: `a: In(8)`. With autodoc_class_signature = "separated" the
#   right __init__ appears.
# Why it matters: the parameters are the interface of a gateware library. Its pages look complete, build without a
#   warning even with -W, and tell nobody how to make one.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'sphinx==9.0.4' 'amaranth==0.5.10'
mkdir docs  # a folder of their own, without the venv
cat > docs/gateware.py <<'PY'
"""A module of gateware."""

from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out


class Fixed(Component):
    """Ports as annotations."""

    a: In(8)
    y: Out(9)

    def elaborate(self, platform):
        return Module()


class Adder(Component):
    """Ports by width."""

    def __init__(self, width, *, signed=False):
        super().__init__({"a": In(width), "y": Out(width + 1)})

    def elaborate(self, platform):
        return Module()


class Plain:
    """No gateware."""

    def __init__(self, width, *, signed=False):
        pass
PY
printf 'Gateware\n========\n\n.. automodule:: gateware\n   :members:\n   :undoc-members:\n' > docs/index.rst
page() {
  printf 'import sys\nsys.path.insert(0, "docs")\nextensions = ["sphinx.ext.autodoc"]\n%s\n' "${1:-}" > docs/conf.py
  nice -n 10 venv/bin/sphinx-build -q -W -E -b text docs pages
  grep -E '^ *class|__init__|__new__|In\(8\)' pages/index.txt
}
venv/bin/sphinx-build --version
page
grep -Fq 'class gateware.Adder(*args, src_loc_at=0, **kwargs)' pages/index.txt
grep -Fq 'class gateware.Plain(width, *, signed=False)' pages/index.txt
[ "$(grep -Fc 'width, *, signed=False' pages/index.txt)" = 1 ]
grep -Fq 'a: In(8)' pages/index.txt
echo '-- autodoc_class_signature = "separated"'
page 'autodoc_class_signature = "separated"'
(! grep -Fq src_loc_at pages/index.txt)
[ "$(grep -Fc '__init__(width, *, signed=False)' pages/index.txt)" = 2 ]
