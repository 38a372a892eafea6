"""The parameters and the arrays of the kernel of depthwise weight gradients."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import Layout

STREAM_BYTES = 2**14  # of adjacent planes, which are read one after another
TASKS_PER_THREAD = 4


@dataclass(frozen=True)
class DepthwiseGradientParameters(Struct[N]):
    """The kernel's parameters; all sizes are those of one plane."""

    filters: N  # of all groups
    filter_block: N  # filters of a task
    filters_per_channel: N
    batch: N
    taps: N
    input_height: N
    input_width: N
    output_height: N
    output_width: N
    stride_h: N
    padding_h: N
    padding_w: N
    dilation_h: N
    input_stride_n: N
    input_stride_c: N
    input_stride_h: N
    grad_stride_n: N
    grad_stride_c: N
    copied_rows: N
    copied_columns: N  # of each phase
    phase_stride: N  # elements from one phase of a row to the next
    workspace_bytes: N  # per thread


@dataclass(frozen=True)
class DepthwiseGradientArrays(Struct[N]):
    """The addresses of the kernel's arrays."""

    input: N
    grad: N  # of the output
    weight: N  # the gradients
    bias: N
    workspace: N


def parameters_of(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> DepthwiseGradientParameters[int]:
    """Return the parameters of a problem whose input and output gradient are contiguous."""
    rows, columns = problem.as_2d().axes
    stride_n, stride_c, stride_h, _ = layout.strides
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    pixels, taps = prod(problem.output_size), prod(problem.kernel_size)
    copied_rows = (rows.output_size - 1) * rows.stride + rows.extent
    copied_columns = columns.output_size + (columns.extent - 1) // columns.stride
    phase_stride = round_up(copied_columns, lanes) + lanes
    plane = copied_rows * columns.stride * phase_stride
    block = _filter_block(problem, threads)
    sums = block * (taps + 1) * lanes
    return DepthwiseGradientParameters(
        filters=problem.out_channels,
        filter_block=block,
        filters_per_channel=problem.gemm.m,
        batch=problem.batch,
        taps=taps,
        input_height=rows.input_size,
        input_width=columns.input_size,
        output_height=rows.output_size,
        output_width=columns.output_size,
        stride_h=rows.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        grad_stride_n=problem.out_channels * pixels,
        grad_stride_c=pixels,
        copied_rows=copied_rows,
        copied_columns=copied_columns,
        phase_stride=phase_stride,
        workspace_bytes=round_up((sums + plane) * element, CACHE_LINE),
    )


def _filter_block(problem: ConvProblem, threads: int) -> int:
    """Return how many filters a task computes: as many as have `STREAM_BYTES` in an image.

    There are at least `TASKS_PER_THREAD` tasks for each thread where there are as many filters.
    """
    plane_bytes = prod(problem.output_size) * problem.format.bytes
    most = max(1, problem.out_channels // (TASKS_PER_THREAD * threads))
    return min(max(1, STREAM_BYTES // plane_bytes), most)
