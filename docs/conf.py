"""How Sphinx builds the site: `make site`. The pages are the Markdown files of this folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import glassconv

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS / "_extensions")]

project = "glassconv"
author = "the glassconv contributors"
release = glassconv.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "docstrings",
    "explorer",
    "figures",
    "formulas",
    "sources",
]
exclude_patterns = ["_*"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
highlight_language = "none"  # a fence without a language holds commands
math_renderer = "katex"  # formulas.py
default_role = "code"  # docstrings mark code with single backticks, as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "glassconv"
html_short_title = "glassconv"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": False}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def _list_the_folder(app: Sphinx, docname: str, content: list[str]) -> None:
    """Put the pages of a folder below its README in the navigation."""
    if docname.endswith("/README"):
        content[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"


def setup(app: Sphinx) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect("source-read", _list_the_folder)
