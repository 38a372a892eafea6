"""The style of every report in a notebook.

It takes the notebook's own colours for the page and the text, so it is right in each theme; a
colour of its own is mixed with that of the text, which keeps it legible on light and on dark.
"""

from __future__ import annotations

COLOURS = """
  --muted: color-mix(in srgb, currentColor 68%, transparent);
  --line: color-mix(in srgb, currentColor 22%, transparent);
  --panel: color-mix(in srgb, currentColor 7%, transparent);
  --yes: color-mix(in srgb, #1a9850 65%, currentColor);
  --no: color-mix(in srgb, #e0402f 72%, currentColor);
"""

# Every rule is scoped to ROOT, and undoes what notebooks do to tables.
TABLES = """
.ROOT .wide { overflow-x: auto; }
.ROOT table { margin: .2rem 0; border: 0; border-collapse: collapse; font-size: 13px; }
.ROOT tr, .ROOT tbody tr:nth-child(odd), .ROOT tbody tr:hover { background: none; }
"""
