"""The packing of a weight once, before the tasks: side by side in panels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, prod

from torch import Tensor

from glassconv.codegen.target import Target
from glassconv.kernels.runtime.packed_weights import memory_for
from glassconv.kernels.runtime.panels import (
    Packing,
    Rows,
    filters_of,
    flipped_filters_of,
    packing_of,
)


@dataclass(frozen=True)
class PanelPacking:
    """Packs weights as [group, panel, k = (u, v, c), filter of the panel]."""

    weight_shape: tuple[int, ...]  # of the filters, as the kernel reads them
    groups: int
    width: int  # filters of a panel
    dtype: str
    target: Target
    reads_flipped: bool = False  # whether it is given a transposed convolution's weight

    def flipped(self) -> PanelPacking:
        """Return the packing of a transposed convolution's weight for the equal convolution."""
        return replace(self, reads_flipped=True)

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor:
        """Return the packed weight, in memory that is given or new."""
        packed = memory_for(self.elements, weight, memory)
        panels = _panels(self, weight.shape, weight.stride())
        panels.pack(weight.data_ptr(), packed.data_ptr(), self.dtype, self.target)
        return packed

    @property
    def elements(self) -> int:
        """Return how many elements the packed weight has."""
        return self.groups * self.panels * self.width * prod(self.weight_shape[1:])

    @property
    def panels(self) -> int:
        """Return how many panels a group has."""
        return ceil(self.weight_shape[0] // self.groups / self.width)


@lru_cache(maxsize=256)
def _panels(packing: PanelPacking, shape: tuple[int, ...], strides: tuple[int, ...]) -> Packing:
    read = flipped_filters_of if packing.reads_flipped else filters_of
    filters = read(shape, strides, packing.groups)
    rows = Rows(packing.panels, packing.width, tap_rows=filters.channels, channel_rows=1)
    return packing_of(filters, rows)
