"""The explorer as one piece of HTML, in a file or in a cell, from which no request leaves.

The bundle is an ES module, which a page cannot import from itself: what it exports becomes a
constant, and what hosts it follows in the same script. The page's own policy names that script by
its hash, so nothing else can run, and forbids every connection.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from html import escape
from importlib.resources import files

from glassconv.errors import DataError

DESCRIPTION = (
    "A convolution you can see through: move the window over the image, and see its products, its "
    "column of the im2col matrix and its sum, in your own layer."
)
TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<meta name="description" content="{description}">
<meta property="og:type" content="website">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{description}">
<link rel="icon" href="data:,">
<style>body {{ margin: 0 }}</style>
</head>
<body{remote}>
<main id="explorer"></main>
<noscript>The explorer is drawn by a script in this page, and scripts are turned off.</noscript>
<script type="application/json" id="report">{report}</script>
<script type="module">{script}</script>
</body>
</html>
"""

_EXPORT = re.compile(r"export\s*\{\s*([\w$]+)\s+as\s+default\s*\};?\s*$")


def page(report: str, title: str, *, remote: bool = False) -> str:
    """Return the whole page for a report's JSON; remote: Python answers where it came from."""
    return TEMPLATE.format(
        policy=escape(policy(remote=remote)),
        title=escape(title),
        description=escape(DESCRIPTION),
        remote=" data-remote" if remote else "",
        report=report.replace("<", r"\u003c"),  # or a text could end the script it lies in
        script=script(),
    )


def cell(report: str, title: str) -> str:
    """Return the page inside a frame, for the output of a notebook's cell.

    The frame keeps the page's script from the notebook, and the notebook's style from the page.
    """
    return (
        f'<iframe title="{escape(title)}" srcdoc="{escape(page(report, title))}" '
        'sandbox="allow-scripts allow-downloads" allow="clipboard-write" '
        'style="width: 100%; height: 60rem; border: 0; resize: vertical"></iframe>'
    )


def policy(*, remote: bool = False) -> str:
    """Return the Content-Security-Policy: this one script, its styles, the user's own pictures."""
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode("ascii")
    rules = {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'",
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "connect-src": "'self'" if remote else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {allowed}" for name, allowed in rules.items())


@cache
def script() -> str:
    """Return the bundle with its host, as a script that stands inside a page.

    Each keeps its names to itself: minified, the bundle's may be any.
    """
    exported = _EXPORT.search(bundle())
    if exported is None:
        raise DataError("explorer.js does not end with its default export")
    code = bundle()[: exported.start()]
    constant = f"const explorer = (() => {{\n{code}\nreturn {exported[1]};\n}})();"
    inlined = f"\n{constant}\n{{\n{_packaged('host.js')}}}\n"
    if "</script" in inlined.lower() or "<!--" in inlined:
        raise DataError("explorer.js cannot stand inside a page: it holds </script or <!--")
    return inlined


@cache
def bundle() -> str:
    """Return the explorer as the ES module that esbuild wrote: anywidget's form."""
    return _packaged("explorer.js")


def _packaged(name: str) -> str:
    return (files("glassconv.explore") / name).read_text(encoding="utf-8")
