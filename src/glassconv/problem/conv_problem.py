"""ConvProblem: everything that can be said about a convolution before it sees a number.

One frozen value describes a convolution of one, two or three spatial dimensions. Every algorithm,
proof, figure and benchmark reads this same value, so they cannot disagree about a shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from glassconv.errors import ArgumentError, DtypeError, ShapeError
from glassconv.problem.axis import Axis
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.layer_shapes import LayerShapes

if TYPE_CHECKING:
    from collections.abc import Iterator

# Padding and dilation beyond this reach past any array in memory; PyTorch 2.13 crashes there, or
# returns numbers. It may do so for strides, too.
LARGEST_STEP = 2**31 - 1
LARGEST_ARRAY_BYTES = 2**63 - 1


@dataclass(frozen=True)
class Gemm:
    """The matrix product a convolution is: per group, (m × k) · (k × n), in BLAS's letters."""

    groups: int
    m: int  # out_channels / groups
    n: int  # batch · output positions
    k: int  # in_channels / groups · taps


@dataclass(frozen=True, repr=False)
class ConvProblem(LayerShapes):
    """A convolution's shapes and steps, one entry per spatial axis, already normalised.

    Usually made by `problem_of` (PyTorch's arguments) or `parse` (shorthand). Constructing one
    checks it: `ArgumentError` or `ShapeError` where no convolution has such sizes, `DtypeError`
    where no algorithm computes in such elements.

    >>> lenet = ConvProblem(1, 3, 4, (32, 32), (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1))
    >>> lenet.output_size
    (28, 28)
    >>> lenet.gemm
    Gemm(groups=1, m=4, n=784, k=75)
    >>> print(lenet)
    1x3x32x32 4@5x5 s1 p0
    """

    batch: int
    in_channels: int
    out_channels: int
    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]  # (before, after) per axis
    dilation: tuple[int, ...]
    groups: int = 1
    bias: bool = True
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Refuse what is no convolution, before anything is allocated."""
        try:
            _check(self)
        except (ArgumentError, ShapeError, DtypeError) as error:
            raise error.asked_as(self.field_text()) from None

    # -- addressing ---------------------------------------------------------------------------

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """Return the spatial axes, outermost first."""
        return tuple(
            map(Axis, self.input_size, self.kernel_size, self.stride, self.padding, self.dilation)
        )

    @property
    def output_size(self) -> tuple[int, ...]:
        """Return the output's spatial size: floor((size + padding − extent) / stride) + 1."""
        return tuple(axis.output_size for axis in self.axes)

    @property
    def receptive_field(self) -> tuple[int, ...]:
        """Return how far one output sees in the input, per axis."""
        return tuple(axis.extent for axis in self.axes)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Return [out_channels, in_channels / groups, *kernel_size]."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def taps(self) -> Iterator[tuple[int, ...]]:
        """Yield every kernel index, in memory order."""
        return product(*map(range, self.kernel_size))

    def tap_slices(self, tap: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return (output slices, input slices) that one tap connects; see `Axis.tap_slices`."""
        pairs = [axis.tap_slices(index) for axis, index in zip(self.axes, tap, strict=True)]
        return tuple(writes for writes, _ in pairs), tuple(reads for _, reads in pairs)

    def copies(self) -> npt.NDArray[np.int64]:
        """Return how often im2col copies each pixel of a channel, shape [*input_size]."""
        return reduce(np.multiply.outer, [axis.copies() for axis in self.axes])

    @property
    def is_padded(self) -> bool:
        """Return whether any axis has padding."""
        return any(map(any, self.padding))

    def as_2d(self) -> ConvProblem:
        """Return a problem of one axis as the same problem on images of a single row.

        A problem of two axes is returned as it is; of three, `ShapeError` is raised.

        >>> from glassconv.problem.shorthand import parse
        >>> print(parse("2x11 3@4 s2 p1").as_2d())
        1x2x1x11 3@1x4 s1x2 p0x1
        """
        if self.ndim == 2:
            return self
        return replace(self, **self.one_row())

    def with_reachable_stride(self) -> ConvProblem:
        """Return the same problem with strides that every implementation can address.

        A stride beyond the padded input leaves one output, as the padded input's size does.
        """
        if max(self.stride) <= LARGEST_STEP:
            return self
        sizes = (axis.padded_size for axis in self.axes)
        return replace(self, stride=tuple(map(min, self.stride, sizes)))

    # -- counting -----------------------------------------------------------------------------

    @property
    def taps_per_output(self) -> int:
        """Return how many products one output sums: in_channels / groups · taps."""
        return prod(self.weight_shape[1:])

    @property
    def products_per_output(self) -> int:
        """Return `taps_per_output`: products with padding are counted."""
        return self.taps_per_output

    @property
    def gemm(self) -> Gemm:
        """Return the matrix product this convolution is."""
        return Gemm(
            groups=self.groups,
            m=self.out_channels // self.groups,
            n=self.batch * prod(self.output_size),
            k=self.taps_per_output,
        )

    @property
    def macs(self) -> int:
        """Return multiply-adds, products with padding counted as PyTorch counts them, bias not."""
        return prod(self.output_shape) * self.taps_per_output

    @property
    def padded_bytes(self) -> int:
        """Return the input's size in bytes with its padding laid around it."""
        padded = prod(axis.padded_size for axis in self.axes)
        return self.batch * self.in_channels * padded * self.format.bytes

    @property
    def im2col_bytes(self) -> int:
        """Return the im2col matrix's size in bytes, all groups together."""
        return self.groups * self.gemm.n * self.gemm.k * self.format.bytes

    @property
    def expansion(self) -> float:
        """Return how many times larger the im2col matrix is than the input."""
        return self.im2col_bytes / self.input_bytes if self.batch else 0.0


def _check(problem: ConvProblem) -> None:
    if problem.dtype not in FORMATS:
        known = ", ".join(FORMATS)
        raise DtypeError(f"no algorithm here computes in {problem.dtype}; they compute in {known}")
    _check_sizes(problem)
    _check_groups(problem)
    for number, axis in enumerate(problem.axes):
        if axis.extent > axis.padded_size:
            raise ShapeError(
                f"the kernel spans {axis.extent} positions of spatial axis {number} "
                f"(dilation {axis.dilation} · (kernel {axis.kernel_size} − 1) + 1), but the padded "
                f"input has {axis.padded_size} (size {axis.input_size} + padding "
                f"{axis.padding[0]} + {axis.padding[1]})"
            )
    _check_bytes(problem)


def _check_sizes(problem: ConvProblem) -> None:
    per_axis = {
        "input_size": problem.input_size,
        "kernel_size": problem.kernel_size,
        "stride": problem.stride,
        "padding": problem.padding,
        "dilation": problem.dilation,
    }
    if problem.ndim not in (1, 2, 3):
        raise ShapeError(f"a convolution has 1, 2 or 3 spatial axes, not {problem.ndim}")
    for name, values in per_axis.items():
        if len(values) != problem.ndim:
            raise ShapeError(f"{name} has {len(values)} entries for {problem.ndim} spatial axes")
    for name in ("input_size", "kernel_size", "stride", "dilation"):
        for value in per_axis[name]:
            _check_range(name, value, least=1)
    for pair in problem.padding:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ArgumentError(f"padding must be (before, after) per spatial axis, got {pair}")
    for before, after in problem.padding:
        _check_range("padding", before, least=0)
        _check_range("padding", after, least=0)
    for name in ("in_channels", "out_channels", "groups"):
        _check_range(name, getattr(problem, name), least=1)
    _check_range("batch", problem.batch, least=0)


def _check_range(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise ArgumentError(f"{name} must be a whole number of at least {least}, got {value}")
    if name in ("padding", "dilation") and value > LARGEST_STEP:
        raise ArgumentError(f"{name} must be at most {LARGEST_STEP}, got {value}")


def _check_groups(problem: ConvProblem) -> None:
    for name in ("in_channels", "out_channels"):
        channels = getattr(problem, name)
        if channels % problem.groups:
            raise ArgumentError(
                f"groups must divide {name}, but {channels} is not a multiple of {problem.groups}"
            )


def _check_bytes(problem: ConvProblem) -> None:
    sizes = {
        "padded input": problem.padded_bytes,
        "weight": problem.weight_bytes,
        "output": problem.output_bytes,
    }
    for name, size in sizes.items():
        if size > LARGEST_ARRAY_BYTES:
            raise ShapeError(f"the {name} would take {size} bytes, more than can be addressed")
