"""A call: from arguments to what runs, settled once for each shape and layout and then remembered.

The first call with some shapes, layouts and arguments checks them, chooses an algorithm and plans
its kernel; the next one with the same finds that in a dictionary and goes straight to the kernel.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from glassconv.algorithms import Call, named
from glassconv.arguments import Padding, Size, problem_of
from glassconv.arrays import A, as_tensor, check_arrays, dtype_name
from glassconv.layout import contiguous, layout_of
from glassconv.problem import ConvProblem
from glassconv.select import AUTO, choose, kernel_for

MOST_REMEMBERED = 512  # calls; each takes some kilobytes

_remembered: dict[Any, Call] = {}


def convolve(
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
    """Convolve as `functional` says: NumPy arrays give an array, tensors a tensor."""
    more = (stride, padding, dilation, groups, algorithm, accuracy)
    if not isinstance(input, Tensor):
        check_arrays(f"conv{ndim}d", _given(input, weight, bias), ndim)
        x, w = as_tensor(input), as_tensor(weight)
        b = None if bias is None else as_tensor(bias)
        return convolve(
            ndim, x, w, b, stride, padding, dilation, groups, algorithm, accuracy
        ).numpy()
    if not _plain(input, weight, bias):
        return _first_call(ndim, input, weight, bias, *more, plain=False)(input, weight, bias)
    key = (
        ndim,
        input.shape,
        input.stride(),
        input.dtype,
        weight.shape,
        weight.dtype,
        bias if bias is None else (bias.shape, bias.dtype),
        more,
        torch.get_num_threads(),
    )
    try:
        call = _remembered.get(key)
    except TypeError:  # a list among the arguments, which is not remembered
        return _first_call(ndim, input, weight, bias, *more, plain=True)(input, weight, bias)
    if call is None:
        call = _first_call(ndim, input, weight, bias, *more, plain=True)
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.pop(next(iter(_remembered)), None)
        _remembered[key] = call
    return call(input, weight, bias)


def forget() -> None:
    """Let the next calls choose and plan again."""
    _remembered.clear()


def run(
    problem: ConvProblem, algorithm: str, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """Run an algorithm by name: its kernel where it has one for the problem, else its steps.

    Kernels are not differentiated: where something records the operations the steps run.
    """
    call = _call(problem, algorithm, "any", input, plain=_plain(input, weight, bias))
    return call(input, weight, bias)


def _first_call(
    ndim: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    algorithm: str,
    accuracy: str,
    *,
    plain: bool,
) -> Call:
    """Check the arguments, choose, and return what computes this and every such call."""
    check_arrays(f"conv{ndim}d", _given(input, weight, bias), ndim)
    problem = problem_of(
        input.shape,
        weight.shape,
        None if bias is None else bias.shape,
        stride,
        padding,
        dilation,
        groups,
        dtype=dtype_name(weight),
    )
    if input.dim() == ndim + 2:
        return _call(problem, algorithm, accuracy, input, plain=plain)
    call = _call(problem, algorithm, accuracy, input[None], plain=plain)
    return lambda input, weight, bias: call(input[None], weight, bias)[0]


def _call(
    problem: ConvProblem, algorithm: str, accuracy: str, input: Tensor, *, plain: bool
) -> Call:
    """Choose for pictures that lie as this one does, and return what computes them."""
    if not plain:
        return partial(named(_recordable(problem, algorithm, accuracy)).run, problem)
    layout = layout_of(input)
    lies = layout or contiguous(problem)
    chosen = choose(problem, algorithm, accuracy, lies.name).algorithm
    kernel = kernel_for(chosen, problem, lies.name)
    if kernel is None:
        steps = named(chosen)
        return steps.ready(problem) if steps.ready else partial(steps.run, problem)
    plan = kernel.plan(problem, lies)
    if layout is not None:
        return plan
    return lambda input, weight, bias: plan(input.contiguous(), weight, bias)


def _recordable(problem: ConvProblem, algorithm: str, accuracy: str) -> str:
    """Return the algorithm for arrays that a kernel cannot be given: for "auto", PyTorch's own."""
    return choose(problem, "aten" if algorithm == AUTO else algorithm, accuracy).algorithm


def _given(input: Any, weight: Any, bias: Any) -> dict[str, Any]:
    given = {"input": input, "weight": weight, "bias": bias}
    return given if bias is not None else {name: given[name] for name in ("input", "weight")}


def _plain(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Return whether these are numbers in memory and nothing more, as a kernel needs them.

    Not so: other devices, subclasses, and whatever records or changes the operations on them:
    gradients, forward differentiation, modes, autocast, a compiler that traces.
    """
    for each in (input, weight) if bias is None else (input, weight, bias):
        if type(each) is not Tensor and type(each) is not Parameter:
            return False
        if each.requires_grad and torch.is_grad_enabled():
            return False
        if not each.is_cpu or each.layout is not torch.strided or each.is_neg():
            return False
    return not (
        torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._functorch.maybe_current_level() is not None
        or torch.autograd.forward_ad._current_level >= 0
        or torch._C._is_any_autocast_enabled()
        or torch.compiler.is_compiling()
    )
