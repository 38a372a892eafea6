"""Formulas as HTML, rendered by KaTeX while the site is built: a reader needs no script for them.

A formula that KaTeX does not understand ends the build. Its styles and fonts are part of the site.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

WEB = Path(__file__).parents[2] / "web"
KATEX = WEB / "node_modules" / "katex" / "dist"
FOLDER = "katex"


@cache
def render(formula: str, *, display: bool) -> str:
    """Return the HTML of a formula in TeX's notation, with MathML for screen readers."""
    process = _katex()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"formula": formula, "display": display}) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise ExtensionError("KaTeX did not answer: is it installed? npm ci --prefix web")
    answer = json.loads(line)
    if "error" in answer:
        raise ExtensionError(f"{answer['error']} in the formula {formula}")
    return str(answer["html"])


@cache
def _katex() -> subprocess.Popen[str]:
    """Return the process that renders formulas, a line each; it ends with the build."""
    program = ["node", str(WEB / "formulas.mjs")]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(render(node.astext(), display=False))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on lines of its own, which scrolls where it is wider than the page."""
    formula = render(node.astext(), display=True)
    translator.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def copy(app: Sphinx) -> None:
    """Copy KaTeX's styles and fonts into the site."""
    folder = Path(app.outdir) / "_static" / FOLDER
    (folder / "fonts").mkdir(parents=True, exist_ok=True)
    shutil.copy(KATEX / "katex.min.css", folder)
    for font in (KATEX / "fonts").glob("*.woff2"):
        shutil.copy(font, folder / "fonts")


def end(app: Sphinx, error: Exception | None) -> None:
    """End the process that renders."""
    if _katex.cache_info().currsize:
        _katex().communicate()
        _katex.cache_clear()


def setup(app: Sphinx) -> dict[str, bool]:
    """Let KaTeX render what Markdown writes between dollars."""
    app.add_html_math_renderer("katex", (inline, None), (block, None))
    app.add_css_file(f"{FOLDER}/katex.min.css")
    app.connect("builder-inited", copy)
    app.connect("build-finished", end)
    return {"parallel_read_safe": True}
