"""What an animation shows: the outputs there are, the columns they read, which have a frame."""

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

MOST_FRAMES = 72  # a minute has 187
PADDING, STUFFED = 1, 2  # what is laid into an input


@dataclass(frozen=True)
class Slide:
    """What is animated: a trace of im2col, and what it is the trace of.

    said: the problem in words. ndim: its spatial axes, 1 for a row drawn as a plane. stuffing: of a
    transposed convolution, where zeros stand between the input's pixels; [height, width] booleans.
    kept: the rows and columns of the trace's output that are not cut off, if not all.
    """

    trace: Trace
    said: str
    ndim: int = 2
    stuffing: Array | None = None
    kept: tuple[range, range] | None = None

    @property
    def title(self) -> str:
        """Return the picture's title."""
        transposed = "A transposed convolution, window by window"
        return "Window by window" if self.stuffing is None else transposed

    @property
    def problem(self) -> ConvProblem:
        """Return the convolution that was traced."""
        return self.trace.problem

    @property
    def places(self) -> tuple[range, range]:
        """Return the rows and the columns of the trace's output that are not cut off."""
        rows, columns = map(range, self.problem.output_size)
        return self.kept or (rows, columns)

    @property
    def size(self) -> Cell:
        """Return the rows and columns of the output."""
        rows, columns = self.places
        return len(rows), len(columns)

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
    def laid(self) -> Array:
        """Return what each cell of the padded input is: 0 for a pixel, `PADDING` or `STUFFED`."""
        size = self.problem.input_size
        stuffing = np.zeros(size, bool) if self.stuffing is None else self.stuffing
        around: Array = np.pad(
            np.where(stuffing, STUFFED, 0), self.problem.padding, constant_values=PADDING
        )
        return around

    def position(self, place: int) -> Cell:
        """Return the (row, column) of the trace's output that the place-th output is."""
        row, column = divmod(place, self.size[1])
        rows, columns = self.places
        return rows[row], columns[column]

    def laid_in(self, place: int) -> Array:
        """Return what each cell of an output's column is, as `laid` says it: [taps]."""
        window = self.laid[np.ix_(*planes.window(self.problem, self.position(place)))]
        return np.tile(window.ravel(), len(self.columns) // window.size)

    def unread(self) -> Array:
        """Return the cells of the padded input that no output reads: [cell, (row, column)]."""
        unread = np.ones(self.laid.shape, bool)
        for place in range(self.output.size):
            unread[np.ix_(*planes.window(self.problem, self.position(place)))] = False
        return np.argwhere(unread)


def shown(outputs: int, across: int) -> list[int]:
    """Return the outputs that have a frame: all, or the first row and then every so many.

    >>> shown(9, 3)
    [0, 1, 2, 3, 4, 5, 6, 7, 8]
    >>> shown(400, 20)[18:22], shown(400, 20)[-2:]
    ([18, 19, 27, 35], [395, 399])
    """
    if outputs <= MOST_FRAMES:
        return list(range(outputs))
    slow, step = pace(outputs, across)
    return [*range(slow), *range(slow - 1 + step, outputs - 1, step), outputs - 1]


def pace(outputs: int, across: int) -> tuple[int, int]:
    """Return how many outputs come one by one, and of how many that follow one has a frame."""
    slow = min(across, MOST_FRAMES // 2)
    return slow, ceil((outputs - slow) / (MOST_FRAMES - slow))


def headings(slide: Slide) -> list[tuple[str, str]]:
    """Return the names of input, kernel, output and matrix, each with what it is."""
    problem, read, transposed = slide.problem, channels_of(slide.problem, 0), slide.stuffing
    size = problem.input_size
    if transposed is not None:
        size = tuple(int((~transposed).any(axis).sum()) for axis in (1, 0))
    channels = f"channels 0 to {read[-1]}" if read[-1] else "channel 0"
    filters = (f"filter 0 of {problem.out_channels}", problem.out_channels > 1)
    notes = {
        "input": [
            (_by(size), True),
            (f"stuffed to {_by(problem.input_size)}", size != problem.input_size),
            (f"padded to {_by(slide.laid.shape)}", slide.laid.shape != problem.input_size),
            (f"channel 0 of {problem.in_channels}", problem.in_channels > 1),
            (f"image 0 of {problem.batch}", problem.batch > 1),
        ],
        "kernel": [
            (_by(problem.kernel_size), True),
            ("turned around", transposed is not None),
            filters,
            (f"channel 0 of {len(read)}", len(read) > 1),
        ],
        "output": [
            (_by(slide.size), True),
            (f"cut from {_by(problem.output_size)}", slide.size != problem.output_size),
            filters,
        ],
        "im2col matrix": [
            (_by(slide.columns.shape), True),
            ("one window a column", True),
            (f"the rows of group 0, which is {channels}", problem.groups > 1),
        ],
    }
    return [
        (name, ", ".join(said for said, there in each if there)) for name, each in notes.items()
    ]


def legend_of(slide: Slide, numbered: bool) -> list[tuple[str, str]]:
    """Return the legend's entries, (swatch or "", text) each: what there is to be told apart.

    numbered: whether every cell has its number.
    """
    outputs, across = slide.output.size, slide.size[1]
    count, (slow, step) = len(shown(outputs, across)), pace(outputs, across)
    around = "padding: zeros around the input"
    if slide.stuffing is not None:
        around = "zeros around it: the kernel's reach less the padding"
    left_out = (
        f"{count} of {outputs} windows have a frame: the first {slow}, then one of {step}; the "
        "columns between appear with it"
    )
    entries = [
        (True, "outlined", "the window, its column, its output"),
        ((slide.laid == PADDING).any(), "padding", around),
        ((slide.laid == STUFFED).any(), "stuffed", "stuffed zeros: stride − 1 between pixels"),
        (len(slide.unread()), "unread", "dimmed: never read by a window"),
        (not numbered, "negative", "negative"),
        (not numbered, "positive", "positive, where numbers do not fit"),
        (count < outputs, "", left_out),
    ]
    return [(swatch, text) for there, swatch, text in entries if there]


def _by(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))
