"""What a task of the weight gradient adds: some segments and filters of a group, over a part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Pointer, Value
from glassconv.kernels.weight_gradients.gemm_parts.parameters import (
    GradientArrays,
    GradientParameters,
)


@dataclass(frozen=True)
class Part:
    """The place of a task in the sums, and its memory."""

    group: Value
    filter: Value  # the first of its group
    filters: Value
    segment: Value  # the first of its group
    segments: Value
    first_block: Value
    sums: Pointer  # at the first filter of the group's first row
    gradients: Pointer  # packed or padded, in the thread's workspace
    ones: Pointer
    buffer: Pointer  # for the lowered input
    is_lowered: Value
    adds_bias: Value  # the task of the last segments adds the row of ones


@dataclass(frozen=True)
class Block:
    """The pixels whose products are added at once."""

    image: Value
    images: Value
    pixel: Value  # the first of each image
    pixels: Value  # of each image
    is_first: Value  # 1 where the sums start from it, not from what they are


def emit_part(
    code: Code,
    parameters: GradientParameters[Value],
    arrays: GradientArrays[Pointer],
    number: Value,
    thread: Value,
) -> Part:
    """Emit the part of this number, with the ones that its bias needs. Filters vary fastest."""
    p = parameters
    filter, number = number % p.filter_blocks * p.filter_block, number // p.filter_blocks
    segment, number = number % p.channel_blocks * p.channel_block, number // p.channel_blocks
    group, part = number % p.groups, number // p.groups
    segments = (p.segments - segment).minimum(p.channel_block)
    gradients = arrays.workspace.add_bytes(thread * p.workspace_bytes)
    ones = gradients + p.ones
    adds_bias = p.with_bias.equals(1) & (segment + segments).equals(p.segments)
    with code.if_(adds_bias), code.loop(0, p.images_per_block * p.pixel_block) as i:
        ones[i] = code.value(1.0, code.float)
    return Part(
        group,
        filter,
        (p.filters - filter).minimum(p.filter_block),
        segment,
        segments,
        (p.first_part + part) * p.blocks_per_part,
        arrays.sums + (part * p.part_stride + group * p.group_stride + filter),
        gradients,
        ones,
        gradients + p.buffer,
        p.needs_lowering.equals(1),
        adds_bias,
    )


@contextmanager
def blocks_of_part(
    code: Code, parameters: GradientParameters[Value], part: Part
) -> Iterator[Block]:
    """Emit the loop over the blocks of a part, whose body is emitted in this context."""
    p, first = parameters, part.first_block
    with code.loop(first, (first + p.blocks_per_part).minimum(p.blocks)) as block:
        image = block // p.blocks_per_image * p.images_per_block
        pixel = block % p.blocks_per_image * p.pixel_block
        yield Block(
            image,
            (p.batch - image).minimum(p.images_per_block),
            pixel,
            (p.pixels - pixel).minimum(p.pixel_block),
            block.equals(first).as_int(),
        )
