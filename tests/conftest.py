"""Settings that all tests share."""

import os
from contextlib import suppress

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("fixed")

# `nox -s elaboration` sets the variable: it tests with Amaranth as it is installed.
if not os.environ.get("STABLESPIKE_AMARANTH"):
    with suppress(ImportError):  # tests/sw also runs where Amaranth is not installed
        import quick_elaboration

        quick_elaboration.install()
