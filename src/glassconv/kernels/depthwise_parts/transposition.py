"""Blocks of lanes × lanes elements, for planes that are transposed."""

from __future__ import annotations

from collections.abc import Iterator

from glassconv.codegen.ir import Code, Pointer, Value
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.problem.activations import Epilogue


def blocks_of(code: Code, total: Value) -> Iterator[tuple[Value, Value | None]]:
    """Emit the loop over whole vectors of `total` elements, and then the partial one, masked."""
    stop = total - total % code.lanes
    with code.loop(0, stop, code.lanes) as first:
        yield first, None
    with code.if_(stop < total):
        yield stop, code.first_lanes(total - stop)


def rows_of(first: Pointer, stride: Value, mask: Value | None) -> list[Value]:
    """Return a vector from each of as many rows as there are lanes."""
    rows = [first + lane * stride for lane in range(first.code.lanes)]
    return [row.masked(mask) for row in rows]


def store_to_planes(
    code: Code,
    result: Pointer,
    planes: Pointer,
    plane_stride: Value,
    pixels: Value,
    epilogue: Epilogue,
    residual_offset: Value,
) -> None:
    """Emit the stores of results [pixel, lane] to a plane for each lane, with an epilogue."""
    lanes = code.lanes
    for pixel, mask in blocks_of(code, pixels):
        columns = [result.vector((pixel + lane) * lanes) for lane in range(lanes)]
        for lane, sums in enumerate(code.transpose(columns)):
            address = planes + (lane * plane_stride + pixel)
            row = apply_epilogue(code, epilogue, sums, address, residual_offset, mask)
            address.store_masked(mask, row)
