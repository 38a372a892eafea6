"""Strided: where the elements of an array are in memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor

from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.problem.memory_layout import NCHW, NHWC, Layout, layout_named
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class Strided:
    """An array's shape, its strides in elements, and its element type.

    >>> import torch
    >>> Strided.of(torch.empty(1, 8, 4, 4).to(memory_format=torch.channels_last)).strides
    (128, 1, 32, 8)
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, tensor: Tensor) -> Strided:
        """Return where the elements of a tensor are."""
        return cls(tuple(tensor.shape), tensor.stride(), str(tensor.dtype).removeprefix("torch."))

    @property
    def bytes(self) -> int:
        """Return how many bytes its elements have."""
        return prod(self.shape) * ELEMENT_BYTES[self.dtype]

    def layout_as(self, other: Strided) -> Layout | None:
        """Return its layout where both arrays have the same, channels last rather than first.

        Both are [batch, channels, height, width] or [batch, channels, length]. None where they
        have no common layout.
        """
        for name in (NHWC, NCHW):
            own = layout_named(name, self.shape, self.strides)
            if own is not None and layout_named(name, other.shape, other.strides) is not None:
                return own
        return None

    def stride_of_positions(self) -> int | None:
        """Return the stride from one position to the next: of all rows, as if they were one.

        None where there is a gap between the rows of [batch, channels, height, width].
        """
        *rows, column = self.strides[2:]
        width = self.shape[-1]
        if rows and self.shape[2] > 1 and rows[0] != width * column:
            return None if width > 1 else rows[0]
        return column

    def without_last_axis(self) -> Strided:
        """Return the first elements along the last axis."""
        return Strided(self.shape[:-1], self.strides[:-1], self.dtype)

    def broadcasts_to(self, shape: tuple[int, ...]) -> bool:
        """Return whether it can be broadcast to a shape: its last axes are equal or have size 1."""
        own = (1,) * (len(shape) - len(self.shape)) + self.shape
        return len(own) == len(shape) and all(
            size in (1, wanted) for size, wanted in zip(own, shape, strict=True)
        )

    def broadcast_to(self, shape: tuple[int, ...]) -> Strided:
        """Return it with another shape, and stride 0 along each axis where it repeats.

        >>> Strided((8, 1, 1), (1, 1, 1), "float32").broadcast_to((2, 8, 4, 4)).strides
        (0, 1, 0, 0)
        """
        new = len(shape) - len(self.shape)
        own = ((1, 0),) * new + tuple(zip(self.shape, self.strides, strict=True))
        strides = tuple(0 if size == 1 else stride for size, stride in own)
        return Strided(shape, strides, self.dtype)


def supports_dtypes(*arrays: Strided) -> Verdict:
    """Return whether arrays have one element type, which is float32 or float64.

    >>> supports_dtypes(Strided((8,), (1,), "float32"), Strided((8,), (1,), "float16")).reason
    'requires arrays of float32 or of float64, got float16 and float32'
    """
    found = sorted({array.dtype for array in arrays})
    if len(found) > 1 or found[0] not in ELEMENT_BYTES:
        return Verdict(
            False, f"requires arrays of float32 or of float64, got {' and '.join(found)}"
        )
    return Verdict(True, "")
