"""The weights of the ordered kernel: in the order of its products, and refused where not finite.

The kernels multiply zeros where the published order skips padding. A chain that starts at +0 is the
same either way, but for a weight that is infinite or NaN: its product with zero is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor

from glassconv.kernels.runtime.packed_weights import Packing, memory_for
from glassconv.problem.operands import is_finite


@dataclass(frozen=True)
class ChannelsLast:
    """Packs a weight as [filter, k = (u, v, channel)]."""

    weight_shape: tuple[int, ...]

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor:
        """Return the packed weight, in memory that is given or new."""
        packed = memory_for(self.elements, weight, memory)
        filters, channels, *kernel_size = self.weight_shape
        packed.view(filters, *kernel_size, channels).copy_(weight.movedim(1, -1))
        return packed

    @property
    def elements(self) -> int:
        """Return how many elements the packed weight has."""
        return prod(self.weight_shape)


@dataclass(frozen=True)
class AsItIs:
    """The packing of a weight that is in order: none."""

    elements: int  # of the weight

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor:
        """Return the weight."""
        return weight.contiguous()


@dataclass(frozen=True)
class RefuseNotFinite:
    """The packing of a kernel that multiplies padding, so it does not take such weights."""

    pack: Packing

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor | None:
        """Return the packed weight, or None where it holds a NaN or an infinity."""
        return self.pack(weight, memory) if is_finite(weight) else None

    @property
    def elements(self) -> int:
        """Return how many elements the packed weight has."""
        return self.pack.elements
