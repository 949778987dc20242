"""What the tests of the host side expect of a refusal."""

from __future__ import annotations

import re
from typing import Any

import pytest


def refuses(error: type[Exception], *parts: Any) -> Any:
    """Expect an error whose message has these parts, in this order.

    Within a part, `` ... `` stands for any words: what matters is the name of the argument, the
    limit, the value and the next step.
    """
    pieces = [piece for part in parts for piece in str(part).split(" ... ")]
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(piece) for piece in pieces))
