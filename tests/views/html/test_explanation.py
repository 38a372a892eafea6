"""The page is one well-formed piece, says what the text says, and can harm no page it is put in."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from glassconv.explanation.facts import derive
from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse
from glassconv.reports.explanation import Explanation
from glassconv.views.explanation_blocks import AlgorithmTable, Listing, Note, Pairs
from glassconv.views.explanation_sections import chapters, summary
from glassconv.views.html.explanation import ROOT, STYLE, fragment
from support.cases import CASES

CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
FACTS = derive(parse("64x56x56 64@3x3 p1"))


class Page(HTMLParser):
    """Read a fragment: its tags balanced, and its words outside the style."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.roots = 0
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.roots += not self.open
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def texts(facts: Explanation) -> list[str]:
    """Return every text of every chapter."""
    said = [facts.shorthand, summary(facts)]
    for chapter in chapters(facts):
        said.append(chapter.title)
        for block in chapter.blocks:
            match block:
                case Pairs(rows):
                    said += [text for row in rows for text in row]
                case Note(text):
                    said.append(text)
                case AlgorithmTable(headings, rows):
                    said += [*headings, *(cell for _, cells in rows for cell in cells)]
                case Listing(title, code):
                    said += [title, code]
    return said


@CASE
def test_the_page_is_one_piece_and_says_every_text(problem: ConvProblem) -> None:
    facts = derive(problem)
    page = Page(fragment(facts))
    assert page.roots == 1
    assert page.tags.count("section") == 6
    for text in texts(facts):
        assert text in page.text


def test_every_rule_is_scoped() -> None:
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", STYLE)
    assert len(selectors) > 20
    for selector in ",".join(selectors).split(","):
        assert selector.strip().startswith(f".{ROOT}")


def test_the_colours_are_those_of_the_page_around_it() -> None:
    named = dict(re.findall(r"(--\w+): (.*);", STYLE))
    assert set(re.findall(r"var\((--\w+)\)", STYLE)) == set(named)
    assert all("currentColor" in colour for colour in named.values())
    assert "background: #" not in STYLE
    assert re.search(r"[^-]color: #", STYLE) is None


def test_nothing_runs_and_nothing_is_fetched() -> None:
    page = Page(fragment(FACTS))
    assert set(page.tags) <= {
        "div", "style", "header", "p", "section", "h3", "h4", "span", "table", "thead", "tbody",
        "tr", "th", "td", "pre", "code",
    }  # fmt: skip
    assert {name for name, _ in page.attributes} <= {
        "class",
        "lang",
        "scope",
        "title",
        "aria-label",
    }
    assert not re.search(r"url\(|@import|https?:", fragment(FACTS))


def test_every_text_is_escaped() -> None:
    hostile = "</style></code><script>alert('&')</script>\"<b"
    first, *rest = FACTS.algorithms
    assert first.bound is not None
    verdict = replace(first.runs, ok=False, reason=hostile)
    facts = replace(
        FACTS,
        shorthand=hostile,
        chosen=hostile,
        algorithms=(
            replace(first, name=hostile, runs=verdict, bound=replace(first.bound, measure=hostile)),
            *rest,
        ),
        axes=tuple(replace(axis, name=hostile) for axis in FACTS.axes),
        code=tuple(
            replace(each, title=hostile, code=f"{hostile}  # {hostile}") for each in FACTS.code
        ),
    )
    page = Page(fragment(facts))
    assert set(page.tags) == set(Page(fragment(FACTS)).tags)
    assert page.text.count(hostile) >= 12
    assert ("title", hostile) in page.attributes


def test_only_comments_are_quieter() -> None:
    html = fragment(FACTS)
    assert '\ny = layer(x)  <span class="comment"># [1, 64, 56, 56]</span></code>' in html
    comments = [line for snippet in FACTS.code for line in snippet.code.splitlines() if "#" in line]
    assert html.count('<span class="comment">') == len(comments)


def test_what_may_not_run_is_crossed_out_with_its_reason() -> None:
    html = fragment(FACTS)
    [rough] = [each for each in FACTS.algorithms if each.name == "winograd6"]
    assert f'<td class="no" title="{rough.runs.reason.replace(chr(39), "&#x27;")}">✗</td>' in html
    assert re.search(r'<td class="yes" title="[^"]+">✓</td><td>aten</td>', html)
