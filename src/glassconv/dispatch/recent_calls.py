"""Recent calls: a call like an earlier one is recognised in some microseconds.

The guards that `torch.compile` puts before its graphs compare, in one call of C++, what decides
whether an earlier call may be repeated: each tensor's type, dispatch keys (so device, memory format
and everything lazy), element type, sizes, strides and whether it requires gradients; and what sees
the operations, such as autocast, tracing and the transforms of `torch.func`. The few modes that
they do not compare are asked for here. A call that is not recognised is checked and planned by
`dispatch.py`, so guards save time and decide nothing; a version of PyTorch without them is slower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from glassconv.dispatch.storage import are_stored
from glassconv.dispatch.torch_state import PRIVATE, find

if TYPE_CHECKING:
    from glassconv.dispatch.compiled_call import CompiledCall
    from glassconv.problem.problem import Arguments

MAX_CALLS = 4096  # about a kilobyte each
GUARDS = "_C._dynamo.guards.TensorGuards"


class _Recent(NamedTuple):
    guards: Any
    spans: tuple[int, ...]  # bytes from the first to behind the last element, for each tensor
    call: CompiledCall


_calls: dict[tuple[Any, ...], _Recent] = {}

_guards_of = find(GUARDS)
_modes = PRIVATE["_C._len_torch_dispatch_stack"]
_functions = PRIVATE["_C._len_torch_function_stack"]
_grad_enabled = torch.is_grad_enabled
_threads = torch.get_num_threads


def recall(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> CompiledCall | None:
    """Return the call that computed an earlier call like this one, None if it is not recognised."""
    if not _calls:  # so it stays where PyTorch lacks a private function that is called below
        return None
    kind = type(weight)
    if (
        type(input) is not Tensor
        or (kind is not Parameter and kind is not Tensor)
        or _modes()
        or _functions()
        or forward_ad._current_level >= 0
    ):
        return None
    if not arguments.is_settled():
        arguments = arguments.with_tuples()
        if not arguments.is_settled():
            return None
    tensors = _present(input, weight, bias, residual)
    recent = _calls.get(_key(input, weight, bias, residual, arguments))
    if recent is None or not recent.guards.check(*tensors):
        return None
    return recent.call if are_stored(tensors, recent.spans) else None


def remember(
    call: CompiledCall,
    spans: tuple[int, ...],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> None:
    """Note what computes calls of these settled arguments with tensors like these.

    The tensors' state is `PLAIN` or `RECORDED`, which their guards and the mode of autograd decide.
    """
    if _guards_of is None:
        return
    if len(_calls) >= MAX_CALLS:
        _calls.clear()
    tensors = _present(input, weight, bias, residual)
    guards = _guards_of(
        *tensors,
        dynamic_dims_sizes=[list(each.shape) for each in tensors],
        dynamic_dims_strides=[list(each.stride()) for each in tensors],
    )
    _calls[_key(input, weight, bias, residual, arguments)] = _Recent(guards, spans, call)


def forget() -> None:
    """Forget all recent calls."""
    _calls.clear()


def _present(
    input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
) -> tuple[Tensor, ...]:
    if residual is not None:
        return (input, weight, residual) if bias is None else (input, weight, bias, residual)
    return (input, weight) if bias is None else (input, weight, bias)


def _key(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> tuple[Any, ...]:
    """Return what guards do not compare, and the shapes, so that each shape has its own entry."""
    absent = bias is None, residual is None
    return arguments, input.shape, weight.shape, absent, _grad_enabled(), _threads()
