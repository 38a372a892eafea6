"""The source of glassconv in the site: a link to a file of `src/` leads to a page that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.transforms import SphinxTransform

SOURCES = Path(__file__).parents[2] / "src"
FOLDER = "source"


class LinkSources(SphinxTransform):
    """Let a link to a Python file lead to its page, instead of downloading it."""

    default_priority = 100  # before Sphinx copies what can be downloaded

    def apply(self) -> None:
        """Replace each link to a file of the package."""
        page = Path(self.env.doc2path(self.env.docname)).parent
        for link in list(self.document.findall(addnodes.download_reference)):
            file = (page / link["reftarget"]).resolve()
            if not file.is_relative_to(SOURCES) or file.suffix != ".py":
                continue
            name = page_of(file)
            above = "../" * self.env.docname.count("/")
            reference = nodes.reference("", "", *link.children, refuri=f"{above}{name}.html")
            link.replace_self(reference)


def page_of(file: Path) -> str:
    """Return the name of the page that shows a file."""
    return f"{FOLDER}/{file.relative_to(SOURCES).with_suffix('').as_posix()}"


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for each file of the package."""
    assert isinstance(app.builder, StandaloneHTMLBuilder)
    for file in sorted(SOURCES.rglob("*.py")):
        name = file.relative_to(SOURCES).as_posix()
        code = app.builder.highlighter.highlight_block(file.read_text(encoding="utf-8"), "python")
        body = f"<h1><code>{escape(name)}</code></h1>\n{code}"
        yield page_of(file), {"title": name, "body": body}, "page.html"


def setup(app: Sphinx) -> dict[str, bool]:
    """Show the source, and let links lead there."""
    app.add_transform(LinkSources)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True}
