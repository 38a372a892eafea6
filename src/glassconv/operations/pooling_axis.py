"""One axis of a pooling: the size of its output, and what each window covers of the input."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Window:
    """What the window of an output position covers of the input."""

    start: int  # the first input position
    taps: int  # input positions, one each `dilation`
    divisor: int  # of an average


@dataclass(frozen=True)
class PoolingAxis:
    """A pooling along one axis, by windows of one size."""

    input_size: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    ceil_mode: bool = False
    count_include_pad: bool = False  # in the divisor of an average
    divisor_override: int | None = None  # the divisor of every average

    @property
    def span(self) -> int:
        """Return how many positions a window covers, with those between its taps."""
        return self.dilation * (self.kernel_size - 1) + 1

    @property
    def output_size(self) -> int:
        """Return the size of the output.

        With `ceil_mode` the last window may begin in the input or before it, and end after it.

        >>> PoolingAxis(7, 3, 2, 1).output_size, PoolingAxis(8, 3, 2, 1, ceil_mode=True).output_size
        (4, 5)
        """
        steps = (self.input_size + 2 * self.padding - self.span) / self.stride
        size = (ceil(steps) if self.ceil_mode else int(steps // 1)) + 1
        begins_after = (size - 1) * self.stride >= self.input_size + self.padding
        return size - (self.ceil_mode and begins_after)

    def window(self, position: int) -> Window:
        """Return what the window of an output position covers.

        >>> PoolingAxis(7, 3, 2, 1, count_include_pad=True).window(0)
        Window(start=0, taps=2, divisor=3)
        """
        begin = position * self.stride - self.padding
        first = ceil(max(-begin, 0) / self.dilation)  # the first tap that is not in the padding
        stop = ceil(max(self.input_size - begin, 0) / self.dilation)
        taps = max(0, min(stop, self.kernel_size) - first)
        divisor = taps
        if self.divisor_override is not None:
            divisor = self.divisor_override
        elif self.count_include_pad:
            divisor = min(begin + self.kernel_size, self.input_size + self.padding) - begin
        return Window(begin + first * self.dilation, taps, divisor)


@dataclass(frozen=True)
class AdaptiveAxis:
    """A pooling along one axis to an output of some size, by windows whose sizes may differ."""

    input_size: int
    output_size: int
    dilation: int = 1

    @property
    def kernel_size(self) -> int:
        """Return the size of the largest window."""
        return max(self.window(position).taps for position in range(self.output_size))

    def window(self, position: int) -> Window:
        """Return what the window of an output position covers.

        >>> [AdaptiveAxis(5, 2).window(position).start for position in range(2)]
        [0, 2]
        """
        start = position * self.input_size // self.output_size
        stop = ceil((position + 1) * self.input_size / self.output_size)
        return Window(start, stop - start, stop - start)
