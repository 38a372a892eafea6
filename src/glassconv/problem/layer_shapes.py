"""What a convolution and a transposed convolution share: shapes, bytes and shorthand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields, replace
from math import prod
from typing import Any, Self, cast

from glassconv.errors import ShapeError
from glassconv.problem.dtypes import FORMATS, FloatFormat, arithmetic
from glassconv.problem.size_text import by_x, once, sides

AXIS_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class LayerShapes(ABC):
    """The shapes of a layer's arrays, and their sizes in bytes, from the fields of a problem."""

    batch: int
    in_channels: int
    out_channels: int
    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int
    bias: bool
    dtype: str

    @property
    @abstractmethod
    def output_size(self) -> tuple[int, ...]:
        """Return the output's spatial size."""

    @property
    @abstractmethod
    def weight_shape(self) -> tuple[int, ...]:
        """Return the weight's shape."""

    @property
    @abstractmethod
    def macs(self) -> int:
        """Return multiply-adds, as PyTorch counts them."""

    @property
    def ndim(self) -> int:
        """Return the number of spatial axes: 1, 2 or 3."""
        return len(self.input_size)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Return the name of each spatial axis: length, height, width or depth."""
        return AXIS_NAMES[self.ndim]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return [batch, in_channels, *input_size]."""
        return (self.batch, self.in_channels, *self.input_size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Return [batch, out_channels, *output_size]."""
        return (self.batch, self.out_channels, *self.output_size)

    @property
    def even_padding(self) -> bool:
        """Return whether each axis is padded by as much after as before, as PyTorch pads."""
        return all(before == after for before, after in self.padding)

    def one_row(self) -> dict[str, Any]:
        """Return the fields that change when a sequence becomes an image of a single row.

        Raises `ShapeError` for three spatial axes.
        """
        if self.ndim == 3:
            raise ShapeError("three spatial axes are not two", request=str(self))
        return {
            "input_size": (1, *self.input_size),
            "kernel_size": (1, *self.kernel_size),
            "stride": (1, *self.stride),
            "padding": ((0, 0), *self.padding),
            "dilation": (1, *self.dilation),
        }

    def widened(self) -> Self:
        """Return the problem in the element type of its sums: float32 for numbers of 16 bits.

        >>> from glassconv import parse
        >>> str(parse("3x8x8 4@3x3 bfloat16").widened())
        '1x3x8x8 4@3x3 s1 p0'
        """
        dtype = arithmetic(self.dtype)
        return self if dtype == self.dtype else replace(cast(Any, self), dtype=dtype)

    @property
    def format(self) -> FloatFormat:
        """Return the element type's size and rounding."""
        return FORMATS[self.dtype]

    @property
    def flops(self) -> int:
        """Return floating-point operations: two for each multiply-add."""
        return 2 * self.macs

    @property
    def input_bytes(self) -> int:
        """Return the input's size in bytes."""
        return prod(self.input_shape) * self.format.bytes

    @property
    def weight_bytes(self) -> int:
        """Return the weight's size in bytes, bias not counted."""
        return prod(self.weight_shape) * self.format.bytes

    @property
    def output_bytes(self) -> int:
        """Return the output's size in bytes."""
        return prod(self.output_shape) * self.format.bytes

    @property
    def arithmetic_intensity(self) -> float:
        """Return FLOPs for each byte of input, weight and output moved once."""
        return self.flops / (self.input_bytes + self.weight_bytes + self.output_bytes)

    def __repr__(self) -> str:
        """Return the class and the shorthand: `parse_problem(str(problem))` is the same problem.

        >>> from glassconv.problem.shorthand import parse
        >>> parse("3x32x32 4@5x5")
        ConvProblem('1x3x32x32 4@5x5 s1 p0')
        """
        return f"{type(self).__name__}({str(self)!r})"

    def field_text(self) -> str:
        """Return the class and its fields: for a refusal, where no shorthand may say them."""
        names = [field.name for field in fields(cast(Any, self))]
        values = (f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({', '.join(values)})"

    def __str__(self) -> str:
        """Return the shorthand that is read back into this same problem."""
        words = [
            by_x(self.input_shape),
            f"{self.out_channels}@{by_x(self.kernel_size)}",
            "s" + once(self.stride),
            "p" + sides(self.padding),
        ]
        if set(self.dilation) != {1}:
            words.append("d" + once(self.dilation))
        if self.groups != 1:
            words.append(f"g{self.groups}")
        if not self.bias:
            words.append("nobias")
        if self.dtype != "float32":
            words.append(self.dtype)
        return " ".join(words)
