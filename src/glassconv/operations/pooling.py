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
from math import ceil
from typing import Literal

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.operations.pooling_axis import PoolingAxis
from glassconv.operations.pooling_task import PoolingParameters, emit_task
from glassconv.operations.step import Step, tasks_wanted
from glassconv.operations.strided import Strided
from glassconv.problem.memory_layout import NCHW, layout_named
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
    if not len(input.shape) == len(output.shape) == 2 + len(pooling.kernel_size):
        return Verdict(False, f"requires {len(pooling.kernel_size)} spatial axes")
    if len(input.shape) > 4:
        return Verdict(False, "only sequences and images are pooled")
    if input.dtype not in ELEMENT_BYTES:
        return Verdict(False, f"requires float32 or float64, got {input.dtype}")
    expected = (*input.shape[:2], *pooling.output_size(input.shape[2:]))
    if output.shape != expected:
        return Verdict(False, f"requires an output of shape {expected}, got {output.shape}")
    if input.layout_as(output) is None:
        return Verdict(False, "requires an input and an output of one memory layout")
    return Verdict(True, "")


def step(pooling: Pooling, input: Strided, output: Strided, target: Target, threads: int) -> Step:
    """Compile a supported pooling; its arrays are `input` and `output`."""
    layout = input.layout_as(output)
    assert layout is not None, "the arrays are supported"
    to = layout_named(layout.name, output.shape, output.strides)
    assert to is not None, "the arrays are supported"
    batch, channels = input.shape[:2]
    rows, columns = _with_rows(pooling.axes(input.shape[2:]))
    taps = rows.kernel_size * columns.kernel_size
    tasks = tasks_wanted(input.bytes + output.bytes + taps * output.bytes // L1_SPEED, threads)
    channels_last = layout.name != NCHW
    output_rows = batch * rows.output_size * (1 if channels_last else channels)
    blocks = ceil(tasks / max(output_rows, 1)) if channels_last else 1
    channel_block = round_up(ceil(channels / blocks), CACHE_LINE // ELEMENT_BYTES[input.dtype])
    rows_per_task = max(1, ceil(output_rows * blocks / tasks))
    parameters = PoolingParameters(
        channels=channels,
        channel_block=channel_block,
        channel_blocks=ceil(channels / channel_block),
        rows=output_rows,
        rows_per_task=rows_per_task,
        output_height=rows.output_size,
        output_width=columns.output_size,
        input_stride_n=layout.strides[0],
        input_stride_c=layout.strides[1],
        input_stride_h=layout.strides[2],
        input_stride_w=layout.strides[3],
        output_stride_n=to.strides[0],
        output_stride_c=to.strides[1],
        output_stride_h=to.strides[2],
        output_stride_w=to.strides[3],
        dilation_h=rows.dilation,
        dilation_w=columns.dilation,
        kernel_width=columns.kernel_size,
    )
    beyond = [0] * target.lanes(input.dtype)  # a vector of the table may end there
    return Step(
        _compile(pooling.kind, channels_last, input.dtype, target),
        pack(parameters, (*_windows(pooling, rows, columns), *beyond)),
        tasks=ceil(output_rows / rows_per_task) * parameters.channel_blocks,
    )


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
    in_parallel(module, emit_task(module, kind, channels_last))
    return compiled(module, "pooling")
