#!/usr/bin/env bash
# import-linter does not know modules whose folders setuptools' package-dir maps into a package
#
# Expected: a package that Python imports, demo.hw from the folder hw/ and demo from sw/, is one that import-linter
#   checks: it asks Python where the root package is, and the install told Python where all of it is.
# Found (import-linter 2.17, grimp 3.20, setuptools 84.2.1, 2026-11-30): it walks the folder of the root package. With
#   the editable install demo.hw imports, yet a contract that names it ends with "Module 'demo.hw' does not exist". One
#   that has it as an optional layer, "(demo.hw)", says KEPT and gives status 0, although demo.core imports demo.hw. Of
#   the same project installed as usual, where the folders lie in one another, both contracts are found broken.
# Why it matters: projects of gateware and software keep hw/ and sw/ side by side. Their rule "the driver does not
#   import the gateware" is then not checked in a developer's checkout, and is where the package was built.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'import-linter==2.17' 'grimp==3.20' \
  'setuptools==84.2.1' 'wheel==0.45.1'
mkdir -p project/sw/core project/hw
touch project/sw/__init__.py project/hw/__init__.py
echo 'import demo.hw' > project/sw/core/__init__.py
cat > project/pyproject.toml <<'TOML'
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "demo"
version = "0"

[tool.setuptools]
packages = ["demo", "demo.core", "demo.hw"]

[tool.setuptools.package-dir]
demo = "sw"
"demo.core" = "sw/core"
"demo.hw" = "hw"
TOML
common='[importlinter]\nroot_package = demo\n[importlinter:contract:one]\nname = hw is above core\n'
printf "${common}type = forbidden\nsource_modules = demo.core\nforbidden_modules = demo.hw\n" > forbidden.ini
printf "${common}type = layers\nlayers =\n  (demo.hw)\n  demo.core\n" > layers.ini

check() {  # prints the verdict on both contracts
  local name status
  for name in forbidden layers; do
    status=0
    venv/bin/lint-imports --no-cache --config "$name.ini" > "$name.txt" 2>&1 || status=$?
    echo "  $name: status $status, $(grep -m 1 -E 'KEPT|BROKEN|does not exist' "$name.txt")"
  done
}
install() {
  venv/bin/pip install -q --disable-pip-version-check --no-build-isolation --force-reinstall --no-deps "$@"
  venv/bin/python -c 'import demo.core, demo.hw'
}
venv/bin/python -c 'import importlib.metadata as m; print(*(f"{n} {m.version(n)}" for n in ("import-linter", "grimp")))'
install -e ./project
echo 'editable install:'
check
grep -q "Module 'demo.hw' does not exist" forbidden.txt
grep -q 'hw is above core KEPT' layers.txt
install ./project
echo 'usual install:'
check
grep -q 'hw is above core BROKEN' forbidden.txt
grep -q 'hw is above core BROKEN' layers.txt
