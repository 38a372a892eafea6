"""Checks of figures: every text is legible, and what the texts say."""

from __future__ import annotations

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def assert_legible(figure: Figure) -> None:
    """Check that every text is inside the figure and that no two overlap."""
    figure.draw_without_rendering()
    boxes = {
        text: text.get_window_extent()
        for text in figure.texts  # titles, labels and sums; numbers in cells have their cells
    }
    for text, box in boxes.items():
        inside = box.x0 >= 0 and box.y0 >= 0
        inside &= box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, f"{text.get_text()!r} is cut off"
    for (one, box), (other, other_box) in combinations(boxes.items(), 2):
        assert not box.overlaps(other_box), f"{one.get_text()!r} overlaps {other.get_text()!r}"


def text_of(figure: Figure) -> str:
    """Return every text of a figure, one per line."""
    return "\n".join(text.get_text() for text in texts(figure))
