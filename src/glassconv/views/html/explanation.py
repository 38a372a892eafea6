"""An explanation as one piece of HTML: for a notebook, or for any page it is put into.

It brings its own style, scoped to itself and in the colours of the page around it, and neither a
script nor anything from elsewhere.
"""

from __future__ import annotations

from html import escape

from glassconv.reports.explanation import Explanation
from glassconv.reports.verdict import Verdict
from glassconv.views.explanation_blocks import (
    AlgorithmTable,
    Block,
    Chapter,
    Listing,
    Note,
    Pairs,
)
from glassconv.views.explanation_sections import chapters, summary
from glassconv.views.html.style import COLOURS, TABLES

ROOT = "glassconv-explanation"

STYLE = f"""
.ROOT {{{COLOURS}
  box-sizing: border-box; max-width: 50rem; padding: .5rem 0; color: inherit;
  font: 14px/1.55 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}}
{TABLES}
.ROOT header p {{ margin: 0; color: var(--muted); }}
.ROOT .problem {{ margin: 0; color: inherit; font: 600 18px/1.4 ui-monospace, monospace; }}
.ROOT section {{ margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); }}
.ROOT h3 {{ margin: 0 0 .6rem; color: inherit; font: 600 15px/1.4 system-ui, sans-serif; }}
.ROOT h3 span {{ margin-right: .6em; color: var(--muted); font-weight: 400; }}
.ROOT h4 {{ margin: 1.1rem 0 .35rem; color: inherit; font: 600 13px/1.4 system-ui, sans-serif; }}
.ROOT .note {{ margin: .7rem 0; color: var(--muted); font-size: 13px; }}
.ROOT .facts th, .ROOT .facts td {{
  padding: .16rem 1.1rem .16rem 0; border: 0; background: none; color: inherit;
  font-weight: 400; text-align: left; vertical-align: top;
}}
.ROOT .pairs th, .ROOT thead th {{ color: var(--muted); white-space: nowrap; }}
.ROOT .pairs td {{ overflow-wrap: anywhere; white-space: normal; }}
.ROOT .algorithms td, .ROOT .algorithms th {{ white-space: nowrap; }}
.ROOT .algorithms .number {{ text-align: right; }}
.ROOT .algorithms thead th {{ border-bottom: 1px solid var(--line); }}
.ROOT .facts .yes {{ color: var(--yes); }}
.ROOT .facts .no {{ color: var(--no); }}
.ROOT pre {{
  margin: 0; padding: .7rem .9rem; overflow-x: auto; border: 0; border-radius: 6px;
  background: var(--panel); color: inherit; font: 12.5px/1.5 ui-monospace, monospace;
}}
.ROOT code {{ padding: 0; background: none; color: inherit; font: inherit; }}
.ROOT .comment {{ color: var(--muted); }}
""".replace("ROOT", ROOT)


def fragment(facts: Explanation) -> str:
    """Return an explanation as one `<div>`, everything in it escaped."""
    parts = [
        f'<div class="{ROOT}" lang="en">',
        f"<style>{STYLE}</style>",
        "<header>",
        f'<p class="problem">{escape(facts.shorthand)}</p>',
        f"<p>{escape(summary(facts))}</p>",
        "</header>",
        *(_section(place, chapter) for place, chapter in enumerate(chapters(facts), start=1)),
        "</div>",
    ]
    return "\n".join(parts)


def _section(place: int, chapter: Chapter) -> str:
    heading = f"<h3><span>{place}</span>{escape(chapter.title)}</h3>"
    return "\n".join(["<section>", heading, *map(_block, chapter.blocks), "</section>"])


def _block(block: Block) -> str:
    match block:
        case Pairs(rows):
            lines = "".join(
                f'<tr><th scope="row">{escape(name)}</th><td>{escape(said)}</td></tr>'
                for name, said in rows
            )
            return f'<table class="facts pairs"><tbody>{lines}</tbody></table>'
        case Note(text):
            return f'<p class="note">{escape(text)}</p>'
        case AlgorithmTable(headings, rows):
            head = "".join(_cell("th", place, text) for place, text in enumerate(headings))
            body = "".join(_row(verdict, cells) for verdict, cells in rows)
            return (
                '<div class="wide"><table class="facts algorithms">'
                f'<thead><tr><th aria-label="may run"></th>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table></div>"
            )
        case Listing(title, code):
            listing = "\n".join(map(_code_line, code.splitlines()))
            return f"<h4>{escape(title)}</h4><pre><code>{listing}</code></pre>"


def _row(verdict: Verdict, cells: tuple[str, ...]) -> str:
    look, sign = ("yes", "✓") if verdict else ("no", "✗")
    mark = f'<td class="{look}" title="{escape(verdict.reason)}">{sign}</td>'
    return f"<tr>{mark}{''.join(_cell('td', place, text) for place, text in enumerate(cells))}</tr>"


def _cell(tag: str, place: int, text: str) -> str:
    """Write a cell; the first and the last column are words, those between are numbers."""
    number = ' class="number"' if 0 < place < 5 else ""
    return f"<{tag}{number}>{escape(text)}</{tag}>"


def _code_line(line: str) -> str:
    """Write a line of a snippet, its comment quieter; a snippet has no # in a string."""
    code, sharp, comment = line.partition("#")
    return escape(code) + (
        f'<span class="comment">{escape(sharp + comment)}</span>' if sharp else ""
    )
