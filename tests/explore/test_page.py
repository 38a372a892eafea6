"""The page is one file: everything it needs is in it, and nothing it holds can leave its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from glassconv.errors import DataError
from glassconv.explore import page as pages
from glassconv.explore.links import links
from glassconv.explore.page import bundle, cell, page, policy, script
from glassconv.explore.reports import introduction

HOSTILE = "</script></title></iframe><img src=x onerror=alert(1)>\"'&\u2028"


class Parsed(HTMLParser):
    """A page's elements, with the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":  # what a script holds, and not what follows it
            self.scripts[-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]


def test_the_default_page_is_small() -> None:
    report = introduction(links()).to_json()
    assert len(page(report, "the introduction").encode()) <= 400_000


def test_nothing_is_fetched() -> None:
    parsed = Parsed(page("{}", ""))
    assert all("src" not in attributes for _, attributes in parsed.elements)
    assert [link["href"] for link in parsed.all("link")] == ["data:,"]
    for rule in ("default-src 'none'", "connect-src 'none'", "img-src data: blob:"):
        assert rule in policy()


def test_only_the_pages_own_script_may_run() -> None:
    parsed = Parsed(page("{}", ""))
    _, code = parsed.scripts
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    meta = next(each for each in parsed.all("meta") if "http-equiv" in each)
    assert meta["content"] == policy()
    assert f"script-src 'sha256-{digest}';" in policy()
    assert "unsafe-eval" not in policy()


def test_only_a_served_page_may_connect_and_only_to_its_server() -> None:
    assert "connect-src 'self'" in policy(remote=True)
    (body,) = Parsed(page("{}", "", remote=True)).all("body")
    assert "data-remote" in body
    (body,) = Parsed(page("{}", "")).all("body")
    assert "data-remote" not in body


def test_a_text_stays_a_text() -> None:
    report = json.dumps({"source": HOSTILE}, ensure_ascii=False)
    parsed = Parsed(page(report, HOSTILE))
    assert parsed.all("img") == parsed.all("iframe") == []
    found, _ = parsed.scripts
    assert json.loads(found)["source"] == HOSTILE


def test_a_cell_is_the_page_in_a_frame_that_is_kept_apart() -> None:
    report = json.dumps({"source": HOSTILE}, ensure_ascii=False)
    parsed = Parsed(cell(report, HOSTILE))
    ((tag, attributes),) = parsed.elements
    assert tag == "iframe"
    assert attributes["srcdoc"] == page(report, HOSTILE)
    assert "allow-same-origin" not in (attributes["sandbox"] or "")
    assert attributes["title"] == HOSTILE


def test_the_bundle_is_anywidgets_form_and_the_script_has_no_export() -> None:
    assert re.search(r"\bexport\s*\{", bundle())
    assert not re.search(r"\bexport\s*\{", script())


def test_the_bundle_and_its_host_keep_their_names_to_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "const report = 1, model = 2, explorer = 3;\nexport {\n  explorer as default\n};\n"
    monkeypatch.setattr(pages, "bundle", lambda: code)
    inlined = script.__wrapped__()
    assert "const explorer = (() => {\nconst report = 1" in inlined
    assert "return explorer;\n})();\n{\n//" in inlined
    assert inlined.endswith("}\n")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("const a = 1;", "does not end with its default export"),
        ("const a = '</SCRIPT>'; export{a as default};", "cannot stand inside a page"),
        ("const a = '<!--'; export{a as default};", "cannot stand inside a page"),
    ],
)
def test_a_bundle_that_cannot_be_inlined_is_refused(
    monkeypatch: pytest.MonkeyPatch, code: str, cause: str
) -> None:
    monkeypatch.setattr(pages, "bundle", lambda: code)
    with pytest.raises(DataError, match=cause):
        script.__wrapped__()


def test_the_page_says_what_it_is_where_its_link_is_shared() -> None:
    written = page("{}", HOSTILE)
    for name in ('name="description"', 'property="og:description"', 'property="og:title"'):
        assert written.count(f"<meta {name} content=") == 1
    assert HOSTILE not in written
