"""The parameters and the arrays of the weight gradient's Winograd kernel."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.struct import N, Struct


@dataclass(frozen=True)
class PlanesParameters(Struct[N]):
    """Images whose tiles are transformed, [batch, channels, height, width]; strides in elements."""

    height: N
    width: N
    padding_h: N
    padding_w: N
    stride_n: N
    stride_c: N
    stride_h: N
    stride_w: N
    tile_columns: N  # tiles of a row
    tile_rows: N  # of an image
    channel_block: N  # lanes of a transformed tile, all channels and padding
    element_stride: N  # from one element of the transformed tiles to the next


@dataclass(frozen=True)
class GradientParameters(Struct[N]):
    """The kernel's parameters."""

    channels: N
    filters: N
    channel_block: N
    channel_blocks: N
    filter_block: N
    filter_blocks: N
    tile_columns: N
    rows: N  # of tiles, of all images
    rows_per_block: N
    rows_per_part: N
    sums_per_thread: N  # elements: where there is one part, each thread has sums of its own
    sums_per_task: N  # elements: where there are more, each task has
    inputs_offset: N  # elements before the transformed input, in a workspace
    gradients_offset: N  # elements before the transformed output gradients
    strip_offset: N  # elements before the strip
    workspace_bytes: N  # per thread


@dataclass(frozen=True)
class GradientArrays(Struct[N]):
    """The addresses of the kernel's arrays."""

    input: N
    grad: N  # of the output
    planes: N  # `PlanesParameters` of the input
    grad_planes: N  # `PlanesParameters` of the output's gradient
    inverse: N  # `InverseParameters` of the sums
    sums: N  # [thread or task, element, channel of the block, filter of the block]
    weight: N  # [filter, channel, tap], the gradient
    workspace: N


@dataclass(frozen=True)
class InverseParameters(Struct[N]):
    """The parameters of the transform of the sums."""

    channels: N
    filters: N
    channel_block: N
    filter_blocks: N
    parts: N
    part_stride: N
    block_stride: N  # from one block of channels and filters to the next
    element_stride: N
    row_stride: N  # filters of a block


@dataclass(frozen=True)
class InverseArrays(Struct[N]):
    """The arrays of the transform of the sums."""

    sums: N  # [part, block of channels, block of filters, element, channel, filter]
    weight: N  # [filter, channel, tap], the gradient
