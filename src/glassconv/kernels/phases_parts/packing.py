"""The packing of a transposed convolution's weight: its phases' filters, in rows or panels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import ceil

from torch import Tensor

from glassconv.codegen.target import Target
from glassconv.kernels.runtime.filter_rows import RowPacking, row_packing_of
from glassconv.kernels.runtime.packed_weights import memory_for
from glassconv.kernels.runtime.panels import Filters, Packing, Rows, packing_of
from glassconv.problem.operands import is_finite
from glassconv.problem.phases import phase_groups
from glassconv.problem.transposed import TransposedProblem

Phases = tuple[tuple[tuple[int, int, int], ...], ...]  # the taps of each along each axis: slices


@dataclass(frozen=True)
class PhasesPacking:
    """Packs the filters of every group of phases, one after another.

    A weight that is not finite is refused: at the border, implicit_gemm multiplies zeros by it.
    """

    taps: tuple[Phases, ...]
    groups: int
    kernel_size: tuple[int, ...]
    width: int | None  # filters of a panel; None where the kernel reads them in rows
    dtype: str
    target: Target
    elements: int  # of the packed weight

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor | None:
        """Return the packed weight, in memory that is given or new."""
        if not is_finite(weight):
            return None
        if not self.taps:
            return weight.new_zeros(self.elements)
        plane = weight.reshape(*weight.shape[:2], *self.kernel_size)
        packed, place = memory_for(self.elements, weight, memory), 0
        for part in _parts(self, plane.shape, plane.stride()):
            address = packed[place:].data_ptr()
            part.pack(weight.data_ptr(), address, self.dtype, self.target)
            place += part.elements
        return packed


def packing(
    problem: TransposedProblem, elements: int, width: int | None, target: Target
) -> PhasesPacking:
    """Return the packing of a problem's weight. Problems of other sizes may share it.

    elements: of the packed weight. width: filters of a panel, None for rows.
    """
    taps = tuple(
        tuple(
            tuple((axis.taps.start, axis.taps.stop, axis.taps.step) for axis in phase)
            for phase in group.phases
        )
        for group in phase_groups(problem)
    )
    return PhasesPacking(
        taps, problem.groups, problem.kernel_size, width, problem.dtype, target, elements
    )


@lru_cache(maxsize=256)
def _parts(
    packing: PhasesPacking, shape: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[Packing | RowPacking, ...]:
    """Return how the filters of each group of phases are packed.

    Those with a single tap are packed in rows: implicit_gemm makes panels of these itself.

    shape, strides: of the weight, [in_channels, out_channels / groups, *kernel_size].
    """
    parts: list[Packing | RowPacking] = []
    for phases in packing.taps:
        in_weight = _filters_of(phases, packing.groups, shape, strides)
        if packing.width is None or len(in_weight.taps) == 1:
            parts.append(row_packing_of(in_weight, packing.target.lanes(packing.dtype)))
        else:
            panels = ceil(len(in_weight.filters) / packing.width)
            rows = Rows(panels, packing.width, tap_rows=in_weight.channels, channel_rows=1)
            parts.append(packing_of(in_weight, rows))
    return tuple(parts)


def _filters_of(
    phases: Phases, groups: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Filters:
    """Return where a weight has the filters of some phases."""
    channels, filters = shape[0] // groups, shape[1]
    # A filter is read in reverse, from its last tap.
    last_taps = [
        sum(range(*taps)[-1] * stride for taps, stride in zip(phase, strides[2:], strict=True))
        for phase in phases
    ]
    back = [
        [-step * stride * place for place in range(len(range(start, stop, step)))]
        for (start, stop, step), stride in zip(phases[0], strides[2:], strict=True)
    ]
    return Filters(
        groups=groups,
        group_stride=channels * strides[0],
        filters=tuple(last + each * strides[1] for last in last_taps for each in range(filters)),
        channels=channels,
        channel_stride=strides[0],
        taps=tuple(map(sum, product(*back))),
    )
