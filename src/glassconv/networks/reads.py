"""Reads: which positions of a network's input the elements of a value depend on, along one axis.

Element i along a dimension of the value reads the positions

    start + i · stride   to   end + i · stride

and a window of a further layer, with e = dilation · (kernel − 1) + 1 its extent, makes of them

    start ← start − stride · padding
    end   ← end + stride · (e − 1 − padding)
    stride ← stride · (stride of the layer)

so the size of the receptive field, end − start + 1, grows by stride · (e − 1). Where branches meet
the field is what covers both: its size is the larger one if they are centred alike.

Source: A. Araujo, W. Norris and J. Sim, Computing receptive fields of convolutional neural
networks, Distill, 2019, equations 2 to 8; section 3 for branches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from glassconv.problem.axis import Axis

Whole = Literal["whole"]
WHOLE: Whole = "whole"  # every element depends on every position


@dataclass(frozen=True)
class Along:
    """Elements that read a window each, which moves along one dimension of the value.

    Where a reshape has joined the dimension with others, the element of the joined dimension is
    index // inner % count.
    """

    dim: int
    count: int  # of elements
    start: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    stride: Fraction = Fraction(1)
    inner: int = 1

    @property
    def size(self) -> int:
        """Return the positions that an element's window spans: at most, where it interpolates."""
        return floor(self.end - self.start) + 1

    @property
    def halo(self) -> tuple[int, int]:
        """Return how many positions a tile needs before and after those that are its own."""
        return max(0, ceil(-self.start)), max(0, ceil(self.end - self.stride + 1))

    @property
    def slope(self) -> Fraction:
        """Return how far the window moves from one element to the next, at least on average."""
        return self.stride / self.inner

    def plain(self, size: int) -> Along | Whole:
        """Return windows that move at each element, which cover those that move at every inner-th.

        size: of the dimension.
        """
        if self.inner == 1:
            return self
        if self.inner * self.count != size:
            return WHOLE
        behind = self.slope * (self.inner - 1)  # at most, just before the window moves on
        return replace(self, count=size, start=self.start - behind, stride=self.slope, inner=1)

    def window(self, axis: Axis, count: int) -> Along:
        """Return what the outputs of a window read. count: the outputs."""
        before = axis.padding[0]
        return replace(
            self,
            count=count,
            start=self.start - self.stride * before,
            end=self.end + self.stride * (axis.extent - 1 - before),
            stride=self.stride * axis.stride,
        )

    def transposed_window(self, axis: Axis, count: int) -> Along:
        """Return what the outputs of a transposed convolution read: output o = i · s + k − p.

        axis: that of the equal convolution's gradient, from the output to the input.
        """
        before = axis.padding[0]
        return replace(
            self,
            count=count,
            start=self.start + self.stride * Fraction(before - axis.extent + 1, axis.stride),
            end=self.end + self.stride * Fraction(before, axis.stride),
            stride=self.stride / axis.stride,
        )

    def resampled(self, step: Fraction, first: Fraction, last: Fraction, count: int) -> Along:
        """Return what output o reads of an interpolation: o · step + first to o · step + last."""
        return replace(
            self,
            count=count,
            start=self.start + self.stride * first,
            end=self.end + self.stride * last,
            stride=self.stride * step,
        )

    def sliced(self, first: int, step: int, count: int) -> Along:
        """Return what every step-th element from the first one on reads."""
        return self.resampled(Fraction(step), Fraction(first), Fraction(first), count)


Reads = Along | Whole | None  # None: it depends on no position of the input
Fields = tuple[Reads, ...]  # one for each spatial axis of the network's input


def union(first: Reads, second: Reads) -> Reads:
    """Return what covers both branches.

    Where their strides differ, no window of one size is right at every element: the one that is
    returned covers both branches at each of them.
    """
    if first is None or second is None:
        return first or second
    if not isinstance(first, Along) or not isinstance(second, Along) or first.dim != second.dim:
        return WHOLE
    if first.inner != second.inner:
        size = max(first.inner * first.count, second.inner * second.count)
        return union(first.plain(size), second.plain(size))
    if first.count != second.count:
        return WHOLE
    last = first.count - 1
    apart = (second.stride - first.stride) * last  # how far the second has moved on at the end
    return replace(
        first,
        start=min(first.start, second.start, second.start + apart),
        end=max(first.end, second.end, second.end + apart),
    )
