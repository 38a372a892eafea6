"""A transposed convolution is a convolution: of its input with zeros inserted, by flipped filters.

A convolution with stride s reads input i = o · s + k · d − p through tap k of output o. Its
transpose sends every number back where it came from: output o adds w[k] · x[o] to position i.
Collect what arrives at one position instead, and it is a convolution again. Insert s − 1 zeros
between neighbours of x, so that x[o] moves to position o · s; then position i is reached through
tap k from position i − k · d + p, which is what a convolution with a flipped kernel reads.

Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016, ch. 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd, prod
from typing import TYPE_CHECKING

from glassconv.errors import ArgumentError, ConvError, ShapeError
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import Size, axes_hint, both_sides, per_axis, whole
from glassconv.problem.axis import Axis
from glassconv.problem.conv_problem import LARGEST_STEP
from glassconv.problem.layer_shapes import LayerShapes
from glassconv.problem.shorthand import read
from glassconv.problem.size_text import once

if TYPE_CHECKING:
    from torch import Tensor

EVERY = (slice(None), slice(None))  # image of the batch, and channel


@dataclass(frozen=True, repr=False)
class TransposedProblem(LayerShapes):
    """A transposed convolution's shapes and steps, with the arguments of `conv_transpose2d`.

    >>> upsample = TransposedProblem(1, 8, 4, (5,), (3,), (2,), ((1, 1),), (1,), (1,))
    >>> upsample.output_size
    (10,)
    >>> print(upsample)
    1x8x5 4@3 s2 p1 transposed o1
    >>> print(upsample.convolution)
    1x8x9 4@3 s1 p1:2
    """

    batch: int
    in_channels: int
    out_channels: int
    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]  # how much of the full result is cut off (before, after)
    output_padding: tuple[int, ...]  # how much is added after it
    dilation: tuple[int, ...]
    groups: int = 1
    bias: bool = True
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Raise `ArgumentError` or `ShapeError` where no transposed convolution has such sizes."""
        try:
            _check(self)
        except ConvError as error:
            raise error.asked_as(self.field_text()) from None

    # -- shapes -------------------------------------------------------------------------------

    def as_2d(self) -> TransposedProblem:
        """Return a problem of one axis as the same problem on images of a single row.

        A problem of two axes is returned as it is; of three, `ShapeError` is raised.

        >>> upsample = TransposedProblem(1, 8, 4, (5,), (3,), (2,), ((1, 1),), (1,), (1,))
        >>> upsample.as_2d().output_size
        (1, 10)
        """
        if self.ndim == 2:
            return self
        return replace(self, **self.one_row(), output_padding=(0, *self.output_padding))

    @property
    def output_size(self) -> tuple[int, ...]:
        """Return (size − 1) · stride − padding + dilation · (kernel − 1) + output_padding + 1."""
        return tuple(
            size + reach - sum(padding) + extra
            for size, reach, padding, extra in zip(
                self.zero_inserted_size,
                self._reach,
                self.padding,
                self.output_padding,
                strict=True,
            )
        )

    @property
    def zero_inserted_size(self) -> tuple[int, ...]:
        """Return the input's size with stride − 1 zeros between neighbours."""
        return tuple((n - 1) * s + 1 for n, s in zip(self.input_size, self.stride, strict=True))

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Return [in_channels, out_channels / groups, *kernel_size]."""
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    # -- counting -----------------------------------------------------------------------------

    @property
    def macs(self) -> int:
        """Return multiply-adds: each input element times its taps, as PyTorch counts them.

        Products that fall on what the padding cuts off are counted, inserted zeros are not.

        >>> parse_transposed("4x8x8 4@3x3 s2 p1 g4 transposed o1").macs
        2304
        """
        return prod(self.input_shape) * prod(self.weight_shape[1:])

    @property
    def products_per_output(self) -> int:
        """Return how many products one output sums at most: of its taps, those that meet an input.

        Tap k of an output meets an input, not an inserted zero, once in stride / gcd(stride,
        dilation) taps.
        """
        taps = (
            -(-kernel * gcd(stride, dilation) // stride)
            for kernel, stride, dilation in zip(
                self.kernel_size, self.stride, self.dilation, strict=True
            )
        )
        return self.in_channels // self.groups * prod(taps)

    # -- the convolution it equals ------------------------------------------------------------

    @cached_property
    def convolution(self) -> ConvProblem:
        """Return the convolution of the zero-inserted input that equals it, up to `cut`."""
        return ConvProblem(
            batch=self.batch,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            input_size=self.zero_inserted_size,
            kernel_size=self.kernel_size,
            stride=(1,) * self.ndim,
            padding=tuple((max(0, before), max(0, after)) for before, after in self.margins),
            dilation=self.dilation,
            groups=self.groups,
            bias=self.bias,
            dtype=self.dtype,
        )

    def with_reachable_stride(self) -> TransposedProblem:
        """Return the same problem with strides that every implementation can address.

        The stride of an axis with a single input moves nothing.
        """
        if max(self.stride) <= LARGEST_STEP:
            return self
        strides = (
            stride if size > 1 else extra + 1
            for stride, size, extra in zip(
                self.stride, self.input_size, self.output_padding, strict=True
            )
        )
        return replace(self, stride=tuple(strides))

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """Return the axes of the convolution whose transpose this is: from its output to its input.

        Input o of the transposed convolution adds to output o · stride + k · dilation − padding
        through tap k.
        """
        return tuple(
            map(Axis, self.output_size, self.kernel_size, self.stride, self.padding, self.dilation)
        )

    @property
    def is_cut(self) -> bool:
        """Return whether padding is wider than the kernel, so that `cut` takes something off."""
        return self.convolution.output_shape != self.output_shape

    def convolution_arrays(
        self, input: Tensor, weight: Tensor, bias: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the operands of `convolution`: the input with zeros inserted, filters flipped."""
        return self.insert_zeros(input), self.flip(weight), bias

    def insert_zeros(self, input: Tensor, channels_last: bool = False) -> Tensor:
        """Return [batch, in_channels, *zero_inserted_size] with zeros between neighbours.

        channels_last: whether channels are contiguous in the result, which has no gaps.
        """
        size = self.zero_inserted_size
        if channels_last:
            zeros = input.new_zeros((self.batch, *size, self.in_channels)).movedim(-1, 1)
        else:
            zeros = input.new_zeros((self.batch, self.in_channels, *size))
        zeros[EVERY + tuple(slice(None, None, step) for step in self.stride)] = input
        return zeros

    def flip(self, weight: Tensor) -> Tensor:
        """Return filters [out_channels, in_channels / groups, *kernel_size], kernels flipped."""
        return flip(weight, self.groups)

    def cut(self, output: Tensor) -> Tensor:
        """Return [batch, out_channels, *output_size]: off with padding wider than the kernel."""
        starts = (max(0, -before) for before, _ in self.margins)
        sizes = zip(starts, self.output_size, strict=True)
        return output[EVERY + tuple(slice(start, start + size) for start, size in sizes)]

    @property
    def _reach(self) -> tuple[int, ...]:
        return tuple(d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True))

    @property
    def margins(self) -> list[tuple[int, int]]:
        """Return (before, after) to pad the zero-inserted input with; cut off where negative."""
        return [
            (reach - before, reach - after + extra)
            for reach, (before, after), extra in zip(
                self._reach, self.padding, self.output_padding, strict=True
            )
        ]

    def __str__(self) -> str:
        """Return the shorthand that `parse_transposed` reads back into this same problem."""
        words = [super().__str__(), "transposed"]
        if set(self.output_padding) != {0}:
            words.append("o" + once(self.output_padding))
        return " ".join(words)


def flip(weight: Tensor, groups: int) -> Tensor:
    """Return a transposed convolution's weight as the filters of the convolution it equals.

    weight: [in_channels, out_channels / groups, *kernel_size]. Returns
    [out_channels, in_channels / groups, *kernel_size], kernels flipped along every axis.
    """
    per_group = weight.reshape(groups, -1, *weight.shape[1:])
    filters = per_group.transpose(1, 2).flatten(0, 1)
    return filters.flip(tuple(range(2, filters.dim())))


def transposed_of(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    bias_shape: Sequence[int] | None = None,
    stride: Size = 1,
    padding: Size | Sequence[tuple[int, int]] = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    *,
    dtype: str = "float32",
) -> TransposedProblem:
    """Return the problem that `F.conv_transpose{1,2,3}d` would solve for arrays of these shapes.

    input_shape: [batch, in_channels, *input_size], or [in_channels, *input_size] for one image.
    weight_shape: [in_channels, out_channels / groups, *kernel_size].

    Raises `ShapeError`, `ArgumentError` or `ArgumentTypeError`, each with the request repeated.

    >>> transposed_of([1, 8, 4, 4], [8, 3, 2, 2], stride=2).output_shape
    (1, 3, 8, 8)
    """
    ndim = len(weight_shape) - 2
    request = (
        f"conv_transpose{ndim}d(input {list(input_shape)}, weight {list(weight_shape)}, "
        f"bias {None if bias_shape is None else list(bias_shape)}, stride={stride!r}, "
        f"padding={padding!r}, output_padding={output_padding!r}, groups={groups!r}, "
        f"dilation={dilation!r})"
    )
    try:
        if ndim not in (1, 2, 3):
            raise ShapeError(
                "the weight must be [in_channels, out_channels / groups, *kernel_size] with 1, 2 "
                f"or 3 kernel sizes, but it has {len(weight_shape)} axes"
            )
        given_shape = input_shape
        if len(input_shape) == ndim + 1:  # one image, without its batch axis
            input_shape = (1, *input_shape)
        if len(input_shape) != ndim + 2:
            raise ShapeError(
                f"the weight has {ndim} kernel sizes, so the input must have {ndim + 1} axes (one "
                f"image) or {ndim + 2} (a batch), but it has {len(input_shape)}"
                f"{axes_hint(input_shape, ndim, weight_shape[0])}"
            )
        batch, in_channels, *input_size = input_shape
        if whole("groups", groups) < 1:
            raise ArgumentError(f"groups must be a whole number of at least 1, got {groups}")
        out_channels = weight_shape[1] * groups
        if weight_shape[0] != in_channels:
            hint = axes_hint(given_shape, ndim, weight_shape[0])
            hint = hint or _weight_hint(in_channels, weight_shape)
            cause = f"the weight reads {weight_shape[0]} channels, but the input has {in_channels}"
            raise ShapeError(cause + hint)
        if bias_shape is not None and tuple(bias_shape) != (out_channels,):
            raise ShapeError(
                f"the bias must be [out_channels] = [{out_channels}], but it is {list(bias_shape)}"
            )
        problem = TransposedProblem(
            batch=batch,
            in_channels=in_channels,
            out_channels=out_channels,
            input_size=tuple(input_size),
            kernel_size=tuple(weight_shape[2:]),
            stride=per_axis("stride", stride, ndim, whole),
            padding=per_axis("padding", padding, ndim, both_sides),
            output_padding=per_axis("output_padding", output_padding, ndim, whole),
            dilation=per_axis("dilation", dilation, ndim, whole),
            groups=groups,
            bias=bias_shape is not None,
            dtype=dtype,
        )
    except ConvError as error:
        raise error.asked_as(request) from None
    return problem


def _weight_hint(in_channels: int, weight_shape: Sequence[int]) -> str:
    """Return how to turn a convolution's weight into a transposed one's, where it is one."""
    if weight_shape[1] != in_channels:
        return ""
    return "; its first axis is in_channels, unlike a convolution's: w.transpose(0, 1)"


def parse_transposed(text: str) -> TransposedProblem:
    """Return the transposed problem that a shorthand describes, as `parse` reads one.

    Its p cuts the output; the word `transposed` may be left out. Raises `ShorthandError`.

    >>> parse_transposed("8x4x4 3@2x2 s2 transposed").output_shape
    (1, 3, 8, 8)
    """
    written = read(text)
    groups = max(written.options.get("groups", 1), 1)
    weight_shape = [written.in_channels, written.out_channels // groups, *written.kernel_size]
    bias_shape = [weight_shape[1] * groups] if written.bias else None
    try:
        if isinstance(padding := written.options.get("padding"), str):
            cause = f"a transposed convolution takes its padding as numbers, not as {padding!r}"
            raise ArgumentError(cause)
        if written.out_channels % groups:  # which no weight shape could show
            cause = (
                f"groups must divide out_channels, "
                f"but {written.out_channels} is not a multiple of {groups}"
            )
            raise ArgumentError(cause)
        return transposed_of(written.input_shape, weight_shape, bias_shape, **written.options)
    except ConvError as error:
        written.refuse(error)


def _check(problem: TransposedProblem) -> None:
    """Refuse what `convolution` does not see: the arguments it is not made of."""
    for name in ("input_size", "stride", "dilation", "kernel_size"):
        for value in getattr(problem, name):
            if value < 1:
                raise ArgumentError(f"{name} must be a whole number of at least 1, got {value}")
    for pair in problem.padding:
        if min(pair) < 0:
            raise ArgumentError(f"padding must be a whole number of at least 0, got {min(pair)}")
    for extra, stride, dilation in zip(
        problem.output_padding, problem.stride, problem.dilation, strict=True
    ):
        if not 0 <= extra < max(stride, dilation):
            raise ArgumentError(
                f"output_padding must be at least 0 and smaller than the stride or the dilation, "
                f"got {extra} with stride {stride} and dilation {dilation}"
            )
    for number, size in enumerate(problem.output_size):
        if size < 1:
            raise ShapeError(
                f"the output would have {size} positions on spatial axis {number}: the padding "
                f"{problem.padding[number][0]} + {problem.padding[number][1]} cuts off more than "
                f"the {size + sum(problem.padding[number])} there are"
            )
    problem.convolution  # noqa: B018  its own checks: groups that divide, sizes that fit memory
