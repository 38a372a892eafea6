"""The first page of a network that is explored: its strip, and a list of its convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from glassconv.reports.network import NetworkExplanation
from glassconv.views.html.document import document
from glassconv.views.html.network import ROOT, STYLE
from glassconv.views.html.network_strip import STRIP, strip
from glassconv.views.network_words import count, percent, problem_text
from glassconv.views.notation import number_of, shape

CAPTION = (
    f"{STRIP} Click a convolution to open it with its own weights and the input that it gets here."
)


def index(facts: NetworkExplanation, links: Mapping[str, str], source: str) -> str:
    """Return the page. links: the address of each convolution's page, by its name."""
    convolutions = "\n".join(
        f'<li><a href="{escape(links[each.name])}">{escape(each.name)}</a>: '
        f"{escape(problem_text(each.shorthand))}, {percent(each.macs, facts.macs)} % of the "
        "MACs</li>"
        for each in facts.convolutions
    )
    number = number_of(len(facts.convolutions), "convolution")
    lines = [
        f"<h1>{escape(facts.model)}</h1>",
        f"<p>{number}, {count(facts.macs)} MACs, on an input "
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
    body = "\n".join(lines)
    head = f'<link rel="icon" href="data:,">\n<style>{STYLE}</style>'  # so that none is asked for
    return document(title, f'<main class="{ROOT}">\n{body}\n</main>', head)
