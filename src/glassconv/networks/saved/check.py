"""Check that the shapes which a file states are those that its operations compute.

Kernels read and write as far as the shapes say, so a wrong one would be memory that is not theirs.
Operations are called with tensors that have shapes and no numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glassconv.algorithms.parts.uneven_padding import pad
from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.errors import NetworkError
from glassconv.networks.convolutions import is_convolution, read
from glassconv.networks.exported.shape_check import MOST_BYTES
from glassconv.networks.files.quote import first_line, quoted
from glassconv.networks.graph import Operation, Value, with_each
from glassconv.networks.operator_words import wrong_word
from glassconv.networks.passes.fuse_elementwise import FUNCTION
from glassconv.networks.passes.scale_weights import takes_scale
from glassconv.networks.passes.sums import ADDED, BY_ROWS, EPILOGUE, is_sum
from glassconv.networks.plan.rules import RULES
from glassconv.networks.tensors import dtype_of, tensors_in
from glassconv.operations.elementwise import Expression, arrays_in
from glassconv.problem.activations import ACTIVATIONS


def check_shapes(operation: Operation) -> None:
    """Raise `NetworkError` for an operation that does not compute what is stated."""
    request = operation.name
    for value in (*operation.inputs, *operation.outputs):
        check_size(value)
    if operation.function in RULES and not _has_one_type(operation):
        raise NetworkError("kernels take arrays of one element type", request=request)
    if operation.function == FUNCTION:
        _check_expression(operation)
        return
    arguments = dict(operation.arguments)
    if is_sum(operation):
        _check_epilogue(operation)
        arguments = {name: each for name, each in arguments.items() if name not in ADDED}
    _check_kinds(operation, arguments)
    given = {name: with_each(each, _meta) for name, each in arguments.items()}
    try:
        if is_convolution(operation):
            given = _padded(given)
        with torch.inference_mode():
            found = operation.overload(**given)
    except Exception as error:  # each operator raises its own
        raise NetworkError(
            f"it cannot be computed: {first_line(str(error))}", request=request
        ) from None
    if is_convolution(operation):
        read(operation)  # PyTorch does not compare a bias without numbers with its convolution
    if is_sum(operation) and "scale" in operation.arguments and not takes_scale(operation):
        raise NetworkError("its scale has no factor for each channel", request=request)
    computed = [(tuple(each.shape), each.dtype) for each in tensors_in(found)]
    stated = [(each.shape, dtype_of(each)) for each in operation.outputs]
    if computed != stated:
        cause = f"it computes {quoted(computed)}, where the file states {quoted(stated)}"
        raise NetworkError(cause, request=request)


def check_size(value: Value) -> None:
    """Raise `NetworkError` for a value that no memory holds."""
    size = dtype_of(value).itemsize
    for each in value.shape:
        size *= max(each, 1)
    if size > MOST_BYTES:
        cause = f"it has a value of shape {value.shape}, which is more than {MOST_BYTES >> 30} GiB"
        raise NetworkError(cause)


def _check_kinds(operation: Operation, arguments: Mapping[str, Any]) -> None:
    """Raise for other arguments than the operator has, and for a number in place of a word."""
    schema = operation.overload._schema.arguments
    names = {each.name for each in schema}
    if names != set(arguments):
        cause = f"it has the arguments {quoted(sorted(arguments))}"
        raise NetworkError(f"{cause}, where {operation.function} has {quoted(sorted(names))}")
    cause = wrong_word(operation.overload, arguments)
    if cause:
        raise NetworkError(cause, request=operation.name)


def _has_one_type(operation: Operation) -> bool:
    return len({each.dtype for each in (*operation.inputs, *operation.outputs)}) == 1


def _check_epilogue(operation: Operation) -> None:
    residual, activation = (operation.arguments.get(name) for name in EPILOGUE)
    if operation.arguments.get(BY_ROWS) not in (None, True):
        raise NetworkError(f"its {BY_ROWS} must be true", request=operation.name)
    output = operation.outputs[0]
    if residual is not None and not (
        isinstance(residual, Value) and residual.shape == output.shape
    ):
        cause = f"its residual must have the shape {output.shape}"
        raise NetworkError(cause, request=operation.name)
    if activation is not None and activation not in ACTIVATIONS:
        cause = f"its activation is {quoted(activation)}, which no kernel applies"
        raise NetworkError(cause, request=operation.name)


def _check_expression(operation: Operation) -> None:
    arguments = dict(operation.arguments)
    expression = arguments.pop("expression", None)
    output = operation.outputs[0]
    names = set(arrays_in(expression)) if isinstance(expression, Expression) else set()
    values = list(arguments.values())
    if not names or names != set(arguments) or not all(isinstance(v, Value) for v in values):
        raise NetworkError("its expression and its arrays do not fit", request=operation.name)
    try:
        shape = np.broadcast_shapes(*(each.shape for each in values))
    except ValueError:
        shape = ()
    if shape != output.shape or output.dtype not in ELEMENT_BYTES:
        cause = f"its arrays have no common shape {output.shape} in float32 or float64"
        raise NetworkError(cause, request=operation.name)


def _padded(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a convolution's arguments as PyTorch's operator takes them.

    A padding whose two ends may differ, as `fold_padding` writes it, is around the input instead.
    """
    padding = arguments["padding"]
    if not isinstance(padding, tuple) or not any(isinstance(each, tuple) for each in padding):
        return arguments
    input = pad(arguments["input"], padding)
    return {**arguments, "input": input, "padding": [0] * len(padding)}


def _meta(value: Value) -> Tensor:
    return torch.empty(value.shape, dtype=dtype_of(value), device="meta")


def check_tensor(value: Value, tensor: Tensor) -> None:
    """Raise `NetworkError` for a tensor of the file that is not as it is stated."""
    if tuple(tensor.shape) != value.shape or tensor.dtype != dtype_of(value):
        cause = f"its tensor {value.number} is {tuple(tensor.shape)} in {tensor.dtype}"
        raise NetworkError(f"{cause}, where {value.shape} in {value.dtype} is stated")
