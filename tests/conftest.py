"""Common settings of the tests."""

from contextlib import suppress

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("fixed")

with suppress(ImportError):
    import quick_elaboration  # noqa: F401
