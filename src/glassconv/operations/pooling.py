"""Maximum and average pooling of sequences and images, as PyTorch's max_pool and avg_pool.

    maximum   output[y, x] = max over taps (u, v) of input[y·stride + u·dilation − padding, …]
    average   output[y, x] = (Σ_u Σ_v input[…]) / divisor

Taps in the padding are left out. Adaptive pooling has windows of several sizes. A maximum is exact,
and NaN where its window holds NaN. An average sums each row of its window and then those sums:

    |error| ≤ γ(rows + columns) · Σ|x| / divisor        rows and columns of the window, γₙ ≈ n·u
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.operations.images import (
    are_channels_last,
    emit_images,
    step_of_images,
    supports_images,
)
from glassconv.operations.pooling_axis import AdaptiveAxis, PoolingAxis
from glassconv.operations.pooling_task import emit_row_of_channels, emit_row_of_columns
from glassconv.operations.step import Step
from glassconv.operations.strided import Strided
from glassconv.reports.verdict import Verdict

Kind = Literal["max", "average"]
Axis = PoolingAxis | AdaptiveAxis
MAX_STRIDE = 16  # between columns in NCHW, whose code grows with it
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

    def axes(self, input_size: tuple[int, ...]) -> list[Axis]:
        """Return the pooling along each spatial axis of an input; divisors are multiplied."""
        arguments = (input_size, self.kernel_size, self.stride, self.padding, self.dilation)
        override = self.divisor_override
        overrides = [override, *(None if override is None else 1 for _ in input_size[1:])]
        return [
            PoolingAxis(
                input_size=size,
                kernel_size=kernel,
                stride=stride,
                padding=padding,
                dilation=dilation,
                ceil_mode=self.ceil_mode,
                count_include_pad=self.count_include_pad,
                divisor_override=divisor,
            )
            for size, kernel, stride, padding, dilation, divisor in zip(
                *arguments, overrides, strict=True
            )
        ]

    def output_size(self, input_size: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial sizes of the output.

        >>> Pooling("max", (3, 3), (2, 2), (1, 1), (1, 1)).output_size((112, 112))
        (56, 56)
        """
        return tuple(axis.output_size for axis in self.axes(input_size))


@dataclass(frozen=True)
class AdaptivePooling:
    """A pooling to an output of some size."""

    kind: Kind
    size: tuple[int, ...]

    def axes(self, input_size: tuple[int, ...]) -> list[Axis]:
        """Return the pooling along each spatial axis of an input."""
        return [
            AdaptiveAxis(large, small)
            if large % small
            else PoolingAxis(large, large // small, stride=large // small)
            for large, small in zip(input_size, self.size, strict=True)
        ]


def supports(pooling: Pooling | AdaptivePooling, input: Strided, output: Strided) -> Verdict:
    """Return whether both arrays have one memory layout, and the output the pooling's size.

    Input and output are [batch, channels, height, width] or [batch, channels, length].
    """
    spatial = len(pooling.size if isinstance(pooling, AdaptivePooling) else pooling.kernel_size)
    if len(input.shape) != 2 + spatial:
        return Verdict(False, f"requires {spatial} spatial axes")
    axes = pooling.axes(input.shape[2:])
    supported = supports_images(input, output, tuple(axis.output_size for axis in axes))
    if not supported or are_channels_last(input, output):
        return supported
    if isinstance(axes[-1], AdaptiveAxis):
        return Verdict(False, "requires windows of one width in NCHW")
    if _vectors_for_one(axes[-1]) > MAX_STRIDE:
        return Verdict(False, f"requires a stride of at most {MAX_STRIDE} between columns in NCHW")
    return supported


def step(
    pooling: Pooling | AdaptivePooling,
    input: Strided,
    output: Strided,
    target: Target,
    threads: int,
) -> Step:
    """Compile a supported pooling; its arrays are `input` and `output`."""
    rows, columns = _with_rows(pooling.axes(input.shape[2:]))
    stride, padding, padded_width, workspace_bytes = 0, 0, 0, 0
    lanes = target.lanes(input.dtype)
    if isinstance(columns, PoolingAxis) and not are_channels_last(input, output):
        stride, padding = _vectors_for_one(columns), columns.padding
        padded_width = (columns.output_size - 1) * columns.stride + columns.span
        read = round_up(columns.output_size, lanes) * stride + columns.span
        written = padding + max(columns.input_size, padded_width) + lanes
        element = ELEMENT_BYTES[input.dtype]
        workspace_bytes = round_up(max(read, written) * element, CACHE_LINE)
    table = [rows.dilation, columns.dilation, columns.kernel_size]
    table += [columns.input_size, padding, padded_width]
    for axis in (rows, columns):
        windows = [axis.window(position) for position in range(axis.output_size)]
        table += [window.start for window in windows]
        table += [window.taps for window in windows]
        table += [window.divisor for window in windows]
    table += [0] * lanes  # where the last vector of the table may end
    taps = rows.kernel_size * columns.kernel_size
    return step_of_images(
        _compile(pooling.kind, stride, input.dtype, target),
        input,
        output,
        table,
        input.bytes + output.bytes + taps * output.bytes // L1_SPEED,
        threads,
        workspace_bytes,
    )


def _vectors_for_one(columns: PoolingAxis) -> int:
    """Return how many vectors of inputs each vector of outputs is spread over in NCHW."""
    return columns.stride if columns.output_size > 1 else 1


def _with_rows(axes: list[Axis]) -> list[Axis]:
    """Return the axes of an image: a sequence has one row."""
    return axes if len(axes) == 2 else [PoolingAxis(1, 1), *axes]


@cache
def _compile(kind: Kind, stride: int, dtype: str, target: Target) -> Compiled:
    """Compile for NCHW with a stride between columns, for NHWC with 0: any."""
    module = Module("pooling", dtype, target)
    if stride:
        row = emit_row_of_columns(module, kind, stride)
    else:
        row = emit_row_of_channels(module, kind)
    in_parallel(module, emit_images(module, row, channels_last=not stride))
    return compiled(module, "pooling")
