"""WorkedExample: a small convolution with one output written out in full; Tutorial: the demo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.compared import Compared
from glassconv.reports.trace import Trace
from glassconv.reports.verification import Difference, Verification


@dataclass(frozen=True, eq=False)
class WorkedExample(Compared):
    """A small two-dimensional convolution in whole numbers, one output to be written out in full.

    input [in_channels, height, width], weight, bias and output as in the problem, without a batch.
    """

    problem: ConvProblem
    input: Array
    weight: Array
    bias: Array
    output: Array
    chosen: tuple[int, int, int]  # (filter, row, column) of the output written out

    @property
    def padded(self) -> Array:
        """Return the input with its padding, shape [in_channels, *padded]."""
        return np.pad(self.input, ((0, 0), *self.problem.padding))

    def channels_of(self, filter: int) -> range:
        """Return the input channels that a filter reads: those of its group."""
        group, channels = filter // self.problem.gemm.m, self.problem.weight_shape[1]
        return range(group * channels, (group + 1) * channels)

    @property
    def rows(self) -> range:
        """Return the padded rows that the chosen output reads."""
        return self._reads(0)

    @property
    def columns(self) -> range:
        """Return the padded columns that the chosen output reads."""
        return self._reads(1)

    @property
    def window(self) -> Array:
        """Return what the chosen output reads, shape [in_channels / groups, *kernel_size]."""
        read: Array = self.padded[np.ix_(self.channels_of(self.chosen[0]), self.rows, self.columns)]
        return read

    @property
    def filter(self) -> Array:
        """Return the chosen filter, shape [in_channels / groups, *kernel_size]."""
        chosen: Array = self.weight[self.chosen[0]]
        return chosen

    @property
    def channel_sums(self) -> list[float]:
        """Return what each channel adds to the chosen output."""
        return [float(np.sum(x * w)) for x, w in zip(self.window, self.filter, strict=True)]

    @property
    def value(self) -> float:
        """Return the chosen output."""
        return float(self.output[self.chosen])

    def _reads(self, number: int) -> range:
        axis = self.problem.axes[number]
        start = self.chosen[1 + number] * axis.stride
        return range(start, start + axis.extent, axis.dilation)


@dataclass(frozen=True, eq=False)
class Tutorial(Compared):
    """Everything the demo shows: the tutorial's facts, found by running them."""

    source: str  # what the picture is and where it comes from
    picture: Array  # [height, width, 3], uint8
    layer: Trace  # Conv2d(3, 1, 5) by im2col, as the tutorial does
    conv2d: Array  # nn.Conv2d's own output
    difference: Difference  # between the two
    checks: tuple[Verification, ...]  # each against the definition
    four_filters: Trace
    worked: WorkedExample
