"""One axis of a pooling: the size of its output, and what each window covers of the input."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Window:
    """What the window of an output position covers of the input."""

    start: int  # the first input position
    taps: int  # input positions, one each `dilation`
    with_padding: int  # positions of the input and of its padding


@dataclass(frozen=True)
class PoolingAxis:
    """The arguments of a pooling along one axis."""

    input_size: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    ceil_mode: bool = False

    @property
    def output_size(self) -> int:
        """Return the size of the output.

        With `ceil_mode` the last window may begin in the input or before it, and end after it.

        >>> PoolingAxis(7, 3, 2, 1).output_size, PoolingAxis(8, 3, 2, 1, ceil_mode=True).output_size
        (4, 5)
        """
        span = self.dilation * (self.kernel_size - 1) + 1
        steps = (self.input_size + 2 * self.padding - span) / self.stride
        size = (ceil(steps) if self.ceil_mode else int(steps // 1)) + 1
        begins_after = (size - 1) * self.stride >= self.input_size + self.padding
        return size - (self.ceil_mode and begins_after)

    def window(self, position: int) -> Window:
        """Return what the window of an output position covers.

        >>> PoolingAxis(7, 3, 2, 1).window(0)
        Window(start=0, taps=2, with_padding=3)
        """
        begin = position * self.stride - self.padding
        first = ceil(max(-begin, 0) / self.dilation)  # the first tap that is not in the padding
        stop = ceil(max(self.input_size - begin, 0) / self.dilation)
        end = min(begin + self.kernel_size, self.input_size + self.padding)
        return Window(
            start=begin + first * self.dilation,
            taps=max(0, min(stop, self.kernel_size) - first),
            with_padding=end - begin,
        )
