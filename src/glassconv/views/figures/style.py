"""What all figures share: a diverging colour map centred on zero, number cells."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from glassconv.reports.array import Array
from glassconv.views.figures.theme import Theme

DOTS_PER_INCH = 160
FORMATS: dict[str, dict[str, Any]] = {  # with fixed values for metadata that varies
    "png": {"Software": "glassconv"},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
MONO = "DejaVu Sans Mono"
Aspect = Literal["equal", "auto"]


GROUPS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#8f7ee6")  # of Okabe and Ito


class NotebookFigure(Figure):
    """A figure that a notebook displays, also one that never imported pyplot."""

    def _repr_png_(self) -> bytes:
        return to_bytes(self)


def group_colour(group: int) -> str:
    """Return the colour of a group of channels; colours repeat after six."""
    return GROUPS[group % len(GROUPS)]


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """Return an empty figure, sizes in inches."""
    return NotebookFigure(figsize=(width, height), facecolor=theme.background)


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return bare axes placed in inches from the figure's top left corner."""
    full_width, full_height = figure.get_size_inches()
    axes = figure.add_axes(
        (
            left / full_width,
            1 - (top + height) / full_height,
            width / full_width,
            height / full_height,
        )
    )
    axes.set_axis_off()
    return axes


def write(figure: Figure, left: float, top: float, text: str, theme: Theme, **options: Any) -> None:
    """Write text with its top left corner in inches from the figure's."""
    full_width, full_height = figure.get_size_inches()
    style: dict[str, Any] = {"color": theme.ink, "fontsize": 11, "ha": "left", "va": "top"}
    figure.text(left / full_width, 1 - top / full_height, text, **(style | options))


@lru_cache(maxsize=4096)
def width_of(text: str, fontsize: float, *, mono: bool = False, bold: bool = False) -> float:
    """Return the width of a text in inches."""
    font = FontProperties(
        family=MONO if mono else "sans-serif", weight="bold" if bold else "normal", size=fontsize
    )
    advance: float = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    return advance / 72


def fitting(characters: int, high: float, wide: float, largest: float) -> float:
    """Return the font size, in points, at which so many digits fit a cell in inches."""
    per_point = width_of("0" * characters, 10, mono=True) / 10
    return min(largest, high * 72 * 0.62, (wide - 0.06) / per_point)


def wrap(text: str, fontsize: float, width: float, *, mono: bool = False) -> list[str]:
    """Return the lines of a text that is broken at spaces to fit a width in inches."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        # At few dots per inch, letters are up to 4 % wider than their outlines.
        if lines and 1.04 * width_of(longer, fontsize, mono=mono) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def centred_on_zero(*arrays: Array) -> Normalize:
    """Return a symmetric colour scale around zero, up to the largest magnitude."""
    largest = max((float(np.abs(array).max(initial=0.0)) for array in arrays), default=0.0)
    return Normalize(-(largest or 1.0), largest or 1.0)


def draw_map(axes: Axes, values: Array, norm: Normalize, theme: Theme, aspect: Aspect) -> Any:
    """Draw a matrix [rows, columns] as signed colours; return the image for a colour bar."""
    axes.set_axis_off()
    return axes.imshow(
        values, cmap=theme.diverging_map, norm=norm, aspect=aspect, interpolation="nearest"
    )


def draw_cells(
    axes: Axes,
    values: Array,
    texts: list[list[str]],
    norm: Normalize,
    theme: Theme,
    fontsize: float,
) -> None:
    """Draw a small matrix [rows, columns] as cells with a number in each."""
    draw_map(axes, values, norm, theme, "auto")
    rows, columns = values.shape
    colours = theme.diverging_map(norm(values))
    for row in range(rows):
        for column in range(columns):
            axes.text(
                column,
                row,
                texts[row][column],
                ha="center",
                va="center",
                fontsize=fontsize,
                family=MONO,
                color=readable_on(colours[row, column]),
            )
    for edge in range(columns + 1):
        axes.axvline(edge - 0.5, color=theme.background, linewidth=1.2)
    for edge in range(rows + 1):
        axes.axhline(edge - 0.5, color=theme.background, linewidth=1.2)


def outline(
    axes: Axes, row: float, column: float, rows: float, columns: float, theme: Theme, width: float
) -> None:
    """Outline a block of cells in the accent colour."""
    axes.add_patch(
        Rectangle(
            (column - 0.5, row - 0.5),
            columns,
            rows,
            fill=False,
            edgecolor=theme.accent,
            linewidth=width,
            clip_on=False,
            zorder=5,
        )
    )


def to_bytes(figure: Figure, format: str = "png") -> bytes:
    """Return the figure as the content of a file in one of `FORMATS`; deterministic."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "glassconv"}):
        figure.savefig(buffer, format=format, dpi=DOTS_PER_INCH, metadata=FORMATS[format])
    return buffer.getvalue()


def readable_on(colour: Any) -> str:
    """Return the colour of text on a coloured cell."""
    red, green, blue = colour[:3]
    return "#101418" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#f2f5f8"


def colour_bar(figure: Figure, axes: Axes, image: Any, theme: Theme) -> None:
    """Draw the scale of a map into its own narrow axes."""
    axes.set_axis_on()
    bar = figure.colorbar(image, cax=axes)
    bar.outline.set_visible(False)
    axes.tick_params(which="both", colors=theme.muted, labelsize=9, length=0)
