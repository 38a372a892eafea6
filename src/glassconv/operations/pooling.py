"""Maximum and average pooling of sequences and images, as PyTorch's max_pool and avg_pool.

    maximum   output[y, x] = max over taps (u, v) of input[y·stride + u·dilation − padding, …]
    average   output[y, x] = (Σ_u Σ_v input[…]) / divisor

Taps in the padding are left out. A maximum is exact, and NaN where its window holds NaN. An average
sums each row of its window and then the sums of rows:

    |error| ≤ γ(rows + columns) · Σ|x| / divisor        rows and columns of the window, γₙ ≈ n·u
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.target import Target
from glassconv.operations.images import (
    are_channels_last,
    emit_images,
    step_of_images,
    supports_images,
)
from glassconv.operations.pooling_axis import PoolingAxis
from glassconv.operations.pooling_task import emit_row_of_channels, emit_row_of_columns
from glassconv.operations.step import Step
from glassconv.operations.strided import Strided
from glassconv.reports.verdict import Verdict

Kind = Literal["max", "average"]
L1_SPEED = 8  # how many times as fast L1 is as L3


@dataclass(frozen=True)
class Pooling:
    """The arguments of a pooling, each with one number for each spatial axis."""

    kind: Kind
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool = False
    count_include_pad: bool = True  # in the divisor of an average
    divisor_override: int | None = None  # the divisor of every average

    def axes(self, input_size: tuple[int, ...]) -> list[PoolingAxis]:
        """Return the pooling along each spatial axis of an input."""
        arguments = (self.kernel_size, self.stride, self.padding, self.dilation)
        return [
            PoolingAxis(*each, self.ceil_mode) for each in zip(input_size, *arguments, strict=True)
        ]

    def output_size(self, input_size: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial sizes of the output.

        >>> Pooling("max", (3, 3), (2, 2), (1, 1), (1, 1)).output_size((112, 112))
        (56, 56)
        """
        return tuple(axis.output_size for axis in self.axes(input_size))


def supports(pooling: Pooling, input: Strided, output: Strided) -> Verdict:
    """Return whether both arrays have one memory layout, and the output the pooling's size.

    Input and output are [batch, channels, height, width] or [batch, channels, length].
    """
    if len(input.shape) != 2 + len(pooling.kernel_size):
        return Verdict(False, f"requires {len(pooling.kernel_size)} spatial axes")
    return supports_images(input, output, pooling.output_size(input.shape[2:]))


def step(pooling: Pooling, input: Strided, output: Strided, target: Target, threads: int) -> Step:
    """Compile a supported pooling; its arrays are `input` and `output`."""
    rows, columns = _with_rows(pooling.axes(input.shape[2:]))
    beyond = [0] * target.lanes(input.dtype)  # where the last vector of the table may end
    table = [rows.dilation, columns.dilation, columns.kernel_size]
    table += [*_windows(pooling, rows, columns), *beyond]
    taps = rows.kernel_size * columns.kernel_size
    moved = input.bytes + output.bytes + taps * output.bytes // L1_SPEED
    kernel = _compile(pooling.kind, are_channels_last(input, output), input.dtype, target)
    return step_of_images(kernel, input, output, table, moved, threads)


def _with_rows(axes: list[PoolingAxis]) -> list[PoolingAxis]:
    """Return the axes of an image: a sequence has one row."""
    return axes if len(axes) == 2 else [PoolingAxis(1, 1), *axes]


def _windows(pooling: Pooling, rows: PoolingAxis, columns: PoolingAxis) -> list[int]:
    """Return the starts, the taps and the divisors of the windows, of rows and then of columns."""
    words: list[int] = []
    overrides = (None, None) if pooling.divisor_override is None else (pooling.divisor_override, 1)
    for axis, override in zip((rows, columns), overrides, strict=True):
        windows = [axis.window(position) for position in range(axis.output_size)]
        if override is not None:
            divisors = [override] * len(windows)
        elif pooling.count_include_pad:
            divisors = [window.with_padding for window in windows]
        else:
            divisors = [window.taps for window in windows]
        words += [window.start for window in windows]
        words += [window.taps for window in windows]
        words += divisors
    return words


@cache
def _compile(kind: Kind, channels_last: bool, dtype: str, target: Target) -> Compiled:
    module = Module("pooling", dtype, target)
    emit_row = emit_row_of_channels if channels_last else emit_row_of_columns
    in_parallel(module, emit_images(module, emit_row(module, kind), channels_last=channels_last))
    return compiled(module, "pooling")
