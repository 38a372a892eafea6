"""Filters that mostly lie on padding: only the taps that some output reads an input through.

    output = kernel(input, weight[…, first:stop, first:stop], bias)

A filter of 31 × 31 taps on an input of 3 × 3 pixels, with a padding of 15, meets a pixel with 5 × 5
of its taps. Products of the others are zeros, so the filter is cropped to those, and the padding by
as much: the outputs are the same. The crop is a part of the packing of the weight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from glassconv.kernels.runtime.packed_weights import Packing
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis

# The content of the whole weight is checked in each call, to find the packed one.
MACS_PER_ELEMENT_CHECKED = 5
MACS_PER_CHECK = 100_000


def crop(problem: ConvProblem) -> ConvProblem:
    """Return the problem with a cropped filter, itself where that would save little.

    >>> from glassconv.problem.shorthand import parse
    >>> print(crop(parse("16x3x3 2@31x31 p15")))
    1x16x3x3 2@5x5 s1 p2
    >>> print(crop(parse("16x8x8 2@3x3 p1")))
    1x16x8x8 2@3x3 s1 p1
    """
    if problem.macs == 0 or not problem.is_padded:
        return problem
    taps = _taps_of(problem)
    padding = tuple(
        (before - first * dilation, after - (size - stop) * dilation)
        for (before, after), (first, stop), size, dilation in zip(
            problem.padding, taps, problem.kernel_size, problem.dilation, strict=True
        )
    )
    kernel_size = tuple(stop - first for first, stop in taps)
    cropped = replace(problem, kernel_size=kernel_size, padding=padding)
    weight_elements = problem.weight_bytes // problem.format.bytes
    check = MACS_PER_CHECK + MACS_PER_ELEMENT_CHECKED * weight_elements
    return cropped if problem.macs - cropped.macs > check else problem


def cropped_plan(problem: ConvProblem, plan: Plan) -> Plan:
    """Return the plan of a problem, from that of the problem with the filter cropped."""
    pack = CropAndPack(tuple(_taps_of(problem)), plan.pack, plan.packed_elements)
    kept, taps = (" × ".join(map(str, of.kernel_size)) for of in (plan.problem, problem))
    loops = (f"the {kept} taps, of {taps}, that reach the input", *plan.loops)
    # All filters are cropped and packed together.
    return replace(plan, problem=problem, pack=pack, loops=loops, plan_of_filters=None)


def _taps_of(problem: ConvProblem) -> list[tuple[int, int]]:
    """Return the range of taps, for each axis, through which an output may read an input."""
    return [_taps(axis) for axis in problem.axes]


def _taps(axis: Axis) -> tuple[int, int]:
    """Return the range [first, stop) of the taps that the first or the last output needs.

    The last output reads furthest on: taps that it reads before the input are not needed. Neither
    are those that the first output reads beyond it. No padding becomes negative, and a tap is left.
    """
    before, after = axis.padding
    last_output = (axis.output_size - 1) * axis.stride
    stop = (before + axis.input_size - 1) // axis.dilation + 1
    stop = min(max(stop, axis.kernel_size - after // axis.dilation), axis.kernel_size)
    first = min(-(-(before - last_output) // axis.dilation), before // axis.dilation, stop - 1)
    return max(0, first), stop


@dataclass(frozen=True)
class CropAndPack:
    """The packing of a weight of which a kernel gets some taps."""

    taps: tuple[tuple[int, int], ...]  # (first, stop) for each axis
    pack: Packing | None
    elements: int  # of the packed weight

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor | None:
        """Return the cropped weight as the kernel reads it, None where that refuses it."""
        for axis, (first, stop) in enumerate(self.taps, start=2):
            weight = weight.narrow(axis, first, stop - first)
        weight = weight.contiguous()
        return weight if self.pack is None else self.pack(weight, memory)
