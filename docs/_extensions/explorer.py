"""The explorer inside a page: one generated page, and the directive that frames it.

    ```{explorer} #problem=3x5x5 2@3x3 s2 p1&mode=window&at=y,0,0,0
    A caption in one sentence.
    ```

becomes a frame of that page in that state, without its header, and a link that opens it alone. With
``:class: large`` it keeps its header and is as wide as the page.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from glassconv.errors import ConvError
from glassconv.explore.links import links
from glassconv.explore.page import page
from glassconv.explore.reports import introduction
from glassconv.problem.problem import parse_problem

PAGE = "explore.html"
TITLE = "glassconv explorer: convolution you can see through"

FRAME = """\
<iframe class="explorer{kind}" src="{address}" title="{title}" loading="{loading}"
  allow="clipboard-write; fullscreen"></iframe>
"""


class Explorer(SphinxDirective):
    """A frame of the explorer in the state of a link; its body is the caption."""

    required_arguments = 0
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {"class": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the figure: the frame, the caption and a link to the explorer alone."""
        try:
            state = address(self.arguments[0] if self.arguments else "")
        except ConvError as error:
            raise self.error(f"explorer: {error}") from error
        above = "../" * self.env.docname.count("/")
        caption = self.parse_content_to_nodes()
        title = " ".join(node.astext() for node in caption) or TITLE
        wide = self.options.get("class", "")
        frame = FRAME.format(
            kind=f" {wide}" if wide else "",
            address=escape(f"{above}{PAGE}{'' if wide else '?embed'}{state}"),
            title=escape(title),
            loading="eager" if wide else "lazy",
        )
        alone = (
            f'<a class="alone" href="{escape(above + PAGE + state)}">Open this in the explorer</a>'
        )
        figure = nodes.container(classes=["explorer-figure"])
        figure += nodes.raw("", frame, format="html")
        figure += nodes.container("", *caption, nodes.raw("", alone, format="html"))
        return [figure]


def address(state: str) -> str:
    """Return the fragment of a link to the explorer, with its problem checked and escaped.

    >>> address("#problem=3x5x5 2@3x3 s2 p1&mode=window")
    '#problem=3x5x5+2@3x3+s2+p1&mode=window'
    >>> address("")
    ''
    """
    words = parse_qsl(state.removeprefix("#"), keep_blank_values=True)
    for name, value in words:
        if name == "problem":
            parse_problem(value)
    return f"#{urlencode(words, safe='@:,')}" if words else ""


def write(app: Sphinx) -> None:
    """Write the explorer's page into the site: it begins with the guide."""
    report = introduction(links()).to_json()
    file = Path(app.outdir) / PAGE
    file.write_text(page(report, TITLE), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("explorer", Explorer)
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
