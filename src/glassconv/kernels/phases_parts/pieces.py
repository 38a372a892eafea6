"""Pieces of a transposed convolution: the images and groups that are computed at once.

The phases of a piece are in buffers between their convolutions and their interleaving, so they
should stay in cache.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from glassconv.codegen.target import Target
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.problem.transposed import TransposedProblem

MIN_ELEMENTS_PER_TASK = 8192  # outputs
PIECE_PER_L2 = 4  # outputs of a piece, as a multiple of the L2 of all threads


@dataclass(frozen=True)
class Piece:
    """Images and groups that are computed at once, and where their arrays are, in bytes."""

    number: int  # of the groups
    input_offset: int
    bias_offset: int
    output_offset: int


def piece_of(
    plane: TransposedProblem, layout: Layout, target: Target, threads: int
) -> TransposedProblem:
    """Return the problem of as many images and groups as fit in cache: parts of equal size.

    In NHWC groups are not split, because adjacent outputs are of different groups.
    """
    image_bytes = max(plane.output_bytes // max(plane.batch, 1), 1)
    max_bytes = threads * target.l2 * PIECE_PER_L2
    images = _largest_divisor(plane.batch, max_bytes // image_bytes)
    groups = plane.groups
    if layout.name == NCHW and images <= 1:
        groups = _largest_divisor(groups, max_bytes * groups // image_bytes)
    return replace(
        plane,
        batch=images,
        in_channels=plane.in_channels // plane.groups * groups,
        out_channels=plane.out_channels // plane.groups * groups,
        groups=groups,
    )


def _largest_divisor(number: int, most: int) -> int:
    """Return the largest divisor that is at most `most`, at least 1; 0 of 0.

    >>> _largest_divisor(21, most=9), _largest_divisor(7, most=5), _largest_divisor(0, most=5)
    (7, 1, 0)
    """
    return max(
        (n for n in range(1, number + 1) if number % n == 0 and n <= max(most, 1)), default=0
    )


def pieces_of(
    plane: TransposedProblem,
    piece: TransposedProblem,
    layout: Layout,
    output_strides: tuple[int, ...],
) -> tuple[Piece, ...]:
    """Return where each piece of a problem has its arrays."""
    element = plane.format.bytes
    stride_n, stride_c, _, _ = layout.strides
    output_n, output_c, *_ = output_strides
    return tuple(
        Piece(
            number,
            input_offset=(image * stride_n + number * piece.in_channels * stride_c) * element,
            bias_offset=number * piece.out_channels * element,
            output_offset=(image * output_n + number * piece.out_channels * output_c) * element,
        )
        for image in range(0, plane.batch, max(piece.batch, 1))
        for number in range(plane.groups // piece.groups)
    )
