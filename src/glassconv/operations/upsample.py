"""Bilinear upsampling of images, as PyTorch's interpolate(mode="bilinear").

    output[y, x] = Σ_i Σ_j rows[y][i] · columns[x][j] · input[i, j]

Each output has two neighbours along each axis, with weights whose sum is 1: fractions that are
exact until they are rounded once.

    |error| ≤ γ(6) · Σ_i Σ_j rows[y][i] · columns[x][j] · |input[i, j]|
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from struct import pack, unpack

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
from glassconv.operations.step import Step
from glassconv.operations.strided import Strided
from glassconv.operations.upsample_task import emit_row_of_channels, emit_row_of_columns
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class Neighbors:
    """The two inputs of an output along one axis, and the weight of the second."""

    first: int
    second: int
    weight: Fraction


@dataclass(frozen=True)
class Bilinear:
    """The arguments of an upsampling; the sizes are those of its arrays.

    scale_factors: where PyTorch got these and not the sizes, for rows and columns; they decide
    where outputs are, unless corners are aligned.
    """

    align_corners: bool = False
    scale_factors: tuple[float, float] | None = None

    def neighbors(self, axis: int, input_size: int, output_size: int) -> list[Neighbors]:
        """Return the inputs of each output along the axis of rows (0) or of columns (1).

        >>> Bilinear().neighbors(0, 2, 4)[1]
        Neighbors(first=0, second=1, weight=Fraction(1, 4))
        """
        if self.align_corners:
            step, shift = Fraction(input_size - 1, max(output_size - 1, 1)), Fraction(0)
        else:
            step = Fraction(input_size, output_size)
            if self.scale_factors is not None:
                step = Fraction(1 / self.scale_factors[axis])
            shift = (step - 1) / 2
        found = []
        for position in range(output_size):
            place = max(step * position + shift, Fraction(0))
            first = min(int(place), input_size - 1)
            second = min(first + 1, input_size - 1)
            found.append(Neighbors(first, second, place - first))
        return found


def supports(input: Strided, output: Strided) -> Verdict:
    """Return whether both are images [batch, channels, height, width] of one memory layout."""
    if not len(input.shape) == len(output.shape) == 4:
        return Verdict(False, "requires images")
    return supports_images(input, output, output.shape[2:])


def step(bilinear: Bilinear, input: Strided, output: Strided, target: Target, threads: int) -> Step:
    """Compile a supported upsampling; its arrays are `input` and `output`."""
    table = [input.shape[-1]]
    for axis in range(2):
        sizes = input.shape[2 + axis], output.shape[2 + axis]
        neighbors = bilinear.neighbors(axis, *sizes)
        table += [each.first for each in neighbors]
        table += [each.second for each in neighbors]
        table += _words([1 - each.weight for each in neighbors])
        table += _words([each.weight for each in neighbors])
    table += [0] * target.lanes(input.dtype)  # where the last vector of the table may end
    channels_last = are_channels_last(input, output)
    row = input.shape[-1] * ELEMENT_BYTES[input.dtype]
    return step_of_images(
        _compile(channels_last, input.dtype, target),
        input,
        output,
        table,
        input.bytes + 2 * output.bytes,
        threads,
        workspace_bytes=0 if channels_last else round_up(row, CACHE_LINE),
    )


def _words(numbers: Sequence[Fraction]) -> Sequence[int]:
    """Return the bits of numbers in float64."""
    return unpack(f"{len(numbers)}q", pack(f"{len(numbers)}d", *numbers))


@cache
def _compile(channels_last: bool, dtype: str, target: Target) -> Compiled:
    module = Module("upsample", dtype, target)
    emit_row = emit_row_of_channels if channels_last else emit_row_of_columns
    in_parallel(module, emit_images(module, emit_row(module), channels_last=channels_last))
    return compiled(module, "upsample")
