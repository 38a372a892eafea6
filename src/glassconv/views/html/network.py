"""A stack of layers in a notebook: a table, and each convolution's report to open."""

from __future__ import annotations

from html import escape

from glassconv.reports.network import NetworkExplanation
from glassconv.views.html import explanation
from glassconv.views.html.rich_html import fragment as table
from glassconv.views.terminal.network import explained


def fragment(facts: NetworkExplanation) -> str:
    """Return the table, and under it each convolution's explanation, closed until it is opened."""
    parts = [
        f"<details><summary>{escape(layer.name)}: {escape(layer.module)}</summary>\n"
        f"{explanation.fragment(layer.explanation)}\n</details>"
        for layer in facts.layers
        if layer.explanation is not None
    ]
    return "\n".join([f"<div>{table(explained(facts))}", *parts, "</div>"])
