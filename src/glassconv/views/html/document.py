"""A page of HTML that asks no other file for anything, in light and dark."""

from __future__ import annotations

from html import escape

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 62rem; margin: 1.5rem auto; padding: 0 1rem; }}
</style>
{head}
</head>
<body>
{body}
</body>
</html>
"""


def document(title: str, body: str, head: str = "") -> str:
    """Return a page of one column. title: plain text; body and the rest of the head: HTML.

    >>> "<title>1 &lt; 2</title>" in document("1 < 2", "<p>yes</p>")
    True
    """
    return PAGE.format(title=escape(title), body=body, head=head)
