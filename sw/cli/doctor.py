"""The verb ``doctor``."""

from __future__ import annotations

import typer

from .console import print_json
from .options import CHECK_FAILED, Json, Quiet, Verbose

__all__ = ["doctor"]


def doctor(as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """List what is installed here, what is missing, and what each part is for."""
    from .installation import examine

    checks = examine()
    if as_json:
        print_json({"checks": [check.as_dict() for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            mark = "ok     " if check.found else "MISSING" if check.needed else "absent "
            print(f"{mark}  {check.name:<{width}} {check.detail}")
            if not check.found:
                print(f"         {'':<{width}} for {check.purpose}: {check.remedy}")
    if any(check.needed and not check.found for check in checks):
        raise typer.Exit(CHECK_FAILED)
