"""The site that `make site` built, in a real browser, without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.browsers import HANGS, WEB

pytestmark = pytest.mark.site

SITE = Path(__file__).parents[2] / "site"
# One page stands for all pages of source, which differ in nothing but their code.
PAGES = [
    *(page for page in sorted(SITE.rglob("*.html")) if "source" not in page.parts),
    SITE / "source" / "glassconv" / "algorithms" / "im2col.html",
]

LINK = re.compile(r'<\w+[^<>]*?\s(?:href|src)="([^"]*)"')


def run(script: str, *arguments: str) -> list[str]:
    """Return the lines that a script of web/tests prints."""
    node, chromium = shutil.which("node"), shutil.which("chromium")
    assert node is not None, "the site is tested with node"
    assert chromium is not None, "the site is tested in chromium"
    program = [node, str(WEB / "tests" / script), chromium, str(SITE), *arguments]
    done = subprocess.run(program, capture_output=True, text=True, timeout=HANGS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_there_is_a_page_for_each_document() -> None:
    documents = Path(__file__).parents[2] / "docs"
    expected = {
        page.relative_to(documents).with_suffix(".html")
        for page in documents.rglob("*.md")
        if not any(part.startswith("_") for part in page.parts)
    }
    assert expected <= {page.relative_to(SITE) for page in PAGES}
    assert SITE / "explore.html" in PAGES


@pytest.mark.parametrize("screen", ["desktop", "phone"])  # the one light, the other dark
def test_no_page_has_a_fault(screen: str) -> None:
    """No message, no request to a host, nothing that axe-core finds, no horizontal scrolling."""
    pages = [str(page) for page in PAGES if page.name != "explore.html"]  # which web/tests test
    assert run("site.mjs", screen, *pages) == []


def test_search_finds_pages() -> None:
    (titles,) = run("site_search.mjs", "im2col")
    assert "im2col: every window becomes a column" in titles


def test_the_explorer_follows_the_theme() -> None:
    assert run("site_theme.mjs") == ["rgb(255, 255, 255) rgb(15, 19, 24)"]


def test_links_lead_to_files_of_the_site() -> None:
    """No link leads outside of the folder, nor to a file or a heading that is not there."""
    broken = [
        f"{page.relative_to(SITE)}: {target}"
        for page in PAGES
        if page.name != "explore.html"
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not leads(page, target)
    ]
    assert not broken


def leads(page: Path, target: str) -> bool:
    """Return whether a link is to a foreign page, a piece of data, or a file and heading here."""
    if re.match(r"https?:|data:|mailto:", target):
        return True
    path, _, heading = target.partition("#")
    file = (page.parent / path.partition("?")[0]).resolve() if path else page
    if not file.is_relative_to(SITE) or not file.is_file():
        return False
    if not heading or file.name == "explore.html" or file.suffix != ".html":
        return True
    return f'id="{heading}"' in file.read_text(encoding="utf-8")
