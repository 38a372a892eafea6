"""What the guide links to: pages beside its own, or at the project's address, or nowhere."""

from __future__ import annotations

from email.message import Message

import pytest

from glassconv.explore import links as module
from glassconv.explore.links import links, project_links


@pytest.mark.parametrize(
    ("base", "tutorial"),
    [("", "tutorial.html"), ("..", "../tutorial.html"), ("docs/", "docs/tutorial.html")],
)
def test_links_are_relative_to_their_base(base: str, tutorial: str) -> None:
    first, *rest = links(base)
    assert (first.label, first.href) == ("Tutorial", tutorial)
    assert [link.label for link in rest] == ["Gallery", "Documentation"]


def test_a_file_links_to_the_address_in_the_packages_metadata(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Message()
    told["Project-URL"] = "Source, https://example.org/source"
    monkeypatch.setattr(module, "metadata", lambda _: told)
    assert project_links() == ()
    told["Project-URL"] = "Documentation, https://example.org/docs"
    assert project_links() == links("https://example.org/docs/")
