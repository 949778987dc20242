"""What the tests of the host side expect of a refusal."""

from __future__ import annotations

import re
from typing import Any

import pytest


def refuses(error: type[Exception], *parts: Any) -> Any:
    """Expect an error whose message has these parts, in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(str(part)) for part in parts))
