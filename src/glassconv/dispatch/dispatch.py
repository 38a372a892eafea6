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
from glassconv.dispatch.devices import CPU, check_devices
from glassconv.dispatch.select import AUTO, choose, kernel_named
from glassconv.dispatch.storage import check_storage
from glassconv.dispatch.torch_state import is_plain, memory_device
from glassconv.errors import ArgumentTypeError, ShapeError
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, layout_from
from glassconv.problem.problem import Arguments, Problem
from glassconv.reports.array import Array

MAX_CACHED_CALLS = 2048  # some kilobytes each

ArrayType = tuple[tuple[int, ...], torch.dtype]  # an array's shape and element type


def convolve(input: A, weight: A, bias: A | None, residual: A | None, arguments: Arguments) -> A:
    """Return the output of a call in `functional`: NumPy arrays give an array, tensors a tensor."""
    if not isinstance(input, Tensor):
        return _convolve_arrays(input, weight, bias, residual, arguments)
    plain = is_plain(input, weight, bias, residual)
    if not plain:
        arrays = _named(input, weight, bias, residual)
        check_kinds(arguments.function, arrays)
        check_devices(arguments.function, arrays)
        check_storage(arguments.function, arrays)
    call = compile_call(
        arguments if arguments.is_settled() else _settled(arguments, input, weight, bias),
        input.shape,
        input.stride(),
        input.dtype,
        (weight.shape, weight.dtype),
        None if bias is None else (bias.shape, bias.dtype),
        None if residual is None else (residual.shape, residual.dtype),
        plain,
        CPU if plain else memory_device(input),
        torch.get_num_threads(),
    )
    return call(input, weight, bias, residual)


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
    if not plain:
        check_storage(str(problem), _named(input, weight, bias, None))
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
    device: str,
    threads: int,
) -> CompiledCall:
    """Check the arguments, choose an algorithm, and return what computes every such call.

    shape, strides, dtype: the input's. plain: whether a kernel may be given the arrays. device: the
    one whose memory the arrays take. threads: part of the key, since what is chosen and planned
    depends on their number.
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
        return compile_problem(
            problem, algorithm, accuracy, epilogue, shape, strides, plain=plain, device=device
        )
    batch = ((1, *shape), (shape[0] * strides[0], *strides))
    return UnbatchedCall(
        compile_problem(problem, algorithm, accuracy, epilogue, *batch, plain=plain, device=device)
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
    device: str = CPU,
) -> CompiledCall:
    """Choose an implementation for inputs of this shape and these strides, and return it."""
    if not plain:  # PyTorch's convolution and an algorithm's steps are PyTorch operations
        name = "aten" if algorithm == AUTO else algorithm
        chosen = choose(problem, name, accuracy, device=device).algorithm
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
