"""What the terminal shows, as one piece of HTML: tables as tables, headings as headings.

A report has one view, made of rich's parts; here each part becomes the element that it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from glassconv.views.html.style import COLOURS, TABLES

ROOT = "glassconv-report"

STYLE = f"""
.ROOT {{{COLOURS}
  box-sizing: border-box; max-width: 56rem; padding: .25rem 0; color: inherit;
  font: 14px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}}
{TABLES}
.ROOT p {{ margin: .15rem 0; }}
.ROOT h3 {{
  margin: 1.2rem 0 .5rem; padding-top: .7rem; border-top: 1px solid var(--line);
  color: inherit; font: 600 15px/1.4 system-ui, sans-serif;
}}
.ROOT .within {{ margin: 0 0 .8rem 1.2rem; }}
.ROOT pre {{
  margin: .2rem 0; padding: 0; overflow-x: auto; border: 0; background: none; color: inherit;
  font: 12.5px/1.45 ui-monospace, monospace;
}}
.ROOT th, .ROOT td {{
  padding: .12rem 1.1rem .12rem 0; border: 0; background: none; color: inherit;
  font-weight: 400; text-align: left; vertical-align: top; white-space: pre-wrap;
}}
.ROOT thead th {{ border-bottom: 1px solid var(--line); color: var(--muted); }}
.ROOT .right {{ text-align: right; }}
.ROOT .bold {{ font-weight: 600; }}
.ROOT .dim {{ color: var(--muted); }}
.ROOT .green {{ color: var(--yes); }}
.ROOT .red {{ color: var(--no); }}
""".replace("ROOT", ROOT)


def fragment(shown: RenderableType) -> str:
    """Return what rich prints as one `<div>`, everything in it escaped.

    >>> print(fragment(Text("1 < 2")).splitlines()[-2])
    <p>1 &lt; 2</p>
    """
    body = "\n".join(_elements(shown))
    return f'<div class="{ROOT}" lang="en">\n<style>{STYLE}</style>\n{body}\n</div>'


def _elements(shown: object) -> Iterator[str]:
    """Yield the elements of a part; lines that need columns of equal width are one block."""
    for drawn, lines in groupby(_parts(shown), _is_drawn):
        if drawn:
            yield f"<pre>{chr(10).join(map(_text, lines))}</pre>"
            continue
        for part in lines:
            yield from _element(part)


def _parts(shown: object) -> Iterator[object]:
    """Yield the parts of nested groups in order."""
    if isinstance(shown, Group):
        for part in shown.renderables:
            yield from _parts(part)
    else:
        yield shown


def _is_drawn(part: object) -> bool:
    """Return whether a text has columns, which only letters of equal width keep in line."""
    return isinstance(part, Text) and any(
        sign in part.plain for sign in ("  ", "│", "─", "█", "\n")
    )


def _element(part: object) -> Iterator[str]:
    match part:
        case Rule(title=title):
            yield f"<h3>{_text(title)}</h3>"
        case Padding(renderable=inner):
            yield '<div class="within">'
            yield from _elements(inner)
            yield "</div>"
        case Table():
            yield f'<div class="wide">{_table(part)}</div>'
        case Text() | str():
            if written := _text(part):
                yield f"<p>{written}</p>"
        case _:
            raise TypeError(f"a {type(part).__name__} has no HTML")


def _table(table: Table) -> str:
    cells = [list(column.cells) for column in table.columns]  # without the headings
    right = [column.justify == "right" for column in table.columns]
    head, body = "", list(zip(*cells, strict=True))
    if table.show_header:
        head = _row("th", tuple(column.header for column in table.columns), right)
        head = f"<thead>{head}</thead>"
    rows = "".join(_row("td", row, right) for row in body)
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def _row(tag: str, cells: tuple[RenderableType, ...], right: list[bool]) -> str:
    opened = (f'<{tag} class="right">' if numbers else f"<{tag}>" for numbers in right)
    written = (f"{open}{_text(cell)}</{tag}>" for open, cell in zip(opened, cells, strict=True))
    return f"<tr>{''.join(written)}</tr>"


def _text(shown: object) -> str:
    """Return a text with its styles as classes."""
    text = shown if isinstance(shown, Text) else Text.from_markup(str(shown))
    classes = [str(text.style)] * len(text.plain)
    for span in text.spans:
        for place in range(span.start, min(span.end, len(classes))):
            classes[place] = f"{classes[place]} {span.style}".strip()
    runs = groupby(zip(classes, text.plain, strict=True), lambda each: each[0])
    return "".join(_run(style, "".join(letter for _, letter in run)) for style, run in runs)


def _run(style: str, text: str) -> str:
    """Return letters of one style; rich's names of styles are the classes."""
    written = escape(text)
    return f'<span class="{escape(style)}">{written}</span>' if style else written
