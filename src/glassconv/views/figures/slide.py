"""What an animation shows: the outputs, their im2col columns, and which outputs have a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import planes
from glassconv.views.figures.planes import Cell
from glassconv.views.figures.window import channels_of

MOST_FRAMES = 48  # 72 seconds, at 1.5 seconds each
MOST_CHANNELS = 8  # whose planes are drawn
PADDING, INSERTED = 1, 2  # kinds of zeros in the padded input; 0 is an input element


@dataclass(frozen=True)
class Slide:
    """What is animated: a trace of im2col and a description of its problem.

    subtitle: the problem in text form. ndim: its number of spatial axes; a 1D problem is drawn as
    one row. inserted_zeros: for a transposed convolution, which input elements are inserted zeros,
    [height, width] booleans. kept: the rows and columns of the trace's output that are not cropped,
    or None for all.
    """

    trace: Trace
    subtitle: str
    ndim: int = 2
    inserted_zeros: Array | None = None
    kept: tuple[range, range] | None = None

    @property
    def title(self) -> str:
        """Return the title of the figure."""
        transposed = "A transposed convolution, window by window"
        return "Window by window" if self.inserted_zeros is None else transposed

    @property
    def problem(self) -> ConvProblem:
        """Return the convolution that was traced."""
        return self.trace.problem

    @property
    def places(self) -> tuple[range, range]:
        """Return the rows and the columns of the trace's output that are not cropped."""
        rows, columns = map(range, self.problem.output_size)
        return self.kept or (rows, columns)

    @property
    def size(self) -> Cell:
        """Return the rows and columns of the output."""
        rows, columns = self.places
        return len(rows), len(columns)

    @property
    def channels(self) -> range:
        """Return the channels of filter 0 whose planes are drawn."""
        return range(min(MOST_CHANNELS, self.problem.weight_shape[1]))

    def by(self, sizes: tuple[int, ...]) -> str:
        """Write the size of a plane (rows, columns), of a sequence without the row."""
        return " × ".join(map(str, sizes[2 - self.ndim :]))

    @cached_property
    def output(self) -> Array:
        """Return filter 0's output of image 0, [*size]."""
        kept: Array = self.trace.output[0, 0][np.ix_(*self.places)]
        return kept

    @cached_property
    def columns(self) -> Array:
        """Return group 0's columns of image 0: [taps, outputs]."""
        k = self.problem.taps_per_output
        every = self.trace["columns"][0, :k].reshape(k, *self.problem.output_size)
        kept: Array = every[np.ix_(range(k), *self.places)].reshape(k, -1)
        return kept

    @cached_property
    def kinds(self) -> Array:
        """Return the kind of each padded input cell: 0 (element), `PADDING` or `INSERTED`."""
        size = self.problem.input_size
        inserted = np.zeros(size, bool) if self.inserted_zeros is None else self.inserted_zeros
        around: Array = np.pad(
            np.where(inserted, INSERTED, 0), self.problem.padding, constant_values=PADDING
        )
        return around

    def position(self, place: int) -> Cell:
        """Return the (row, column) in the trace's output of the output with this index."""
        row, column = divmod(place, self.size[1])
        rows, columns = self.places
        return rows[row], columns[column]

    def column_kinds(self, place: int) -> Array:
        """Return the kind of each element of an output's im2col column: [taps]."""
        window = self.kinds[np.ix_(*planes.window(self.problem, self.position(place)))]
        return np.tile(window.ravel(), len(self.columns) // window.size)

    def unread(self) -> Array:
        """Return the cells of the padded input that no output reads: [cell, (row, column)]."""
        unread = np.ones(self.kinds.shape, bool)
        for place in range(self.output.size):
            unread[np.ix_(*planes.window(self.problem, self.position(place)))] = False
        return np.argwhere(unread)


def shown(outputs: int, across: int) -> list[int]:
    """Return the outputs that have a frame: all, or the first row and then every n-th.

    >>> shown(9, 3)
    [0, 1, 2, 3, 4, 5, 6, 7, 8]
    >>> shown(400, 20)[18:22], shown(400, 20)[-2:]
    ([18, 19, 33, 47], [397, 399])
    """
    if outputs <= MOST_FRAMES:
        return list(range(outputs))
    slow, step = pace(outputs, across)
    return [*range(slow), *range(slow - 1 + step, outputs - 1, step), outputs - 1]


def pace(outputs: int, across: int) -> tuple[int, int]:
    """Return how many outputs have a frame each, and the step between frames after them."""
    slow = min(across, MOST_FRAMES // 2)
    return slow, ceil((outputs - slow) / (MOST_FRAMES - slow))


def headings(slide: Slide) -> dict[str, str]:
    """Return a note for each array by its name: those of the convolution, then of the product."""
    problem, transposed, by = slide.problem, slide.inserted_zeros, slide.by
    size, channels = problem.input_size, channels_of(problem, 0)
    if transposed is not None:
        size = tuple(int((~transposed).any(axis).sum()) for axis in (1, 0))
    drawn, (k, outputs) = len(slide.channels), slide.columns.shape
    filters = (f"filter 0 of {problem.out_channels}", problem.out_channels > 1)
    notes = {
        "input": [
            (by(size), True),
            (f"zero-inserted to {by(problem.input_size)}", size != problem.input_size),
            (f"padded to {by(slide.kinds.shape)}", slide.kinds.shape != problem.input_size),
            (f"channels 0 to {drawn - 1} of {len(channels)}", drawn < len(channels)),
            (f"channels of group 0 of {problem.groups}", problem.groups > 1),
            (f"image 0 of {problem.batch}", problem.batch > 1),
        ],
        "kernel": [
            (by(problem.kernel_size), True),
            ("flipped", transposed is not None),
            filters,
        ],
        "output": [
            (by(slide.size), True),
            (f"cropped from {by(problem.output_size)}", slide.size != problem.output_size),
            filters,
        ],
        "weight row": [(f"1 × {k}: the kernel as a row", True)],
        "im2col matrix": [
            (f"{k} × {outputs}, one window per column", True),
            ("rows of group 0", problem.groups > 1),
        ],
        "output row": [(f"1 × {outputs}: the output as a row", True)],
    }
    return {
        name: ", ".join(text for text, shown in parts if shown) for name, parts in notes.items()
    }


def legend_of(slide: Slide, numbered: bool) -> list[tuple[str, str]]:
    """Return the entries of the legend, each (swatch or "", text).

    numbered: whether every cell shows its value.
    """
    outputs, across = slide.output.size, slide.size[1]
    count, (slow, step) = len(shown(outputs, across)), pace(outputs, across)
    around = "padding: zeros around the input"
    if slide.inserted_zeros is not None:
        around = "zeros around the input: kernel extent − 1 − padding"
    left_out = (
        f"{count} of {outputs} windows have a frame: the first {slow}, then one of {step}; the "
        "columns between are drawn with it"
    )
    entries = [
        (True, "outlined", "window, column, output; each times the weights"),
        ((slide.kinds == PADDING).any(), "padding", around),
        (
            (slide.kinds == INSERTED).any(),
            "inserted",
            "inserted zeros (stride − 1)",
        ),
        (len(slide.unread()), "unread", "dimmed: never read by a window"),
        (not numbered, "negative", "negative"),
        (not numbered, "positive", "positive (values do not fit)"),
        (count < outputs, "", left_out),
    ]
    return [(swatch, text) for there, swatch, text in entries if there]
