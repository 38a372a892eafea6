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
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
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
    columns = pooling.axes(input.shape[2:])[-1]
    supported = supports_images(input, output, pooling.output_size(input.shape[2:]))
    if (
        supported
        and not are_channels_last(input, output)
        and _vectors_for_one(columns) > MAX_STRIDE
    ):
        return Verdict(False, f"requires a stride of at most {MAX_STRIDE} between columns in NCHW")
    return supported


def step(pooling: Pooling, input: Strided, output: Strided, target: Target, threads: int) -> Step:
    """Compile a supported pooling; its arrays are `input` and `output`."""
    rows, columns = _with_rows(pooling.axes(input.shape[2:]))
    element, lanes = ELEMENT_BYTES[input.dtype], target.lanes(input.dtype)
    channels_last = are_channels_last(input, output)
    stride = 0 if channels_last else _vectors_for_one(columns)
    span = columns.dilation * (columns.kernel_size - 1) + 1
    padded_width = (columns.output_size - 1) * columns.stride + span
    table = [rows.dilation, columns.dilation, columns.kernel_size]
    table += [columns.input_size, columns.padding, padded_width]
    table += _windows(pooling, rows, columns)
    table += [0] * lanes  # where the last vector of the table may end
    taps = rows.kernel_size * columns.kernel_size
    moved = input.bytes + output.bytes + taps * output.bytes // L1_SPEED
    row = round_up(columns.output_size, lanes) * stride + span + columns.input_size + 2 * lanes
    return step_of_images(
        _compile(pooling.kind, stride, input.dtype, target),
        input,
        output,
        table,
        moved,
        threads,
        workspace_bytes=0 if channels_last else round_up(row * element, CACHE_LINE),
    )


def _vectors_for_one(columns: PoolingAxis) -> int:
    """Return how many vectors of inputs each vector of outputs is spread over in NCHW."""
    return columns.stride if columns.output_size > 1 else 1


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
def _compile(kind: Kind, stride: int, dtype: str, target: Target) -> Compiled:
    """Compile for NCHW with a stride between columns, for NHWC with 0: any."""
    module = Module("pooling", dtype, target)
    if stride:
        row = emit_row_of_columns(module, kind, stride)
    else:
        row = emit_row_of_channels(module, kind)
    in_parallel(module, emit_images(module, row, channels_last=not stride))
    return compiled(module, "pooling")
