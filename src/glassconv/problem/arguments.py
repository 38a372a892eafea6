"""PyTorch's arguments, normalised once into a ConvProblem.

Below this file nobody sees an int that means a pair, a 'same', or a stride passed loose.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, SupportsIndex, TypeVar

from glassconv.errors import (
    ArgumentError,
    ArgumentRangeError,
    ArgumentTypeError,
    ConvError,
    ShapeError,
)
from glassconv.problem import ConvProblem
from glassconv.problem.suggestions import suggest

Size = int | Sequence[int]  # one for all axes, or one per axis
Padding = Size | Sequence[tuple[int, int]] | str  # or (before, after) per axis, or 'same', 'valid'

Entry = TypeVar("Entry")


def problem_of(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    bias_shape: Sequence[int] | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    dtype: str = "float32",
) -> ConvProblem:
    """Return the problem that `F.conv{1,2,3}d` would solve for arrays of these shapes.

    input_shape: [batch, in_channels, *input_size], or [in_channels, *input_size] for one image.
    weight_shape: [out_channels, in_channels / groups, *kernel_size].
    bias_shape: [out_channels], or None.
    padding: a size, a (before, after) pair per axis, 'valid', or 'same', whose odd one goes after.

    Raises `ShapeError` where two shapes disagree, `ArgumentError` for a value no convolution has,
    `ArgumentTypeError` for what is not a whole number; each repeats the request and, where one
    argument could be changed to make it work, says how.

    >>> print(problem_of([1, 3, 32, 32], [4, 3, 5, 5], [4], padding="same"))
    1x3x32x32 4@5x5 s1 p2
    >>> problem_of([1, 3, 8, 8], [4, 3, 3, 3], stride=0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    glassconv.errors.ArgumentError: conv2d(input [1, 3, 8, 8], weight [4, 3, 3, 3], bias None,
    stride=0, padding=0, dilation=1, groups=1): stride must be a whole number of at least 1, got 0;
    try: stride=1, or stride=2, or stride=3
    """
    ndim = len(weight_shape) - 2
    request = (
        f"conv{ndim}d(input {list(input_shape)}, weight {list(weight_shape)}, "
        f"bias {None if bias_shape is None else list(bias_shape)}, stride={stride!r}, "
        f"padding={padding!r}, dilation={dilation!r}, groups={groups!r})"
    )
    try:
        return _normalise(
            tuple(input_shape),
            tuple(weight_shape),
            None if bias_shape is None else tuple(bias_shape),
            stride,
            padding,
            dilation,
            whole("groups", groups),
            dtype,
        )
    except ConvError as error:
        raise error.asked_as(request) from None


def _normalise(
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    bias_shape: tuple[int, ...] | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    dtype: str,
) -> ConvProblem:
    ndim = len(weight_shape) - 2
    if ndim not in (1, 2, 3):
        raise ShapeError(
            "the weight must be [out_channels, in_channels / groups, *kernel_size] with 1, 2 or 3 "
            f"kernel sizes, but it has {len(weight_shape)} axes"
        )
    given_shape = input_shape
    if len(input_shape) == ndim + 1:  # one image, without its batch axis
        input_shape = (1, *input_shape)
    if len(input_shape) != ndim + 2:
        raise ShapeError(
            f"the weight has {ndim} kernel sizes, so the input must have {ndim + 1} axes (one "
            f"image) or {ndim + 2} (a batch), but it has {len(input_shape)}"
            f"{axes_hint(given_shape, ndim, weight_shape[1] * groups)}"
        )
    batch, in_channels, *input_size = input_shape
    out_channels, channels_per_group, *kernel_size = weight_shape
    strides = per_axis("stride", stride, ndim, whole)
    dilations = per_axis("dilation", dilation, ndim, whole)
    if groups < 1:
        raise ArgumentError(f"groups must be a whole number of at least 1, got {groups}")
    if channels_per_group * groups != in_channels:
        channels = {
            "groups": groups,
            "the input's channels": in_channels,
            "the weight's channels": channels_per_group,
        }
        expected = channels_per_group * groups
        raise ShapeError(
            f"the weight reads {channels_per_group} channels × {groups} groups = {expected}, "
            f"but the input has {in_channels}{axes_hint(given_shape, ndim, expected)}",
            suggestions=suggest(channels, partial(_channels_agree, out_channels)),
        )
    if bias_shape is not None and bias_shape != (out_channels,):
        raise ShapeError(
            f"the bias must be [out_channels] = [{out_channels}], but it is {list(bias_shape)}"
        )
    fields: dict[str, Any] = {
        "in_channels": in_channels,
        "out_channels": out_channels,
        "input_size": tuple(input_size),
        "kernel_size": tuple(kernel_size),
        "stride": strides,
        "padding": _padding(padding, tuple(input_size), tuple(kernel_size), strides, dilations),
        "dilation": dilations,
        "groups": groups,
    }
    others: dict[str, Any] = {"batch": batch, "bias": bias_shape is not None, "dtype": dtype}
    try:
        return ConvProblem(**fields, **others)
    except (ShapeError, ArgumentError) as error:
        raise error.with_suggestions(suggest(fields, partial(_is_problem, others))) from None


def axes_hint(shape: Sequence[int], ndim: int, in_channels: int) -> str:
    """Return how to give an input the axes that a convolution reads, where its shape shows it.

    in_channels: what the weight reads. The channels may be the last axis, or there may be none.

    >>> axes_hint((1, 32, 32, 3), 2, 3)
    '; channels come first: x.permute(0, 3, 1, 2)'
    >>> axes_hint((8, 28, 28), 2, 1)
    '; is this a batch without a channel axis? x.unsqueeze(1)'
    """
    if shape and shape[-1] == in_channels and len(shape) > ndim:
        *others, last = range(len(shape))
        place = len(shape) - ndim - 1  # 1 behind a batch axis, else 0
        return f"; channels come first: x.permute{(*others[:place], last, *others[place:])}"
    if in_channels == 1 and len(shape) == ndim + 1:
        return "; is this a batch without a channel axis? x.unsqueeze(1)"
    if in_channels == 1 and len(shape) == ndim:
        return "; is this one image without a channel axis? x.unsqueeze(0)"
    return ""


def _is_problem(others: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    try:
        ConvProblem(**fields, **others)
    except ConvError:
        return False
    return True


def _channels_agree(out_channels: int, channels: Mapping[str, Any]) -> bool:
    groups, of_input, of_weight = channels.values()
    divide = groups > 0 and out_channels % groups == 0
    return bool(divide and of_weight > 0 and groups * of_weight == of_input)


def _padding(
    padding: Padding,
    input_size: tuple[int, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    ndim = len(kernel_size)
    if not isinstance(padding, str):
        return per_axis("padding", padding, ndim, both_sides)
    if padding == "valid":
        return ((0, 0),) * ndim
    if padding != "same":
        raise ArgumentError(f"padding must be a size, 'same' or 'valid', got {padding!r}")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True)]
    halves = tuple((total // 2, total - total // 2) for total in totals)
    if set(stride) != {1}:
        tensorflow = _tensorflow_same(input_size, totals, stride)
        raise ArgumentError(
            f"padding='same' keeps the size only with stride 1, got stride {list(stride)} "
            f"(TensorFlow's 'SAME' pads {tensorflow})",
            suggestions=(
                "stride=1",
                "padding='valid'",
                *(f"padding={each}" for each in dict.fromkeys((halves, tensorflow))),
            ),
        )
    return halves


def _tensorflow_same(
    input_size: Sequence[int], reach: Sequence[int], stride: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Return TensorFlow's 'SAME' padding, which leaves ⌈size / stride⌉ outputs.

    reach: how far a window reaches beyond its first position, dilation · (kernel − 1).

    >>> _tensorflow_same([6], [2], [2])
    ((0, 1),)
    """
    pairs = []
    for size, further, step in zip(input_size, reach, stride, strict=True):
        total = max(0, (-(-size // step) - 1) * step + further + 1 - size) if step > 0 else further
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def settled(name: str, value: object) -> Any:
    """Return a size, or sizes, as ints and tuples; a string such as 'same' is returned unchanged.

    Raises `ArgumentTypeError` for what is not a whole number.

    >>> settled("stride", [2, 1])
    (2, 1)
    """
    kind = type(value)
    if kind is int or kind is str:  # first, since checks of protocols take microseconds
        return value
    if isinstance(value, list | tuple):  # as in PyTorch, no other sequence
        return tuple([settled(name, entry) for entry in value])
    return str.__str__(value) if isinstance(value, str) else whole(name, value)


def settled_name(argument: str, value: object) -> str:
    """Return a name as a string; a subclass of str, such as an enum's, may compare otherwise.

    Raises `ArgumentTypeError` for what is not a string.

    >>> settled_name("algorithm", "direct")
    'direct'
    """
    if isinstance(value, str):
        return str.__str__(value)
    kind = type(value).__name__
    raise ArgumentTypeError(f"{argument} must be a name, got {value!r} of type {kind}")


def per_axis(
    name: str, value: object, ndim: int, one: Callable[[str, object], Entry]
) -> tuple[Entry, ...]:
    """Read one entry for all axes, or one per axis."""
    if not isinstance(value, list | tuple):
        return (one(name, value),) * ndim
    values = tuple(one(name, entry) for entry in value)
    if len(values) not in (1, ndim):
        raise ArgumentError(
            f"{name} must be one number or {ndim}, one per spatial axis, got {value!r}"
        )
    return values if len(values) == ndim else values * ndim


def both_sides(name: str, value: object) -> tuple[int, int]:
    """Read (before, after), or one size for both."""
    if isinstance(value, list | tuple) and len(value) == 2:
        return whole(name, value[0]), whole(name, value[1])
    size = whole(name, value)
    return size, size


def whole(name: str, value: object) -> int:
    """Read a whole number, or raise `ArgumentTypeError`."""
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        try:
            number = operator.index(value)
        except TypeError:  # an array of several numbers, or of a number that is not whole
            pass
        else:
            if not -(2**63) <= number < 2**63:
                raise ArgumentRangeError(f"{name} must fit 64 bits, got {number}")
            return number
    raise ArgumentTypeError(
        f"{name} must be a whole number, got {value!r} of type {type(value).__name__}"
    )
