"""The first page of a network that is explored: its strip, and a list of its convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from glassconv.reports.network import NetworkExplanation
from glassconv.views.html.network import ROOT, STYLE
from glassconv.views.html.network_strip import strip
from glassconv.views.network_words import count, percent, problem_text
from glassconv.views.notation import shape

CAPTION = (
    "Each block is an operation: as tall as the activations that it writes, on a scale of square "
    "roots; a convolution's colour goes from green to red with its share of the MACs. Arcs are "
    "skips. Click a convolution to open it with its own weights and the input that it gets here."
)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
body {{ max-width: 62rem; margin: 1.5rem auto; padding: 0 1rem; }}
{style}
</style>
</head>
<body>
<main class="{root}">
{body}
</main>
</body>
</html>
"""


def index(facts: NetworkExplanation, links: Mapping[str, str], source: str) -> str:
    """Return the page. links: the address of each convolution's page, by its name."""
    convolutions = "\n".join(
        f'<li><a href="{escape(links[each.name])}">{escape(each.name)}</a>: '
        f"{escape(problem_text(each.shorthand))}, {percent(each.macs, facts.macs)} % of the "
        "MACs</li>"
        for each in facts.convolutions
    )
    number = len(facts.convolutions)
    lines = [
        f"<h1>{escape(facts.model)}</h1>",
        f"<p>{number} convolution{'s' * (number != 1)}, {count(facts.macs)} MACs, on an input "
        f"{shape(facts.input_shape)}: {escape(source)}.</p>",
        f'<div class="scroll">{strip(facts, links)}</div>',
        f'<p class="caption">{escape(CAPTION)}</p>',
        f"<ol>\n{convolutions}\n</ol>",
    ]
    return _page(f"glassconv · {facts.model}", lines)


def refusal(layer: str, reason: str) -> str:
    """Return the page of a layer that the explorer does not draw, with the reason."""
    back = '<p><a href="./">All convolutions</a></p>'
    return _page(
        f"glassconv · {layer}", [f"<h1>{escape(layer)}</h1>", f"<p>{escape(reason)}</p>", back]
    )


def _page(title: str, lines: list[str]) -> str:
    return PAGE.format(title=escape(title), style=STYLE, root=ROOT, body="\n".join(lines))
