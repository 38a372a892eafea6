"""Dispatch a call: validate the arguments, choose an implementation, and cache it.

The first call with some shapes, strides, element types and arguments checks them, chooses an
algorithm and plans its kernel. None of that depends on a number in an array. The next such call
looks the result up and runs it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling

from glassconv.algorithms import named
from glassconv.dispatch import select
from glassconv.dispatch.array_boundary import (
    A,
    as_tensor,
    check_kinds,
    check_types,
    dtype_name,
    torch_dtype_name,
)
from glassconv.dispatch.compiled_call import (
    CompiledCall,
    UnbatchedCall,
    algorithm_call,
    kernel_call,
)
from glassconv.dispatch.fx_nodes import node_of
from glassconv.dispatch.operators import record
from glassconv.dispatch.pytorch_convolution import check_names, pytorch_convolution
from glassconv.dispatch.select import AUTO, choose, kernel_named
from glassconv.dispatch.torch_state import is_plain
from glassconv.errors import ArgumentTypeError, ShapeError
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, layout_from
from glassconv.problem.problem import Arguments, Problem
from glassconv.reports.array import Array

MAX_CACHED_CALLS = 2048  # some kilobytes each

ArrayType = tuple[tuple[int, ...], torch.dtype]  # an array's shape and element type


def convolve(input: A, weight: A, bias: A | None, residual: A | None, arguments: Arguments) -> A:
    """Return the output of a call in `functional`: NumPy arrays give an array, tensors a tensor."""
    if is_compiling():
        output: A = record(input, weight, bias, residual, arguments)
        return output
    if not isinstance(input, Tensor):
        node: A | None = node_of(input, weight, bias, residual, arguments)
        if node is not None:
            return node
        return _convolve_arrays(input, weight, bias, residual, arguments)
    return compute(input, weight, bias, residual, arguments)


def compute(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> Tensor:
    """Return the output of a call: kernels for numbers in memory, else PyTorch's operations."""
    plain = is_plain(input, weight, bias, residual)
    if not plain:
        if not _are_tensors(weight, bias, residual):
            node: Tensor | None = node_of(input, weight, bias, residual, arguments)
            if node is not None:
                return node
            check_kinds(arguments.function, _named(input, weight, bias, residual))
        if arguments.algorithm == AUTO or not _has_numbers(input.shape):
            return _compute_by_pytorch(input, weight, bias, residual, arguments)
    call = _compiled_call(input, weight, bias, residual, arguments, plain)
    return call(input, weight, bias, residual)


def _compute_by_pytorch(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> Tensor:
    """Return PyTorch's output; an error of PyTorch's is explained if our checks find its cause."""
    check_names(arguments)
    try:
        return pytorch_convolution(input, weight, bias, residual, arguments)
    except (RuntimeError, TypeError, ValueError, IndexError):
        if _has_numbers(input.shape):
            _compiled_call(input, weight, bias, residual, arguments, plain=False)
        raise


def _compiled_call(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
    plain: bool,
) -> CompiledCall:
    """Return what `compile_call` returns for these arrays, from its cache if they are of a kind."""
    return compile_call(
        arguments if arguments.is_settled() else _settled(arguments, input, weight, bias),
        input.shape,
        input.stride(),
        input.dtype,
        (weight.shape, weight.dtype),
        None if bias is None else (bias.shape, bias.dtype),
        None if residual is None else (residual.shape, residual.dtype),
        plain,
        torch.get_num_threads(),
    )


def _are_tensors(weight: object, bias: object, residual: object) -> bool:
    return (
        isinstance(weight, Tensor)
        and (bias is None or isinstance(bias, Tensor))
        and (residual is None or isinstance(residual, Tensor))
    )


def _has_numbers(shape: tuple[object, ...]) -> bool:
    """Return whether sizes are numbers, not the symbols or tensors that a trace has for them."""
    return all(type(size) is int for size in shape)


def forget() -> None:
    """Forget every plan and choice: the next calls choose and plan again."""
    compile_call.cache_clear()
    select.forget()


def run(
    problem: Problem, algorithm: str, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """Run an algorithm by name: its kernel if it has one for the problem, else its steps.

    Kernels do not support autograd, so the steps run if gradients are required.
    """
    plain = is_plain(input, weight, bias, None)
    call = compile_problem(
        problem, algorithm, "any", NOTHING, tuple(input.shape), input.stride(), plain=plain
    )
    return call(input, weight, bias, None)


@lru_cache(maxsize=MAX_CACHED_CALLS)
def compile_call(
    arguments: Arguments,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: torch.dtype,
    weight: ArrayType,
    bias: ArrayType | None,
    residual: ArrayType | None,
    plain: bool,
    threads: int,
) -> CompiledCall:
    """Check the arguments, choose an algorithm, and return what computes every such call.

    shape, strides, dtype: the input's. plain: whether a kernel may be given the arrays. threads:
    part of the key, since what is chosen and planned depends on their number.
    """
    given = {"input": (shape, dtype), "weight": weight, "bias": bias, "residual": residual}
    described = {name: each for name, each in given.items() if each is not None}
    shapes = {name: tuple(sizes) for name, (sizes, _) in described.items()}
    dtypes = {name: torch_dtype_name(kind) for name, (_, kind) in described.items()}
    check_types(arguments.function, arguments.ndim, shapes, dtypes)
    problem = arguments.problem(
        shapes["input"], shapes["weight"], shapes.get("bias"), dtypes["weight"]
    )
    unbatched = len(shape) == arguments.ndim + 1
    if "residual" in shapes and shapes["residual"] != problem.output_shape[unbatched:]:
        cause = (
            f"the residual must have the output's shape, {list(problem.output_shape[unbatched:])}, "
            f"not {list(shapes['residual'])}"
        )
        raise ShapeError(cause, request=str(problem))
    epilogue = Epilogue(arguments.activation, residual is not None)
    algorithm, accuracy = arguments.algorithm, arguments.accuracy
    if not unbatched:
        return compile_problem(problem, algorithm, accuracy, epilogue, shape, strides, plain=plain)
    batch = ((1, *shape), (shape[0] * strides[0], *strides))
    return UnbatchedCall(
        compile_problem(problem, algorithm, accuracy, epilogue, *batch, plain=plain)
    )


def compile_problem(
    problem: Problem,
    algorithm: str,
    accuracy: str,
    epilogue: Epilogue,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *,
    plain: bool,
) -> CompiledCall:
    """Choose an implementation for inputs of this shape and these strides, and return it."""
    if not plain:  # PyTorch's convolution and an algorithm's steps are PyTorch operations
        name = "aten" if algorithm == AUTO else algorithm
        chosen = choose(problem, name, accuracy).algorithm
        return algorithm_call(named(chosen), problem, epilogue)
    layout = layout_from(shape, strides) if problem.ndim < 3 else None
    choice = choose(problem, algorithm, accuracy, layout.name if layout else NCHW)
    if choice.kernel is None:
        return algorithm_call(named(choice.algorithm), problem, epilogue)
    return kernel_call(kernel_named(choice.kernel), problem, layout, epilogue)


def _settled(arguments: Arguments, input: Tensor, weight: Tensor, bias: Tensor | None) -> Arguments:
    """Return the arguments as ints and tuples of ints; an error repeats the whole request."""
    try:
        return arguments.settled()
    except ArgumentTypeError:
        arguments.problem(input.shape, weight.shape, None if bias is None else bias.shape)
        raise


def _convolve_arrays(
    input: Array, weight: Array, bias: Array | None, residual: Array | None, arguments: Arguments
) -> Array:
    """Convolve NumPy arrays as tensors that share their memory."""
    arrays = _named(input, weight, bias, residual)
    check_kinds(arguments.function, arrays)
    shapes = {name: array.shape for name, array in arrays.items()}
    dtypes = {name: dtype_name(array) for name, array in arrays.items()}
    check_types(
        arguments.function, arguments.ndim, shapes, dtypes
    )  # PyTorch lacks some NumPy dtypes
    x, w = as_tensor(input), as_tensor(weight)
    b, r = (None if each is None else as_tensor(each) for each in (bias, residual))
    output: Array = convolve(x, w, b, r, arguments).numpy()
    return output


def _named(input: Any, weight: Any, bias: Any, residual: Any) -> dict[str, Any]:
    optional = {"bias": bias, "residual": residual}
    present = {name: array for name, array in optional.items() if array is not None}
    return {"input": input, "weight": weight, **present}
