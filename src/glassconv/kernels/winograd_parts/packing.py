"""The packing of a weight for the Winograd kernels: U, the filters side by side, and the test.

parameters.py says where each part is. Compiled code computes all but the few numbers of the test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import ceil

import numpy as np
import torch
from torch import Tensor

from glassconv.algorithms.parts.winograd_flatness import flatness_of_largest
from glassconv.algorithms.parts.winograd_scale import scales_of_largest
from glassconv.algorithms.winograd_pieces import Pieces
from glassconv.codegen.target import Target
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.packed_weights import memory_for
from glassconv.kernels.runtime.panels import (
    Packing,
    Rows,
    filters_of,
    flipped_filters_of,
    packing_of,
)
from glassconv.kernels.winograd_parts.filter_transform import FilterTransform
from glassconv.kernels.winograd_parts.parameters import KERNEL_SIZE
from glassconv.problem import ConvProblem
from glassconv.problem.transposed import flip
from glassconv.reports.error_bound import Float64

TAPS = KERNEL_SIZE**2
PACKING_CALLS = 60  # of NumPy and PyTorch, which test a transformed weight in a training loop


@dataclass(frozen=True)
class WinogradPacking:
    """Packs the weights of a problem."""

    problem: ConvProblem
    tile_outputs: int  # along each axis
    target: Target
    reads_flipped: bool = False  # whether it is given a transposed convolution's weight

    def flipped(self) -> WinogradPacking:
        """Return the packing of a transposed convolution's weight for the equal convolution."""
        return replace(self, reads_flipped=True)

    def of_filters(self, count: int) -> WinogradPacking:
        """Return the packing of so many filters of one group."""
        return replace(self, problem=replace(self.problem, out_channels=count))

    def filters(self, weight: Tensor, chosen: slice) -> Tensor:
        """Return some filters of a weight."""
        return weight[chosen]

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor:
        """Return the packed weight, in memory that is given or new."""
        problem, transform = self.problem, self._transform
        packed = memory_for(self.elements, weight, memory)
        u, filters, slack, most, undo = torch.split(packed, self._parts)
        self._pack_filters(weight, filters, self.reads_flipped)
        elements, largest = self._transform_filters(filters, u)
        scales = scales_of_largest(np, largest, problem.format)
        if scales.max() > 1:
            by_filter = torch.from_numpy(scales).to(weight.dtype)[:, None, None, None]
            scaled = torch.empty_like(filters)
            as_filters = flip(weight, problem.groups) if self.reads_flipped else weight
            self._pack_filters(as_filters * by_filter, scaled, reads_flipped=False)
            elements, _ = self._transform_filters(scaled, u)
        test = flatness_of_largest(problem, Pieces(self.tile_outputs), largest, elements)
        by_element = slack.numpy().reshape(transform.elements, -1)
        by_element[:, : len(test.slack)], by_element[:, len(test.slack) :] = test.slack.T, 0
        most.numpy()[:] = test.most
        by_group = undo.numpy().reshape(problem.groups, -1)
        by_group[:] = 0
        by_group[:, : problem.gemm.m] = problem.format.unit_roundoff / scales.reshape(
            problem.groups, -1
        )
        return packed

    def _pack_filters(self, weight: Tensor, filters: Tensor, reads_flipped: bool) -> None:
        arranged = weight.shape, weight.stride()
        side_by_side = _side_by_side(self._transform, *arranged, reads_flipped)
        target, dtype = self.target, self.problem.dtype
        side_by_side.pack(weight.data_ptr(), filters.data_ptr(), dtype, target)

    def _transform_filters(self, filters: Tensor, u: Tensor) -> tuple[Float64, Float64]:
        """Write U. Return the largest numbers of each filter's elements, and of the filter."""
        largest = self._transform(filters.data_ptr(), u.data_ptr())
        of_filters = largest[:, : self.problem.gemm.m].reshape(self.problem.out_channels, -1)
        return of_filters[:, :-1], of_filters[:, -1]

    @property
    def elements(self) -> int:
        """Return how many elements the packed weight has."""
        return sum(self._parts)

    @property
    def _parts(self) -> list[int]:
        """Return how many elements U, the filters, the slack, its limit and `undo` have."""
        transform, lanes = self._transform, self.target.lanes(self.problem.dtype)
        padded_filters = transform.groups * transform.panels * transform.width
        numbers = padded_filters * transform.channels
        slack = transform.elements * round_up(self.tile_outputs**2, lanes)
        return [transform.elements * numbers, TAPS * numbers, slack, 1, padded_filters]

    @cached_property
    def _transform(self) -> FilterTransform:
        problem = self.problem
        width = self.target.tile()[1] * self.target.lanes(problem.dtype)
        return FilterTransform(
            problem.groups,
            ceil(problem.gemm.m / width),
            problem.weight_shape[1],
            self.tile_outputs,
            problem.stride[0],
            problem.dtype,
            self.target,
        )


def packing(problem: ConvProblem, tile_outputs: int, target: Target) -> WinogradPacking:
    """Return the packing of a problem's weight: the same one for inputs of all sizes."""
    no_padding = ((0, 0),) * problem.ndim
    smallest = replace(
        problem, batch=1, input_size=problem.kernel_size, padding=no_padding, bias=False
    )
    return WinogradPacking(smallest, tile_outputs, target)


@lru_cache(maxsize=256)
def _side_by_side(
    transform: FilterTransform,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    reads_flipped: bool,
) -> Packing:
    """Return how filters are packed as [group, vector of filters, channel, tap, lane]."""
    lanes = transform.target.lanes(transform.dtype)
    vectors = transform.panels * transform.width // lanes
    rows = Rows(vectors, lanes, tap_rows=1, channel_rows=TAPS)
    read = flipped_filters_of if reads_flipped else filters_of
    return packing_of(read(shape, strides, transform.groups), rows)
