"""Settings of the documentation site: ``nox -s docs`` builds it, warnings are errors."""

from importlib.metadata import version as installed_version

project = "StableSpike"
author = copyright = "the StableSpike developers"
version = release = installed_version("stablespike")

extensions = ["sphinx.ext.autodoc", "myst_parser", "numpydoc"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "results"]
html_theme = "furo"
html_title = "StableSpike"
html_copy_source = False

# Pages link to headings of other pages.
myst_heading_anchors = 3
# Highlighters know no bytes on a wire and no drawings.
highlight_language = "none"

# Docstrings state types in words that users know; signatures keep the annotations.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
