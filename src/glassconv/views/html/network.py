"""A network in a notebook or as a page: the strip, the tables, each problem's report to open."""

from __future__ import annotations

from html import escape

from glassconv.reports.network import NetworkExplanation
from glassconv.views.html import explanation
from glassconv.views.html.document import document
from glassconv.views.html.network_strip import STRIP, strip
from glassconv.views.html.rich_html import fragment as rich_fragment
from glassconv.views.html.style import COLOURS
from glassconv.views.network_words import problem_text
from glassconv.views.terminal.network import explained

ROOT = "glassconv-network"

STYLE = f"""
.ROOT {{{COLOURS}
  color: inherit; font: 14px/1.5 system-ui, sans-serif;
}}
.ROOT .scroll {{ overflow-x: auto; margin: .5rem 0; }}
.ROOT .strip a:focus-visible rect, .ROOT .strip a:hover rect {{ stroke: currentColor; }}
.ROOT .caption {{ margin: 0; color: var(--muted); font-size: 13px; }}
.ROOT details {{ margin: .3rem 0; }}
.ROOT summary {{ cursor: pointer; font: 13px/1.5 ui-monospace, monospace; }}
""".replace("ROOT", ROOT)

CAPTION = f"{STRIP} Point at a block for its numbers; click it to open its problem's report."

SCRIPT = """<script>
function openReport() {
  const report = location.hash && document.getElementById(location.hash.slice(1));
  if (report) { report.open = true; report.scrollIntoView(); }
}
addEventListener("hashchange", openReport);
openReport();
</script>"""


def page(facts: NetworkExplanation) -> str:
    """Return an HTML file that asks no other file for anything, in light and dark."""
    return document(f"{facts.model}: glassconv explain", f"{fragment(facts)}\n{SCRIPT}")


def fragment(facts: NetworkExplanation) -> str:
    """Return the strip, the terminal's tables, and each problem's explanation, closed."""
    ids = {each.shorthand: f"problem-{at}" for at, each in enumerate(facts.explanations, 1)}
    links = {each.name: f"#{ids[each.shorthand]}" for each in facts.convolutions}
    reports = [
        f'<details id="{ids[each.shorthand]}">'
        f"<summary>{escape(problem_text(each.shorthand))}</summary>\n"
        f"{explanation.fragment(each)}\n</details>"
        for each in facts.explanations
    ]
    return "\n".join(
        [
            f'<div class="{ROOT}" lang="en"><style>{STYLE}</style>',
            f'<div class="scroll">{strip(facts, links)}</div>',
            f'<p class="caption">{escape(CAPTION)}</p>',
            rich_fragment(explained(facts)),
            *reports,
            "</div>",
        ]
    )
