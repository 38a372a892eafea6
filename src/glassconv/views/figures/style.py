"""What all figures share: two themes, a diverging colour map centred on zero, number cells."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from glassconv.reports.array import Array

DOTS_PER_INCH = 160
FORMATS: dict[str, dict[str, Any]] = {  # with fixed values for metadata that varies
    "png": {"Software": "glassconv"},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
MONO = "DejaVu Sans Mono"
Aspect = Literal["equal", "auto"]


@dataclass(frozen=True)
class Theme:
    """Colours of a figure. Negative is blue and positive is orange, which is colour-blind safe."""

    name: str
    background: str
    panel: str  # zero, and empty cells
    ink: str
    muted: str
    line: str
    accent: str  # the highlighted window, row, column and output
    diverging: tuple[str, ...]
    sequential: tuple[str, ...]

    @cached_property
    def diverging_map(self) -> Colormap:
        """Return the map for signed numbers."""
        return LinearSegmentedColormap.from_list("glassconv", self.diverging)

    @cached_property
    def sequential_map(self) -> Colormap:
        """Return the map for magnitudes."""
        return LinearSegmentedColormap.from_list("glassconv errors", self.sequential)


DARK = Theme(
    name="dark",
    background="#0f1318",
    panel="#1a2028",
    ink="#e8edf2",
    muted="#93a0ae",
    line="#313b47",
    accent="#ff6fae",
    diverging=("#9bd4ff", "#2f78bf", "#1a2028", "#bf5b1d", "#ffbe7d"),
    sequential=("#1a2028", "#2b4a6b", "#3f86a8", "#8cc9b0", "#f4f1c1"),
)
LIGHT = Theme(
    name="light",
    background="#ffffff",
    panel="#f3f3ef",
    ink="#1b2026",
    muted="#66717d",
    line="#d5d8d3",
    accent="#c2185b",
    diverging=("#0b4f92", "#7db7e0", "#f3f3ef", "#f5a962", "#9c3d05"),
    sequential=("#f3f3ef", "#b9d7dc", "#62a3bd", "#2b6793", "#14304f"),
)
GROUPS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#8f7ee6")  # of Okabe and Ito
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}


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
