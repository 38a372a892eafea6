"""Dispatch a call: validate the arguments, choose an implementation, and cache it.

The first call with some shapes, strides, element types and arguments checks them, chooses an
algorithm and plans its kernel. None of that depends on a number in an array. The next such call
looks the result up and runs it.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling

from glassconv.algorithms import named
from glassconv.algorithms.aten import output_layout_of
from glassconv.dispatch import autocast, function_modes, gradient_choice, recent_calls, select
from glassconv.dispatch.array_boundary import (
    A,
    as_tensor,
    check_axes,
    check_dtypes,
    check_kinds,
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
from glassconv.dispatch.fx_nodes import node_of
from glassconv.dispatch.gradient_choice import choose_gradients, is_faster_in_float32
from glassconv.dispatch.operators import record
from glassconv.dispatch.pytorch_call import (
    pytorch_call,
    traced_call,
    wrong_residual,
)
from glassconv.dispatch.recent_calls import recall, remember
from glassconv.dispatch.recorded_call import recorded_call
from glassconv.dispatch.select import AUTO, STRICT, check_names, chosen, kernel_named
from glassconv.dispatch.storage import bytes_spanned, check_storage
from glassconv.dispatch.strict_call import strict_call
from glassconv.dispatch.torch_state import State, memory_device, state_of
from glassconv.dispatch.whole_numbers import LateCall, UnlessWhole
from glassconv.dispatch.widened_call import WidenedCall
from glassconv.errors import ConvError, ShapeError
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.dtypes import HALF_PRECISION
from glassconv.problem.memory_layout import Shaped, layout_named
from glassconv.problem.problem import Arguments, Problem
from glassconv.reports.array import Array

EXACT = (STRICT, "default")  # accuracies in which whole numbers give whole numbers
MAX_CACHED_CALLS = 2048  # some kilobytes each

Described = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]  # shape, strides, element type
PYTORCH = frozenset({AUTO, "aten"})  # what calls PyTorch's convolution where no kernel may run


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
    """Return the output of a call: by kernels if tensors are numbers in memory, else by PyTorch."""
    call = recall(input, weight, bias, residual, arguments)
    if call is not None:
        return call(input, weight, bias, residual)
    state = state_of(input, weight, bias, residual)
    if state is State.OTHER:
        return _compute_other(input, weight, bias, residual, arguments)
    if not arguments.is_settled():
        arguments = _settled(arguments, input, weight, bias)
    check_storage(arguments.function, _named(input, weight, bias, residual))
    arrays = [_described(each) for each in (input, weight, bias, residual)]
    threads = torch.get_num_threads()
    if state is State.RECORDED and arguments.algorithm in PYTORCH:
        needed = True, input.requires_grad, weight.requires_grad
        call = compile_recorded(arguments, *arrays[:3], needed, threads)
    else:
        call = compile_call(arguments, *arrays, state is State.PLAIN, CPU, threads)
    spans = [bytes_spanned(*each) for each in arrays if each is not None]
    remember(call, tuple(spans), input, weight, bias, residual, arguments)
    return call(input, weight, bias, residual)


def gradient_call(
    input: Tensor, weight: Tensor, arguments: Arguments, needed: tuple[bool, bool, bool]
) -> CompiledCall:
    """Return what computes the gradients of input, weight and bias, where only they are needed.

    It is a `RecordedCall`, a `WidenedCall`, or a `PyTorchCall` where PyTorch computes all of them.
    """
    arrays = _described(input), _described(weight), None
    return compile_recorded(arguments, *arrays, (False, *needed[:2]), torch.get_num_threads())


def _compute_other(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> Tensor:
    """Return the output of a call that no kernel may see."""
    node: Tensor | None = node_of(input, weight, bias, residual, arguments)
    if node is not None:
        return node
    if function_modes.is_seen():
        seen: Tensor = function_modes.call(input, weight, bias, residual, arguments)
        return seen
    with torch._C.DisableTorchFunctionSubclass():  # subclasses see the convolution only
        has_numbers = _check_tensors(arguments, _named(input, weight, bias, residual))
    if not has_numbers:
        check_names(arguments.algorithm, arguments.accuracy, arguments.activation)
        return traced_call(input, weight, bias, residual, arguments)
    if not arguments.is_settled():
        arguments = _settled(arguments, input, weight, bias)
    if autocast.is_on():
        output = autocast.convolve(compute, input, weight, bias, residual, arguments)
        if output is not None:
            return output
    if arguments.algorithm in PYTORCH and arguments.accuracy != STRICT:
        return _pytorch_call(input, weight, bias, arguments)(input, weight, bias, residual)
    arrays = [_described(each) for each in (input, weight, bias, residual)]
    device = memory_device(input)
    call = compile_call(arguments, *arrays, False, device, torch.get_num_threads())
    return call(input, weight, bias, residual)


def _pytorch_call(
    input: Tensor, weight: Tensor, bias: Tensor | None, arguments: Arguments
) -> CompiledCall:
    return pytorch_call(arguments, input.shape, weight.shape, None if bias is None else bias.shape)


def _described(array: Tensor | None) -> Described | None:
    return None if array is None else (array.shape, array.stride(), array.dtype)


def _check_tensors(arguments: Arguments, arrays: dict[str, Any]) -> bool:
    """Check kinds, devices and storages; return whether sizes are numbers, not a trace's."""
    check_kinds(arguments.function, arrays)
    if not all(type(size) is int for name in ("input", "weight") for size in arrays[name].shape):
        return False
    check_devices(arguments.function, arrays)
    check_storage(arguments.function, arrays)
    return True


def forget() -> None:
    """Forget every plan and choice: the next calls choose and plan again."""
    compile_call.cache_clear()
    compile_recorded.cache_clear()
    compile_strict.cache_clear()
    gradient_choice.forget()
    recent_calls.forget()
    select.forget()


def run(
    problem: Problem, algorithm: str, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """Run an algorithm by name: its kernel if it has one for the problem, else its steps.

    Kernels do not support autograd, so the steps run if gradients are required.
    """
    plain = state_of(input, weight, bias, None) is State.PLAIN
    check_storage(str(problem), _named(input, weight, bias, None))
    layouts = (input.shape, input.stride()), (weight.shape, weight.stride())
    call = compile_problem(problem, algorithm, "any", NOTHING, *layouts, plain=plain)
    return call(input, weight, bias, None)


@lru_cache(maxsize=MAX_CACHED_CALLS)
def compile_call(
    arguments: Arguments,
    input: Described,
    weight: Described,
    bias: Described | None,
    residual: Described | None,
    plain: bool,
    device: str,
    threads: int,
) -> CompiledCall:
    """Check the arguments, choose an algorithm, and return what computes every such call.

    plain: whether a kernel may be given the arrays. device: the one whose memory the arrays take.
    threads: part of the key, since what is chosen and planned depends on their number.
    """
    (shape, strides, _), (weight_shape, weight_strides, _) = input, weight
    algorithm, accuracy = arguments.algorithm, arguments.accuracy
    try:
        problem = _checked_problem(arguments, input, weight, bias, residual)
    except ConvError:
        if algorithm not in PYTORCH or accuracy == STRICT:
            raise
        # PyTorch accepts it, or raises an error of its class.
        return pytorch_call(arguments, shape, weight_shape, None if bias is None else bias[0])
    unbatched = len(shape) == arguments.ndim + 1
    if residual is not None and residual[0] != problem.output_shape[unbatched:]:
        raise wrong_residual(problem.output_shape[unbatched:], residual[0], str(problem))
    epilogue = Epilogue(arguments.activation, residual is not None)
    filters = (weight_shape, weight_strides)
    if not unbatched:
        return compile_problem(
            problem,
            algorithm,
            accuracy,
            epilogue,
            (shape, strides),
            filters,
            plain=plain,
            device=device,
        )
    batch = ((1, *shape), (shape[0] * strides[0], *strides))
    return UnbatchedCall(
        compile_problem(
            problem, algorithm, accuracy, epilogue, batch, filters, plain=plain, device=device
        )
    )


def _checked_problem(
    arguments: Arguments,
    input: Described,
    weight: Described,
    bias: Described | None,
    residual: Described | None,
) -> Problem:
    """Return the problem of a call whose axes, element types and sizes are checked."""
    described = _named(input, weight, bias, residual)
    shapes = {name: tuple(sizes) for name, (sizes, _, _) in described.items()}
    dtypes = {name: torch_dtype_name(kind) for name, (_, _, kind) in described.items()}
    check_axes(arguments.function, arguments.ndim, shapes)
    check_dtypes(arguments.function, shapes, dtypes)
    return arguments.problem(
        shapes["input"], shapes["weight"], shapes.get("bias"), dtypes["weight"]
    )


@lru_cache(maxsize=MAX_CACHED_CALLS)
def compile_recorded(
    arguments: Arguments,
    input: Described,
    weight: Described,
    bias: Described | None,
    needed: tuple[bool, bool, bool],
    threads: int,
) -> CompiledCall:
    """Choose what computes the output and the gradients of every such call, and return it.

    needed: whether the output, and the gradients of input and weight, are asked for.
    """
    if arguments.accuracy == STRICT and arguments.algorithm == AUTO:
        return compile_strict(arguments, input, weight, bias, threads)
    shapes = input[0], weight[0], None if bias is None else bias[0]
    alone = arguments._replace(activation=None)
    problem = _recorded_problem(arguments, input, weight, bias)
    if problem is not None:
        layout = output_layout_of(problem, input[:2], weight[:2])
        asked = dict(zip(("output", "of_input", "of_weight"), needed, strict=True))
        in_float32 = is_faster_in_float32(problem, arguments.accuracy, layout, **asked)
        if in_float32 and layout == output_layout_of(problem.widened(), input[:2], weight[:2]):
            return WidenedCall(arguments, problem, compute)
        choice = choose_gradients(problem, arguments.accuracy, layout, **asked)
        if any(choice):
            if not choice.output:
                alone = alone._replace(algorithm="aten")
            forward = compile_call(alone, input, weight, bias, None, True, CPU, threads)
            return recorded_call(arguments, problem, layout, choice, forward, compute)
    return pytorch_call(arguments, *shapes)


@lru_cache(maxsize=MAX_CACHED_CALLS)
def compile_strict(
    arguments: Arguments,
    input: Described,
    weight: Described,
    bias: Described | None,
    threads: int,
) -> CompiledCall:
    """Return what computes the output and the gradients of every such call in "strict"."""
    shapes = input[0], weight[0], None if bias is None else bias[0]
    problem = _checked_problem(arguments, input, weight, bias, None).with_reachable_stride()
    check_names(arguments.algorithm, arguments.accuracy, arguments.activation)
    if not problem.batch:
        return pytorch_call(arguments, *shapes)  # of which every gradient is zero
    if problem.dtype in HALF_PRECISION:
        return WidenedCall(arguments, problem, compute)
    layout = output_layout_of(problem, input[:2], weight[:2])
    alone = arguments._replace(activation=None)
    forward = compile_call(alone, input, weight, bias, None, True, CPU, threads)
    try:
        return strict_call(arguments, problem, layout, forward, compute)
    except ShapeError:
        return pytorch_call(arguments, *shapes)  # whose output is the bias: no input reaches it


def _recorded_problem(
    arguments: Arguments, input: Described, weight: Described, bias: Described | None
) -> Problem | None:
    """Return the problem of a call whose gradients kernels may compute, None for PyTorch's."""
    kinds = {each[2] for each in (input, weight, bias) if each is not None}
    if arguments.algorithm != AUTO or len(kinds) > 1 or not arguments.is_ordinary():
        return None
    check_names(arguments.algorithm, arguments.accuracy, arguments.activation)
    bias_shape = None if bias is None else bias[0]
    try:
        problem = arguments.problem(input[0], weight[0], bias_shape, torch_dtype_name(weight[2]))
    except ConvError:
        return None
    return problem if problem.batch else None


def compile_problem(
    problem: Problem,
    algorithm: str,
    accuracy: str,
    epilogue: Epilogue,
    input: Shaped,
    weight: Shaped,
    *,
    plain: bool,
    device: str = CPU,
) -> CompiledCall:
    """Choose an implementation for operands of these shapes and strides, and return it.

    The output has the memory layout that PyTorch's has.
    """
    problem = problem.with_reachable_stride()
    if not plain:  # PyTorch's convolution and an algorithm's steps are PyTorch operations
        name = "aten" if algorithm == AUTO and accuracy != STRICT else algorithm
        taken = chosen(problem, name, accuracy, device=device)
        return algorithm_call(named(taken.name), problem, epilogue)
    layout = output_layout_of(problem, input, weight)
    taken = chosen(problem, algorithm, accuracy, layout)
    whole = None
    if accuracy in EXACT and not named(taken.name).error_bound(problem).plain:
        whole = LateCall(partial(_plain_sums, problem, epilogue))
    if not taken.kernel:
        call = algorithm_call(named(taken.name), problem, epilogue)
        return call if whole is None else UnlessWhole(call, whole)
    if not problem.batch:  # nothing to compute, in whichever layout PyTorch returns that
        return algorithm_call(named("aten"), problem, epilogue)
    given = layout_named(layout, *input) if problem.ndim < 3 else None
    return kernel_call(kernel_named(taken.name), problem, given, layout, epilogue, whole)


def _plain_sums(
    problem: Problem, epilogue: Epilogue, input: Tensor, weight: Tensor
) -> CompiledCall:
    """Return the call of the fastest algorithm that sums plain products."""
    shaped = (input.shape, input.stride()), (weight.shape, weight.stride())
    name = select.plain_sums(problem, output_layout_of(problem, *shaped))
    return compile_problem(problem, name, "default", epilogue, *shaped, plain=True)


def _settled(arguments: Arguments, input: Tensor, weight: Tensor, bias: Tensor | None) -> Arguments:
    """Return the arguments as ints and tuples of ints; an error repeats the whole request."""
    try:
        return arguments.settled()
    except ConvError as error:
        shapes = input.shape, weight.shape, None if bias is None else bias.shape
        raise error.asked_as(arguments.request(*shapes)) from None


def _convolve_arrays(
    input: Array, weight: Array, bias: Array | None, residual: Array | None, arguments: Arguments
) -> Array:
    """Convolve NumPy arrays as tensors that share their memory."""
    arrays = _named(input, weight, bias, residual)
    check_kinds(arguments.function, arrays)
    try:
        x, w = as_tensor(input), as_tensor(weight)
        b, r = (None if each is None else as_tensor(each) for each in (bias, residual))
    except TypeError:  # an element type that PyTorch lacks
        shapes = {name: array.shape for name, array in arrays.items()}
        dtypes = {name: dtype_name(array) for name, array in arrays.items()}
        check_dtypes(arguments.function, shapes, dtypes)
        raise
    output: Array = convolve(x, w, b, r, arguments).numpy()
    return output


def _named(input: Any, weight: Any, bias: Any, residual: Any) -> dict[str, Any]:
    optional = {"bias": bias, "residual": residual}
    present = {name: array for name, array in optional.items() if array is not None}
    return {"input": input, "weight": weight, **present}
