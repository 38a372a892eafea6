"""A call: from arguments to what runs, settled once for each shape and layout and then remembered.

The first call with some shapes, layouts and arguments checks them, chooses an algorithm and plans
its kernel; the next one with the same finds that in a dictionary and goes straight to the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from glassconv.algorithms import Call, named
from glassconv.dispatch.array_boundary import A, as_tensor, check_arrays, dtype_name
from glassconv.dispatch.select import AUTO, choose, kernel_for
from glassconv.errors import ShapeError
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.arguments import Padding, Size, problem_of
from glassconv.problem.memory_layout import contiguous, layout_of

MOST_REMEMBERED = 512  # calls; each takes some kilobytes

Finished = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor]

_remembered: dict[Any, Finished] = {}


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
    activation: str | None,
    residual: A | None,
) -> A:
    """Convolve as `functional` says: NumPy arrays give an array, tensors a tensor."""
    more = (stride, padding, dilation, groups, algorithm, accuracy, activation)
    if not isinstance(input, Tensor):
        check_arrays(f"conv{ndim}d", _given(input, weight, bias, residual), ndim)
        x, w = as_tensor(input), as_tensor(weight)
        b, r = (None if each is None else as_tensor(each) for each in (bias, residual))
        return convolve(ndim, x, w, b, *more, r).numpy()
    if not _plain(input, weight, bias, residual):
        call = _first_call(ndim, input, weight, bias, residual, *more, plain=False)
        return call(input, weight, bias, residual)
    key = (
        ndim,
        input.shape,
        input.stride(),
        input.dtype,
        weight.shape,
        weight.dtype,
        bias if bias is None else (bias.shape, bias.dtype),
        residual if residual is None else (residual.shape, residual.stride(), residual.dtype),
        more,
        torch.get_num_threads(),
    )
    try:
        remembered = _remembered.get(key)
    except TypeError:  # a list among the arguments, which is not remembered
        call = _first_call(ndim, input, weight, bias, residual, *more, plain=True)
        return call(input, weight, bias, residual)
    if remembered is not None:
        return remembered(input, weight, bias, residual)
    call = _first_call(ndim, input, weight, bias, residual, *more, plain=True)
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.pop(next(iter(_remembered)), None)
    _remembered[key] = call
    return call(input, weight, bias, residual)


def forget() -> None:
    """Let the next calls choose and plan again."""
    _remembered.clear()


def run(
    problem: ConvProblem, algorithm: str, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """Run an algorithm by name: its kernel where it has one for the problem, else its steps.

    Kernels are not differentiated: where something records the operations the steps run.
    """
    call = _call(problem, algorithm, "any", NOTHING, input, plain=_plain(input, weight, bias, None))
    return call(input, weight, bias, None)


def _first_call(
    ndim: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    algorithm: str,
    accuracy: str,
    activation: str | None,
    *,
    plain: bool,
) -> Finished:
    """Check the arguments, choose, and return what computes this and every such call."""
    check_arrays(f"conv{ndim}d", _given(input, weight, bias, residual), ndim)
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
    epilogue, alone = Epilogue(activation, residual is not None), input.dim() == ndim + 1
    if residual is not None and tuple(residual.shape) != problem.output_shape[alone:]:
        cause = f"the residual must have the output's shape, {list(problem.output_shape[alone:])}"
        raise ShapeError(f"{cause}, not {list(residual.shape)}", request=str(problem))
    if not alone:
        return _call(problem, algorithm, accuracy, epilogue, input, plain=plain)
    call = _call(problem, algorithm, accuracy, epilogue, input[None], plain=plain)
    return lambda input, weight, bias, residual: call(
        input[None], weight, bias, residual if residual is None else residual[None]
    )[0]


def _call(
    problem: ConvProblem,
    algorithm: str,
    accuracy: str,
    epilogue: Epilogue,
    input: Tensor,
    *,
    plain: bool,
) -> Finished:
    """Choose for pictures that lie as this one does, and return what computes them."""
    if not plain:
        return _then(
            partial(named(_recordable(problem, algorithm, accuracy)).run, problem), epilogue
        )
    layout = layout_of(input)
    lies = layout or contiguous(problem)
    chosen = choose(problem, algorithm, accuracy, lies.name).algorithm
    kernel = kernel_for(chosen, problem, lies.name)
    if kernel is None:
        steps = named(chosen)
        ready = steps.ready(problem) if steps.ready else partial(steps.run, problem)
        return _then(ready, epilogue)
    plan = kernel.plan(problem, lies, epilogue)
    if layout is not None and not epilogue.residual:
        return plan
    return lambda input, weight, bias, residual: plan(
        input if layout is not None else input.contiguous(),
        weight,
        bias,
        residual if residual is None else plan.to_layout(residual),
    )


def _then(call: Call, epilogue: Epilogue) -> Finished:
    """Return a call whose output has an epilogue done to it by PyTorch."""
    return lambda input, weight, bias, residual: epilogue.applied(
        call(input, weight, bias), residual
    )


def _recordable(problem: ConvProblem, algorithm: str, accuracy: str) -> str:
    """Return the algorithm for arrays that a kernel cannot be given: for "auto", PyTorch's own."""
    return choose(problem, "aten" if algorithm == AUTO else algorithm, accuracy).algorithm


def _given(input: Any, weight: Any, bias: Any, residual: Any) -> dict[str, Any]:
    optional = {"bias": bias, "residual": residual}
    given = {name: each for name, each in optional.items() if each is not None}
    return {"input": input, "weight": weight, **given}


def _plain(input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None) -> bool:
    """Return whether these are numbers in memory and nothing more, as a kernel needs them.

    Not so: other devices, subclasses, and whatever records or changes the operations on them:
    gradients, forward differentiation, modes, autocast, a compiler that traces.
    """
    if input is None or weight is None:  # an argument of no kind, which is refused later
        return False
    for each in (input, weight, bias, residual):
        if each is None:
            continue
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
