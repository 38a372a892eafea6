"""What the guide links to: the pages of the documentation, beside the page or at its address."""

from __future__ import annotations

from importlib.metadata import metadata

from glassconv.explore.reports import Link

PAGES = {"Tutorial": "tutorial.html", "Gallery": "gallery.html", "Documentation": "index.html"}


def links(base: str = "") -> tuple[Link, ...]:
    """Return the documentation's pages; base: what their addresses are relative to.

    >>> [link.href for link in links("../")]
    ['../tutorial.html', '../gallery.html', '../index.html']
    """
    if base and not base.endswith("/"):
        base += "/"
    return tuple(Link(label, base + name) for label, name in PAGES.items())


def project_links() -> tuple[Link, ...]:
    """Return the links of a file that may be anywhere: to the project's documentation, if any.

    The address is the one that the package's own metadata name `Documentation`.
    """
    for url in metadata("glassconv").get_all("Project-URL") or []:
        label, _, address = url.partition(",")
        if label.strip().lower() == "documentation":
            return links(address.strip())
    return ()
