"""A network as a page: it needs no other file, its strip links to reports that are there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import support.torchvision_schemas  # noqa: F401  before torchvision
from glassconv.explanation.network import NetworkReport, explain_network
from glassconv.networks.load import load
from glassconv.views.html.network import fragment, page
from glassconv.views.html.network_strip import OTHER, strip
from support.networks import small_explanation


class Elements(HTMLParser):
    """Collects tags, ids and links; raises for a tag that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if "href" in found else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_is_whole_and_its_links_lead_somewhere() -> None:
    written = page(small_explanation())
    elements = Elements()
    elements.feed(re.sub(r"<(path|rect)([^>]*)/>", r"<\1\2></\1>", written))
    assert not elements.open
    assert len(elements.ids) == len(set(elements.ids)) == len(small_explanation().explanations)
    assert {f"#{each}" for each in elements.ids} == set(elements.links)
    assert not re.search(r"(?:src|href)=\"(?!#)", written)
    assert "<small>" not in written
    assert "color-scheme: light dark" in written


def test_a_notebook_shows_the_same_fragment() -> None:
    facts = small_explanation()
    assert NetworkReport(facts)._repr_html_() == fragment(facts)


def test_the_strip_has_a_block_for_each_convolution_and_an_arc_for_each_skip() -> None:
    facts = explain_network(load("torchvision:resnet18"), [1, 3, 64, 64]).facts
    drawn = ElementTree.fromstring(strip(facts, {}))
    blocks = [each for each in drawn.iter() if each.tag.endswith("rect")]
    assert sum(each.get("fill") != OTHER for each in blocks) == 20
    # Eight skips; three of them are a convolution, which reads two blocks back and is read after.
    assert sum(each.tag.endswith("path") for each in drawn.iter()) == 8 + 3
    heights = [float(each.get("height") or 0) for each in blocks]
    assert max(heights) == heights[0] == 96


def test_a_block_says_its_layers_numbers() -> None:
    facts = small_explanation()
    drawn = strip(facts, {})
    title = re.findall(r"<title>(.*?)</title>", drawn, re.S)[0]
    assert title.splitlines()[0] == "0"
    assert "receptive field 7 × 5" in title
