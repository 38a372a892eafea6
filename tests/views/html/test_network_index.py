"""The first page of an explored network: every convolution has a block and a line that open it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from glassconv.views.html.network_index import index, refusal
from support.networks import small_explanation


def body_of(page: str) -> ElementTree.Element:
    """Return the page's main part; raises for a tag that is not closed."""
    found = re.search(r"<main.*</main>", page, re.DOTALL)
    assert found
    return ElementTree.fromstring(found[0])


def test_a_convolution_has_a_block_and_a_line() -> None:
    facts = small_explanation()
    links = {each.name: f"place-{at}" for at, each in enumerate(facts.convolutions)}
    body = body_of(index(facts, links, "<cat>.png"))
    blocks = [each.get("href") for each in body.iter("{http://www.w3.org/2000/svg}a")]
    lines = {each.get("href"): each.text for each in body.iter("a")}
    assert blocks == list(lines) == list(links.values())
    assert list(lines.values()) == list(links)
    assert [each.text for each in body.iter("h1")] == [facts.model]
    assert "".join(next(body.iter("p")).itertext()).endswith("[1, 3, 32, 32]: <cat>.png.")


def test_a_refusal_says_the_reason_and_leads_back() -> None:
    body = body_of(refusal("<layer>", "too large & more"))
    assert [each.text for each in body] == ["<layer>", "too large & more", None]
    assert [each.get("href") for each in body.iter("a")] == ["./"]
