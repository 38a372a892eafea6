"""Convolution functions with PyTorch's arguments, for NumPy arrays and tensors alike."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.arguments import Padding, Size, problem_of
from glassconv.errors import ArgumentTypeError, DtypeError, ShapeError
from glassconv.report import Array
from glassconv.rounding import FORMATS
from glassconv.select import AUTO, choose

A = TypeVar("A", Array, Tensor)


def conv2d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
) -> A:
    """Convolve pictures with filters, as `torch.nn.functional.conv2d` does.

    input: [batch, in_channels, height, width], or without the batch axis for one picture.
    weight: [out_channels, in_channels / groups, kernel_h, kernel_w].
    bias: [out_channels].
    stride, dilation: one size, or (vertical, horizontal).
    padding: likewise, or ((top, bottom), (left, right)), 'same' or 'valid'.
    algorithm: "auto", or a name that `glassconv algorithms` lists; a name runs or raises.
    accuracy: "strict", "default", "fast" or "any": how much less accurate than PyTorch's own an
        algorithm may be.

    Returns [batch, out_channels, out_h, out_w], of the kind it was given: NumPy arrays in, an array
    out; tensors in, a tensor out, which can be differentiated. Raises `ShapeError`,
    `ArgumentError`, `ArgumentTypeError` or `DtypeError` (each of PyTorch's own class for the same
    mistake), `UnsupportedError` if the named algorithm cannot, `UnknownNameError` if there is none.

    Source: K. Fukushima, Neocognitron, 1980; Y. LeCun et al., Backpropagation applied to
    handwritten zip code recognition, 1989.

    >>> picture = np.arange(16.0).reshape(1, 4, 4)
    >>> edges = np.array([[[[-1.0, 1.0]]]])
    >>> conv2d(picture, edges, algorithm="im2col")
    array([[[1., 1., 1.],
            [1., 1., 1.],
            [1., 1., 1.],
            [1., 1., 1.]]])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups, algorithm, accuracy)


def conv1d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
) -> A:
    """Convolve sequences with filters: `conv2d` with one spatial axis.

    input: [batch, in_channels, length] or [in_channels, length].
    weight: [out_channels, in_channels / groups, kernel].
    Returns [batch, out_channels, out_length]. Arguments and errors as for `conv2d`.

    >>> conv1d(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[[1.0, 1.0]]]))
    array([[ 3.,  6., 12.]])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups, algorithm, accuracy)


def conv3d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
) -> A:
    """Convolve volumes with filters: `conv2d` with three spatial axes.

    input: [batch, in_channels, depth, height, width], or without the batch axis.
    weight: [out_channels, in_channels / groups, kernel_d, kernel_h, kernel_w].
    Returns [batch, out_channels, out_d, out_h, out_w]. Arguments and errors as for `conv2d`.

    >>> conv3d(np.ones((1, 2, 2, 2)), np.ones((1, 1, 2, 2, 2)))
    array([[[[8.]]]])
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups, algorithm, accuracy)


def _convolve(
    ndim: int,
    input: A,
    weight: A,
    bias: A | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    algorithm: str,
    accuracy: str,
) -> A:
    arrays = {"input": input, "weight": weight} | ({} if bias is None else {"bias": bias})
    _check_arrays(f"conv{ndim}d", arrays, ndim)
    x, w = _as_tensor(input), _as_tensor(weight)
    b = None if bias is None else _as_tensor(bias)
    problem = problem_of(
        x.shape,
        w.shape,
        None if b is None else b.shape,
        stride,
        padding,
        dilation,
        groups,
        dtype=_dtype_name(w),
    )
    choice = choose(problem, algorithm, accuracy)
    output = named(choice.algorithm).run(problem, x.reshape(problem.input_shape), w, b)
    if x.dim() == ndim + 1:
        output = output[0]
    return output if isinstance(input, Tensor) else output.numpy()


def _check_arrays(function: str, arrays: dict[str, Any], ndim: int) -> None:
    """Refuse what are not arrays of one kind and one element type."""
    kinds = {name: type(array).__name__ for name, array in arrays.items()}
    request = f"{function}({', '.join(f'{name}: {kind}' for name, kind in kinds.items())})"
    all_numpy = all(isinstance(array, np.ndarray) for array in arrays.values())
    if not all_numpy and not all(isinstance(array, Tensor) for array in arrays.values()):
        raise ArgumentTypeError("give all NumPy arrays or all tensors", request=request)

    dtypes = {name: _dtype_name(array) for name, array in arrays.items()}
    shapes = ", ".join(
        f"{name} {list(array.shape)} {dtypes[name]}" for name, array in arrays.items()
    )
    request = f"{function}({shapes})"
    if len(set(dtypes.values())) > 1:
        raise DtypeError("input, weight and bias must have one element type", request=request)
    if dtypes["input"] not in FORMATS:
        cause = f"no algorithm here computes in {dtypes['input']}; they compute in "
        raise DtypeError(cause + ", ".join(FORMATS), request=request)
    if arrays["weight"].ndim != ndim + 2:
        cause = (
            f"the weight must be [out_channels, in_channels / groups, *kernel_size], {ndim + 2} "
            f"axes, but it has {arrays['weight'].ndim}"
        )
        raise ShapeError(cause, request=request)


def _dtype_name(array: Array | Tensor) -> str:
    """Return the element type's name, the same for NumPy and PyTorch."""
    return array.dtype.name if isinstance(array, np.ndarray) else str(array.dtype)[len("torch.") :]


def _as_tensor(array: Array | Tensor) -> Tensor:
    """Return a tensor on the same memory, copied only where PyTorch cannot take it as it lies."""
    if isinstance(array, Tensor):
        return array
    odd_steps = any(step < 0 or step % array.itemsize for step in array.strides)
    if odd_steps or not array.flags.writeable or not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(array)
