"""PyTorch's own convolution with the arguments of a call, as they are given.

Nothing is planned or remembered, and no size has to be a number: while `torch.jit.trace`, `make_fx`
or `torch.export` records a graph, sizes are symbols. Gradients, vmap, devices, modes and subclasses
are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms import named
from glassconv.algorithms.aten import CONVOLUTIONS, TRANSPOSED_CONVOLUTIONS
from glassconv.dispatch.array_boundary import torch_dtype_name
from glassconv.dispatch.select import ACCURACY, AUTO
from glassconv.errors import DtypeError, ShapeError, unknown_name
from glassconv.problem.activations import Epilogue
from glassconv.problem.problem import Arguments


def pytorch_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> Tensor:
    """Return PyTorch's convolution of the arrays, with the residual and the activation applied.

    PyTorch pads, or cuts off, both sides of an axis alike; what is uneven is done around its call.
    Raises PyTorch's errors.
    """
    compute = _transposed_convolution if arguments.transposed else _convolution
    output = compute(input, weight, bias, arguments)
    if residual is None and arguments.activation is None:
        return output
    if residual is not None:
        check_residual(residual, input, output, arguments.function)
    return Epilogue(arguments.activation, residual is not None).applied(output, residual)


def check_names(arguments: Arguments) -> None:
    """Raise `UnknownNameError` for an algorithm or an accuracy that does not exist."""
    if arguments.algorithm != AUTO:
        named(arguments.algorithm)
    if arguments.accuracy not in ACCURACY:
        raise unknown_name("accuracy", arguments.accuracy, ACCURACY)


def check_residual(residual: Tensor, input: Tensor, output: Tensor, function: str) -> None:
    """Raise `ShapeError` or `DtypeError` for a residual that PyTorch would broadcast or promote."""
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return  # torch.jit.trace would record that its sizes are compared, and warn
    if residual.shape != output.shape:
        cause = (
            f"the residual must have the output's shape, {list(output.shape)}, "
            f"not {list(residual.shape)}"
        )
        raise ShapeError(cause, request=function)
    if residual.dtype not in (output.dtype, input.dtype):  # which autocast may tell apart
        kinds = torch_dtype_name(residual.dtype), torch_dtype_name(output.dtype)
        cause = "the residual is {} and the output {}; they must have one element type"
        raise DtypeError(cause.format(*kinds), request=function)


def sides(padding: object, ndim: int) -> list[tuple[Any, Any]] | None:
    """Return (before, after) for each axis where a padding gives any axis two sizes, else None.

    >>> sides(((1, 2), 3), 2)
    [(1, 2), (3, 3)]
    >>> sides((1, 2), 2)
    """
    if not isinstance(padding, list | tuple) or not any(
        isinstance(entry, list | tuple) for entry in padding
    ):
        return None
    pairs = [
        (entry[0], entry[1]) if isinstance(entry, list | tuple) else (entry, entry)
        for entry in padding
    ]
    return pairs * ndim if len(pairs) == 1 else pairs


def pad(input: Tensor, padding: Sequence[tuple[Any, Any]]) -> Tensor:
    """Return the input with zeros (before, after) each of its last axes."""
    innermost_first = [size for pair in reversed(padding) for size in pair]
    return F.pad(input, innermost_first)


def cut(output: Tensor, padding: Sequence[tuple[Any, Any]]) -> Tensor:
    """Return the output without the first and the last elements of each of its last axes."""
    for axis, (before, after) in zip(range(-len(padding), 0), padding, strict=True):
        output = output.narrow(axis, before, output.shape[axis] - before - after)
    return output


def beyond_even(padding: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return by how much each side of each axis has more padding than the other side.

    >>> beyond_even([(1, 3), (2, 2)])
    [(0, 2), (0, 0)]
    """
    return [(before - min(before, after), after - min(before, after)) for before, after in padding]


def _convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, arguments: Arguments
) -> Tensor:
    padding: Any = arguments.padding
    pairs = sides(padding, arguments.ndim)
    if pairs is not None:
        padding = [before for before, _ in pairs]
        if any(before != after for before, after in pairs):
            input, padding = pad(input, pairs), 0
    convolve = CONVOLUTIONS[arguments.ndim - 1]
    return convolve(
        input, weight, bias, arguments.stride, padding, arguments.dilation, arguments.groups
    )


def _transposed_convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, arguments: Arguments
) -> Tensor:
    padding: Any = arguments.padding
    pairs = sides(padding, arguments.ndim)
    if pairs is not None:
        padding = [min(pair) for pair in pairs]
    convolve = TRANSPOSED_CONVOLUTIONS[arguments.ndim - 1]
    output = convolve(
        input,
        weight,
        bias,
        arguments.stride,
        padding,
        arguments.output_padding,
        arguments.groups,
        arguments.dilation,
    )
    if pairs is None or not any(map(any, beyond_even(pairs))):
        return output
    return cut(output, beyond_even(pairs)).clone()  # dense, as an output that kernels write
