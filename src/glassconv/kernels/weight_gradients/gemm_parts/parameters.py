"""The parameters and the arrays of the weight gradient's kernel."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.struct import N, Struct
from glassconv.kernels.microkernel.lowering import LoweringParameters


@dataclass(frozen=True)
class GradientParameters(LoweringParameters[N]):
    """The kernel's parameters. A row of the sums is one channel and tap of a group.

    Segments are rows that a task has all or none of.
    """

    groups: N
    filters: N  # of a group
    rows: N  # of a group
    taps: N
    batch: N
    pixels: N  # of an image
    input_stride_n: N
    grad_stride_n: N
    grad_stride_c: N  # channels first
    grad_stride_w: N  # channels last
    segments: N  # of the rows of a group: channels, or in channels last taps
    segment_length: N
    channel_block: N  # segments
    channel_blocks: N
    filter_block: N
    filter_blocks: N
    pixel_block: N  # pixels of an image
    images_per_block: N  # whose pixels are multiplied at once; several only of all their pixels
    blocks_per_image: N
    blocks: N
    blocks_per_part: N
    first_part: N  # of the tasks, which count from it
    sums_stride: N  # from one row of the sums to the next
    part_stride: N  # of the sums
    group_stride: N  # of the sums
    needs_lowering: N  # 0 if the input is read in place
    with_bias: N
    panel_elements: N  # of packed output gradients (channels first)
    padded_filters: N  # of a task (channels last)
    ones: N  # elements before the vector of ones in a thread's workspace
    buffer: N  # elements before the lowered input
    workspace_bytes: N  # per thread


@dataclass(frozen=True)
class GradientArrays(Struct[N]):
    """The addresses of the kernel's arrays."""

    input: N
    grad: N  # of the output
    zeros: N  # [filters of a group]
    sums: N  # [part, group, row and at last the bias, filter of the group]
    workspace: N


@dataclass(frozen=True)
class SumParameters(Struct[N]):
    """The parameters of the addition of parts."""

    parts: N
    part_stride: N
    group_stride: N
    sums_stride: N
    filters: N  # of a group
    tasks_per_group: N
    rows: N  # of a group
    with_bias: N
    is_first: N  # 1 where sums start from +0, 0 where they are added to the gradients


@dataclass(frozen=True)
class SumArrays(Struct[N]):
    """The arrays of the addition of parts."""

    sums: N
    weight: N  # [group, filter, row], the gradient
    bias: N  # [group, filter], the gradient
