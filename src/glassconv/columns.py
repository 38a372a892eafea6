"""unfold and fold: an input as columns of windows, and columns added back into an input.

PyTorch's operators compute them, with gradients, for the element types that PyTorch has them for.
Added here: NumPy arrays, one and three spatial axes, and errors that state the cause before
anything runs. PyTorch 2.13 crashes on a padding of 2**31, and for a kernel of 2**40 it returns a
shape with a negative size. `problem/im2col_map.py` has both operations written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import SymInt, Tensor
from torch.overrides import has_torch_function_unary

from glassconv.dispatch.array_boundary import A, as_tensor, dtype_name
from glassconv.dispatch.storage import check_storage
from glassconv.errors import (
    ArgumentError,
    ArgumentRangeError,
    ArgumentTypeError,
    AxesError,
    ConvError,
    ShapeError,
    UnsupportedDtypeError,
)
from glassconv.problem.arguments import Size, whole
from glassconv.problem.axis import Axis
from glassconv.problem.conv_problem import LARGEST_STEP
from glassconv.problem.suggestions import suggest

Sizes = dict[str, tuple[int, ...]]  # each argument by its name, a number per spatial axis


def unfold(
    input: A, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> A:
    """Return the windows of an input as columns, as `torch.nn.functional.unfold` does.

    input: [batch, channels, height, width]; [batch, channels, length] where kernel_size is one
        number in a tuple, [batch, channels, depth, height, width] where it is three. Each may be
        without the batch axis.
    kernel_size, dilation, padding, stride: an int, or one per spatial axis, in input elements.

    Returns [batch, channels · taps, windows], zero where a window reads padding: a NumPy array for
    a NumPy array, a tensor for a tensor. Tensors support autograd.

    Raises `ShapeError`, `ArgumentError`, `ArgumentTypeError` or `UnsupportedDtypeError`, each a
    subclass of what PyTorch raises for the same mistake.

    Source: K. Chellapilla, S. Puri and P. Simard, High performance convolutional neural networks
    for document processing, 2006.

    >>> import numpy as np
    >>> unfold(np.arange(9.0).reshape(1, 3, 3), 2)
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    >>> unfold(np.array([[1.0, 2.0, 3.0]]), (2,))
    array([[1., 2.],
           [2., 3.]])
    """
    sizes = {
        "kernel_size": kernel_size,
        "dilation": dilation,
        "padding": padding,
        "stride": stride,
    }
    result: A = _call("unfold", input, sizes)
    return result


def fold(
    input: A,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> A:
    """Return the array that columns of windows add up to, as `torch.nn.functional.fold` does.

    It is the transpose of `unfold`, not its inverse: an element that several windows hold becomes
    the sum of what they hold. It is also called col2im.

    input: [batch, channels · taps, windows], or without the batch axis.
    output_size: an int, or one per spatial axis, of which there are as many as for `unfold`.

    Returns [batch, channels, *output_size]. Other arguments and errors as for `unfold`.

    >>> import numpy as np
    >>> fold(unfold(np.ones((1, 3, 3)), 2), 3, 2)
    array([[[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]]])
    """
    sizes = {
        "output_size": output_size,
        "kernel_size": kernel_size,
        "dilation": dilation,
        "padding": padding,
        "stride": stride,
    }
    result: A = _call("fold", input, sizes)
    return result


def _call(function: str, input: A, given: dict[str, Any]) -> Any:
    """Check a call and run it; an error repeats the request."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
    if not isinstance(input, Tensor | np.ndarray):
        if has_torch_function_unary(input):  # a proxy of torch.fx, whose shape is not known
            return getattr(F, function)(input, **given)
        cause = f"the input must be a NumPy array or a tensor, not a {type(input).__name__}"
        raise ArgumentTypeError(cause, request=f"{function}({arguments})")
    given = {name: _listed(size) for name, size in given.items()}
    kernel_size = given["kernel_size"]
    ndim = len(kernel_size) if isinstance(kernel_size, tuple) else 2
    try:
        if ndim not in (1, 2, 3):
            raise ArgumentError(f"kernel_size must be an int or 1, 2 or 3 numbers, got {ndim}")
        if isinstance(input, Tensor) and _is_traced(input, given):
            return _run(function, input, {name: _every(size, ndim) for name, size in given.items()})
        sizes = {name: _read(name, size, ndim) for name, size in given.items()}
        check = _check_unfold if function == "unfold" else _check_fold
        check(tuple(input.shape), ndim, sizes)
        if isinstance(input, Tensor):
            check_storage(function, {"input": input})
            return _run(function, input, sizes)
        return _run(function, _as_tensor(function, input), sizes).numpy()
    except ConvError as error:
        request = f"{function}(input {list(input.shape)}, {arguments})"
        raise error.asked_as(request) from None


def _is_traced(input: Tensor, given: dict[str, Any]) -> bool:
    """Return whether a size may be a symbol, which a check would make a constant of the trace."""
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return True
    sizes = [size if isinstance(size, tuple) else [size] for size in given.values()]
    return any(isinstance(number, SymInt) for number in chain(input.shape, *sizes))


# -- checks ---------------------------------------------------------------------------------------


def _listed(size: Any) -> Any:
    """Return a list or an array of sizes as a tuple, and one size as it is."""
    if isinstance(size, str | bytes) or not isinstance(size, Iterable):
        return size
    return size if getattr(size, "ndim", 1) == 0 else tuple(size)


def _every(size: Any, ndim: int) -> tuple[Any, ...]:
    return size if isinstance(size, tuple) else (size,) * ndim


def _read(name: str, value: object, ndim: int) -> tuple[int, ...]:
    """Return a whole number per axis. Unlike a convolution, PyTorch repeats no tuple of one."""
    try:
        numbers = tuple(whole(name, entry) for entry in _every(value, ndim))
    except ArgumentRangeError as error:  # PyTorch raises a TypeError
        raise ArgumentTypeError(error.cause) from None
    if len(numbers) != ndim:
        cause = f"{name} must be an int or {ndim} numbers, one per spatial axis, got {value!r}"
        raise ArgumentError(cause)
    return numbers


def _check_unfold(shape: tuple[int, ...], ndim: int, sizes: Sizes) -> None:
    cause = (
        f"for {ndim} kernel sizes the input must have {ndim + 1} axes, [channels, *size], or "
        f"{ndim + 2}, [batch, channels, *size], but it has {len(shape)}"
    )
    if len(shape) < ndim + 1:
        raise AxesError(cause)
    if len(shape) > ndim + 2:
        raise ShapeError(cause)
    if 0 in shape[-ndim - 1 :]:
        raise ShapeError("the input may have an empty batch, but no other empty axis")
    _check_or_suggest(_count_windows, {"input_size": shape[-ndim:], **sizes})


def _check_fold(shape: tuple[int, ...], ndim: int, sizes: Sizes) -> None:
    if len(shape) not in (2, 3):
        cause = (
            "the input must be [channels · taps, windows] or [batch, channels · taps, windows], "
            f"but it has {len(shape)} axes"
        )
        raise ShapeError(cause)
    rows, columns = shape[-2:]
    if 0 in (rows, columns):
        raise ShapeError("the input may have an empty batch, but no other empty axis")
    _check_or_suggest(partial(_check_columns, rows, columns), sizes)


def _check_or_suggest(check: Callable[[Sizes], object], sizes: Sizes) -> None:
    """Run a check; add to its error the nearest arguments that pass it."""

    def passes(changed: Mapping[str, Any]) -> bool:
        try:
            check(dict(changed))
        except ConvError:
            return False
        return True

    try:
        check(sizes)
    except ConvError as error:
        raise error.with_suggestions(suggest(sizes, passes)) from None


def _check_columns(rows: int, columns: int, sizes: Sizes) -> None:
    windows, taps = _count_windows(sizes), prod(sizes["kernel_size"])
    if rows % taps:
        raise ShapeError(f"the input has {rows} rows, no multiple of the kernel's {taps} taps")
    if prod(windows) != columns:
        count = " × ".join(map(str, windows))
        if len(windows) > 1:
            count += f" = {prod(windows)}"
        raise ShapeError(f"the input has {columns} columns, but the output has {count} windows")


def _count_windows(sizes: Sizes) -> list[int]:
    """Return how many windows an axis has; raise an error where it has none."""
    for name, numbers in sizes.items():
        least = 0 if name == "padding" else 1
        if min(numbers) < least:
            cause = f"{name} must be a whole number of at least {least}, got {min(numbers)}"
            raise ArgumentError(cause)
        if max(numbers) > LARGEST_STEP and name != "stride":
            raise ArgumentError(f"{name} must be at most {LARGEST_STEP}, got {max(numbers)}")
    array = "output" if "output_size" in sizes else "input"
    steps = [f"{array}_size", "kernel_size", "stride", "padding", "dilation"]
    windows: list[int] = []
    for size, kernel, stride, padding, dilation in zip(
        *(sizes[name] for name in steps), strict=True
    ):
        axis = Axis(size, kernel, stride, (padding, padding), dilation)
        if axis.extent > axis.padded_size:
            cause = (
                f"the kernel spans {axis.extent} positions of spatial axis {len(windows)} "
                f"(dilation {dilation} · (kernel {kernel} − 1) + 1), but the padded {array} has "
                f"{axis.padded_size} (size {size} + padding {padding} + {padding})"
            )
            raise ShapeError(cause)
        windows.append(axis.output_size)
    return windows


# -- PyTorch's operators --------------------------------------------------------------------------


def _as_tensor(function: str, array: Any) -> Tensor:
    try:
        return as_tensor(array)
    except TypeError:
        raise UnsupportedDtypeError(f"PyTorch has no {array.dtype}") from None


def _run(function: str, input: Tensor, sizes: dict[str, tuple[Any, ...]]) -> Tensor:
    operator = OPERATORS[function, len(sizes["kernel_size"])]
    try:
        return operator(input, **sizes)
    except NotImplementedError:
        kind = dtype_name(input) if input.layout is torch.strided else str(input.layout)
        cause = f"PyTorch has no {function} for {kind} on {input.device}"
        raise UnsupportedDtypeError(cause) from None


def _unfold_1d(input: Tensor, **sizes: tuple[int, ...]) -> Tensor:
    return F.unfold(input.unsqueeze(-2), **_with_height(sizes))


def _fold_1d(input: Tensor, **sizes: tuple[int, ...]) -> Tensor:
    return F.fold(input, **_with_height(sizes)).squeeze(-2)


def _with_height(sizes: Sizes) -> dict[str, Any]:
    """Return the sizes for images of one row."""
    return {name: (int(name != "padding"), *numbers) for name, numbers in sizes.items()}


def _unfold_3d(input: Tensor, **sizes: tuple[int, ...]) -> Tensor:
    """Unfold each plane, [height, width], and then the depth of the columns that this gives."""
    *batch, channels, depth, height, width = input.shape
    images = prod(batch) * channels
    deep, flat = _depth_and_plane(sizes)
    columns = F.unfold(input.reshape(images * depth, 1, height, width), **flat)
    taps, windows = columns.shape[1:]
    columns = F.unfold(columns.reshape(images, 1, depth, taps * windows), **deep)
    kernel_depth, places = columns.shape[1], columns.shape[2] // (taps * windows)
    columns = columns.reshape(images, kernel_depth, places, taps, windows).transpose(2, 3)
    return columns.reshape(*batch, channels * kernel_depth * taps, places * windows)


def _fold_3d(input: Tensor, **sizes: tuple[int, ...]) -> Tensor:
    """Fold the depth of the columns, and then each plane."""
    *batch, rows, columns = input.shape
    deep, flat = _depth_and_plane(sizes)
    depth, *plane = sizes["output_size"]
    kernel_depth, taps = sizes["kernel_size"][0], prod(sizes["kernel_size"][1:])
    channels = rows // (kernel_depth * taps)
    windows = prod(_count_windows({name: numbers[1:] for name, numbers in sizes.items()}))
    places, images = columns // windows, prod(batch) * channels
    split = input.reshape(images, kernel_depth, taps, places, windows).transpose(2, 3)
    deep["output_size"] = (depth, taps * windows)
    planes = F.fold(split.reshape(images, kernel_depth, places * taps * windows), **deep)
    folded = F.fold(planes.reshape(images * depth, taps, windows), **flat)
    return folded.reshape(*batch, channels, depth, *plane)


def _depth_and_plane(sizes: Sizes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sizes along the depth alone, and those of a plane."""
    deep = {name: (numbers[0], int(name != "padding")) for name, numbers in sizes.items()}
    return deep, {name: numbers[1:] for name, numbers in sizes.items()}


OPERATORS: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("unfold", 1): _unfold_1d,
    ("unfold", 2): F.unfold,
    ("unfold", 3): _unfold_3d,
    ("fold", 1): _fold_1d,
    ("fold", 2): F.fold,
    ("fold", 3): _fold_3d,
}
