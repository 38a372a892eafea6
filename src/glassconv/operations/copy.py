"""Copies between arrays of one shape and any strides; they are exact.

Slices and views are such arrays, so a copy is also a concatenation (one copy for each part, into a
slice of the output), a change of the memory layout, a channel shuffle, and an upsampling to nearest
neighbours by whole factors, whose input has stride 0 along the repetitions. Padding by a constant
is `elementwise.step` of a `Number`, and then a copy into the inside.

Where the adjacent elements of the input are adjacent in the output they are copied by vectors,
otherwise blocks are transposed (transpose.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from glassconv.codegen.target import Target
from glassconv.operations import elementwise, transpose
from glassconv.operations.elementwise import Array
from glassconv.operations.loop_nest import OUTPUT, joined_axes
from glassconv.operations.step import Step
from glassconv.operations.strided import Strided
from glassconv.reports.verdict import Verdict

INPUT = Array("input")


def supports(input: Strided, output: Strided) -> Verdict:
    """Return whether the input can be broadcast to the output, in at most six loops."""
    return elementwise.supports(INPUT, {"input": input}, output)


def step(input: Strided, output: Strided, target: Target, threads: int) -> Step:
    """Compile a supported copy; its arrays are `input` and `output`, which do not overlap."""
    arrays = {"input": input.broadcast_to(output.shape), OUTPUT: output}
    if transpose.supports(joined_axes(arrays)):
        return transpose.step(arrays["input"], output, target, threads)
    return elementwise.step(INPUT, {"input": input}, output, target, threads)


def nearest(input: Strided, output: Strided, factors: Sequence[int]) -> tuple[Strided, Strided]:
    """Return the arrays whose copy upsamples an input to nearest neighbours by whole factors.

    input: [batch, channels, *sizes]. output: [batch, channels, *(factors · sizes)]. Those returned
    are [batch, channels, size, factor, …].

    >>> small = Strided((1, 1, 4), (4, 4, 1), "float32")
    >>> large = Strided((1, 1, 8), (8, 8, 1), "float32")
    >>> [array.strides for array in nearest(small, large, [2])]
    [(4, 4, 1, 0), (8, 8, 2, 1)]
    """
    shape, small, large = list(input.shape[:2]), list(input.strides[:2]), list(output.strides[:2])
    spatial = zip(input.shape[2:], input.strides[2:], output.strides[2:], factors, strict=True)
    for size, read, written, factor in spatial:
        shape += size, factor
        small += read, 0
        large += written * factor, written
    return (
        Strided(tuple(shape), tuple(small), input.dtype),
        Strided(tuple(shape), tuple(large), output.dtype),
    )
