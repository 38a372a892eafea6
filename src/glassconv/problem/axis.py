"""One spatial axis of a convolution: which input each output reads through each tap.

Everything that addresses memory follows from one line, for output index o and kernel index k:

    i = o · stride + k · dilation − padding

The axes of a convolution do not interact, so the answer for one axis is the answer for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

PADDING = -1  # the tap map's entry where a tap falls on padding


@dataclass(frozen=True)
class Axis:
    """Sizes and steps along one spatial axis, all in elements.

    >>> Axis(input_size=32, kernel_size=5).output_size
    28
    """

    input_size: int
    kernel_size: int
    stride: int = 1
    padding: tuple[int, int] = (0, 0)  # before, after
    dilation: int = 1

    @property
    def padded_size(self) -> int:
        """Return the input's size with its padding on both sides."""
        return self.input_size + sum(self.padding)

    @property
    def extent(self) -> int:
        """Return how many input positions the kernel spans, the holes of dilation included."""
        return self.dilation * (self.kernel_size - 1) + 1

    @property
    def output_size(self) -> int:
        """Return how many places the kernel can stand in."""
        return (self.padded_size - self.extent) // self.stride + 1

    @property
    def leftover(self) -> int:
        """Return how many padded positions at the far end no window reads: the floor's."""
        return self.padded_size - self.extent - (self.output_size - 1) * self.stride

    def tap_map(self) -> npt.NDArray[np.int64]:
        """Return the input index read by each output through each tap, by the formula.

        Shape [output, kernel]; `PADDING` where the tap falls outside the input.

        >>> Axis(input_size=3, kernel_size=3, padding=(1, 1)).tap_map()
        array([[-1,  0,  1],
               [ 0,  1,  2],
               [ 1,  2, -1]])
        """
        output = np.arange(self.output_size, dtype=np.int64)[:, None]
        kernel = np.arange(self.kernel_size, dtype=np.int64)[None, :]
        index = output * self.stride + kernel * self.dilation - self.padding[0]
        return np.where((index >= 0) & (index < self.input_size), index, PADDING)

    def tap_slices(self, kernel_index: int) -> tuple[slice, slice]:
        """Return (output slice, input slice) that one tap connects, padding left out.

        The same map stated a second time, as the interval of outputs whose read stays inside:
        `output[..., writes] += weight[k] * input[..., reads]` needs no padded copy.

        >>> Axis(input_size=3, kernel_size=3, padding=(1, 1)).tap_slices(0)
        (slice(1, 3, 1), slice(0, 2, 1))
        """
        offset = kernel_index * self.dilation - self.padding[0]
        first = max(0, -(offset // self.stride))  # the least o with o · stride + offset ≥ 0
        last = min(self.output_size - 1, (self.input_size - 1 - offset) // self.stride)
        if last < first:
            return slice(0, 0, 1), slice(0, 0, 1)
        reads = slice(first * self.stride + offset, last * self.stride + offset + 1, self.stride)
        return slice(first, last + 1, 1), reads

    @property
    def taps_inside(self) -> int:
        """Return how many taps of all windows together fall on the input, not on padding.

        >>> Axis(input_size=3, kernel_size=3, padding=(1, 1)).taps_inside
        7
        """
        start = self.padding[0]
        return self._taps_before(start + self.input_size) - self._taps_before(start)

    def _taps_before(self, limit: int) -> int:
        """Return how many taps of all windows together read before a place of the padded input.

        Tap k does so for ⌈(limit − k · dilation) / stride⌉ outputs: for all of them as long as k is
        less than `full`, for none from `some` on. Between, it is a sum of floors.
        """
        outputs, stride, dilation = self.output_size, self.stride, self.dilation
        full, some = (
            min(max(0, -(-last // dilation)), self.kernel_size)
            for last in (limit - (outputs - 1) * stride, limit)
        )
        nearest = limit - (some - 1) * dilation + stride - 1
        return full * outputs + _sum_of_floors(some - full, dilation, nearest, stride)

    @property
    def positions_read(self) -> int:
        """Return how many of the input's positions some window reads.

        Output t reads place t · stride + k · dilation − padding through tap k. The tap `cycle`
        further reads the same places `shift` outputs sooner; the taps between read other places.

        >>> Axis(input_size=7, kernel_size=2, stride=3).positions_read
        4
        """
        common = gcd(self.stride, self.dilation)
        cycle, shift = self.stride // common, self.dilation // common
        tap = np.arange(min(cycle, self.kernel_size), dtype=np.int64)
        runs = (self.kernel_size - 1 - tap) // cycle + 1  # taps that share places with this one
        offset = tap * self.dilation - self.padding[0]
        first = np.maximum(0, -(offset // self.stride))  # the place of the first inside the input
        last = (self.input_size - 1 - offset) // self.stride

        def before(place: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            """Return how many places before one are read: `runs` runs of outputs, `shift` apart."""
            if shift <= self.output_size:  # one run joins the next
                return np.minimum(place, (runs - 1) * shift + self.output_size)
            whole = np.minimum(place // shift, runs)
            rest = np.minimum(place - whole * shift, self.output_size)
            return whole * self.output_size + np.where(whole < runs, rest, 0)

        return int((before(np.maximum(first, last + 1)) - before(first)).sum())

    def copies(self) -> npt.NDArray[np.int64]:
        """Return how often each input position is read, shape [input]."""
        counts = np.zeros(self.input_size, dtype=np.int64)
        for kernel_index in range(self.kernel_size):
            counts[self.tap_slices(kernel_index)[1]] += 1
        return counts


def _sum_of_floors(terms: int, step: int, start: int, divisor: int) -> int:
    """Return Σ_(i < terms) ⌊(start + i · step) / divisor⌋, in as few turns as Euclid's algorithm.

    What is left of a sum once whole multiples of the divisor are taken out counts the points of a
    grid under a line; counted along the other axis, they are such a sum again, of fewer terms.

    >>> _sum_of_floors(4, 3, 1, 2) == 1 // 2 + 4 // 2 + 7 // 2 + 10 // 2
    True
    """
    total = 0
    while terms:
        total += terms * (terms - 1) // 2 * (step // divisor) + terms * (start // divisor)
        step, start = step % divisor, start % divisor
        terms, start = divmod(step * terms + start, divisor)
        step, divisor = divisor, step
    return total
