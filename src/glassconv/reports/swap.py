"""Swap: a model whose convolution layers were swapped, with what was swapped and what was not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from glassconv.reports.shown import Shown

M = TypeVar("M")


@dataclass(frozen=True)
class SwappedLayer:
    """A layer that was swapped."""

    names: tuple[str, ...]  # its places in the model, such as "features.0"; "" is the model itself
    before: str  # the class, such as "torch.nn.Conv2d"
    after: str


@dataclass(frozen=True)
class KeptLayer:
    """A layer that was not swapped, and why."""

    names: tuple[str, ...]
    layer: str  # the class
    reason: str


@dataclass(frozen=True, repr=False)
class Swap(Shown, Generic[M]):
    """What `glassconv.nn.swap` or `unswap` did to a model. Two are equal if they did the same.

    >>> import torch, glassconv
    >>> report = glassconv.nn.swap(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()))
    >>> report
    <1 layer swapped, 0 kept>
    >>> print(report)
    swapped: 1 layer
      Conv2d  0
    >>> report.model
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
      (1): ReLU()
    )
    """

    model: M = field(compare=False)
    swapped: tuple[SwappedLayer, ...]
    kept: tuple[KeptLayer, ...]

    def __repr__(self) -> str:
        count = len(self.swapped)
        return f"<{count} layer{'s' * (count != 1)} swapped, {len(self.kept)} kept>"
