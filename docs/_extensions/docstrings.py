"""Docstrings as Sphinx reads them: arguments become a list of definitions, signs stay signs.

A docstring of glassconv describes an argument as ``name: what it is``, and continues it on indented
lines. ``*`` and ``|`` are signs of arithmetic in it, not markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sphinx.application import Sphinx

_ARGUMENT = re.compile(r"^([a-z_]\w*(?:, [a-z_]\w*)*): (.+)$")


def to_rst(lines: list[str]) -> Iterator[str]:
    r"""Yield the lines of a docstring as reStructuredText.

    >>> print("\n".join(to_rst(["input: [batch, *size],", "    an array."])))
    `input`
        [batch, \*size],
        an array.
    """
    is_example, describes = False, False  # within an example, within what an argument is
    for line in lines:
        is_example = line.startswith(">>> ") or (is_example and bool(line.strip()))
        argument = _ARGUMENT.match(line)
        if is_example:
            yield line
        elif argument:
            yield ", ".join(f"`{name}`" for name in argument[1].split(", "))
            yield f"    {_escaped(argument[2])}"
        else:
            if describes and not line.startswith(" ") and line:
                yield ""
            yield _escaped(line)
        describes = bool(argument) or (describes and line.startswith(" "))


def _escaped(text: str) -> str:
    """Return text in which signs are no markup, except between backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*|])", r"\\\1", part) for part in parts
    )


def process(
    app: Sphinx, what: str, name: str, subject: object, options: object, lines: list[str]
) -> None:
    """Rewrite a docstring that autodoc has read."""
    lines[:] = to_rst(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite each docstring."""
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
