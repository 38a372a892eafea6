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


@dataclass(frozen=True)
class DepthwiseGradientParameters(Struct[N]):
    """The kernel's parameters; all sizes are those of one plane."""

    filters: N  # of a group
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
    problem: ConvProblem, layout: Layout, target: Target
) -> DepthwiseGradientParameters[int]:
    """Return the parameters of a problem whose input and output gradient are contiguous."""
    rows, columns = problem.as_2d().axes
    stride_n, stride_c, stride_h, _ = layout.strides
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    pixels, taps = prod(problem.output_size), prod(problem.kernel_size)
    copied_rows = (rows.output_size - 1) * rows.stride + rows.extent
    copied_columns = columns.output_size + (columns.extent - 1) // columns.stride
    phase_stride = round_up(copied_columns, lanes) + lanes
    elements = (taps + 1) * lanes + copied_rows * columns.stride * phase_stride
    return DepthwiseGradientParameters(
        filters=problem.gemm.m,
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
        workspace_bytes=round_up(elements * element, CACHE_LINE),
    )
