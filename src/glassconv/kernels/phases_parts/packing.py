"""The packing of a transposed convolution's weight: the filters of its phases in panels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import ceil

import torch
from torch import Tensor

from glassconv.codegen.target import Target
from glassconv.kernels.runtime.packed_weights import memory_for
from glassconv.kernels.runtime.panels import Filters, Packing, Rows, pack_panels, packing_of
from glassconv.problem.operands import is_finite
from glassconv.problem.transposed import EVERY, flip

Phases = tuple[tuple[tuple[int, int, int], ...], ...]  # the taps of each along each axis: slices


@dataclass(frozen=True)
class PhasesPacking:
    """Packs the filters of every group of phases, one after another.

    A weight that is not finite is refused: at the border, implicit_gemm multiplies zeros by it.
    """

    taps: tuple[Phases, ...]
    groups: int
    kernel_size: tuple[int, ...]
    width: int | None  # filters of a panel; None where the filters are used as they are
    dtype: str
    target: Target
    elements: int  # of the packed weight

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor | None:
        """Return the packed weight, in memory that is given or new."""
        if not is_finite(weight):
            return None
        plane = weight.reshape(*weight.shape[:2], *self.kernel_size)
        if not self.taps:
            return weight.new_zeros(self.elements)
        if self.width is None:
            return torch.cat([self._filters(plane, phases).flatten() for phases in self.taps])
        parts = _panels(self, plane.shape, plane.stride())
        packed = memory_for(self.elements, weight, memory)
        place = 0
        for phases, part in zip(self.taps, parts, strict=True):
            if _is_pointwise(phases):
                filters = self._filters(plane, phases).flatten()
                packed[place : place + filters.numel()] = filters
                place += filters.numel()
            else:
                address = packed[place:].data_ptr()
                pack_panels(weight.data_ptr(), address, part, self.dtype, self.target)
                place += part.elements
        return packed

    def _filters(self, plane: Tensor, phases: Phases) -> Tensor:
        """Return the filters of the convolution of some phases."""
        filters = [
            flip(plane[(*EVERY, *(slice(*along) for along in phase))], self.groups)
            for phase in phases
        ]
        per_group = [each.reshape(self.groups, -1, *each.shape[1:]) for each in filters]
        return torch.stack(per_group, 1).flatten(0, 2)


def _is_pointwise(phases: Phases) -> bool:
    """Return whether phases have a single tap: implicit_gemm packs such filters itself."""
    return all(len(range(*along)) == 1 for along in phases[0])


@lru_cache(maxsize=256)
def _panels(
    packing: PhasesPacking, shape: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[Packing, ...]:
    """Return how the filters of each group of phases are packed into panels.

    shape, strides: of the weight, [in_channels, out_channels / groups, *kernel_size].
    """
    assert packing.width is not None, "only filters in panels are packed by panels"
    channels, filters = shape[0] // packing.groups, shape[1]
    packings = []
    for phases in packing.taps:
        # A filter is read in reverse, from its last tap.
        last_taps = [
            sum(range(*taps)[-1] * stride for taps, stride in zip(phase, strides[2:], strict=True))
            for phase in phases
        ]
        back = [
            [-step * stride * place for place in range(len(range(start, stop, step)))]
            for (start, stop, step), stride in zip(phases[0], strides[2:], strict=True)
        ]
        in_weight = Filters(
            groups=packing.groups,
            group_stride=channels * strides[0],
            filters=tuple(
                last + filter * strides[1] for last in last_taps for filter in range(filters)
            ),
            channels=channels,
            channel_stride=strides[0],
            taps=tuple(map(sum, product(*back))),
        )
        panels = ceil(len(phases) * filters / packing.width)
        rows = Rows(panels, packing.width, tap_rows=channels, channel_rows=1)
        packings.append(packing_of(in_weight, rows))
    return tuple(packings)
