"""One spatial axis of a convolution: which input each output reads through each tap.

Everything that addresses memory follows from one line, for output index o and kernel index k:

    i = o · stride + k · dilation − padding

The axes of a convolution do not interact, so the answer for one axis is the answer for all.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        """Return how many taps of all windows together fall on the input, not on padding."""
        writes = (self.tap_slices(index)[0] for index in range(self.kernel_size))
        return sum(outputs.stop - outputs.start for outputs in writes)

    def copies(self) -> npt.NDArray[np.int64]:
        """Return how often each input position is read, shape [input]."""
        counts = np.zeros(self.input_size, dtype=np.int64)
        for kernel_index in range(self.kernel_size):
            counts[self.tap_slices(kernel_index)[1]] += 1
        return counts
