"""`glassconv::convolution_backward`, the gradients in the graphs of `torch.compile`, by kernels.

What computes each gradient is chosen as for a call outside a graph, except that the output is not
chosen with them: it is an operator of its own.

The operator returns the gradients that are asked for, each with the strides of its operand. Only
the graph of a backward pass calls it. Where that pass is recorded or transformed itself, PyTorch's
`convolution_backward` is called, which has rules for that.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry, register_flop_formula

from glassconv.dispatch.operator_settings import SCHEMA, Settings
from glassconv.dispatch.pytorch_gradients import Gradients, Needed, pytorch_gradients
from glassconv.dispatch.recorded_call import RecordedCall
from glassconv.dispatch.torch_state import is_batch_of_gradients
from glassconv.dispatch.widened_call import WidenedCall

NAME = "glassconv::convolution_backward"
LIBRARY = torch.library.Library("glassconv", "FRAGMENT")
LIBRARY.define(
    f"convolution_backward(Tensor grad, Tensor input, Tensor weight, {SCHEMA}, bool[3] needed)"
    " -> Tensor[]",
    tags=(torch.Tag.pt2_compliant_tag,),
)
convolution_backward = torch.ops.glassconv.convolution_backward.default


def operator_gradients(
    grad: Tensor, input: Tensor, weight: Tensor, settings: Settings, needed: Needed
) -> Gradients:
    """Return the gradients of input, weight and bias, None for those not asked for.

    grad: the output's gradient, [batch, out_channels, *output_size] or without a batch axis, as the
    input. settings: those of a convolution without an activation.
    """
    is_transformed = torch._C._are_functorch_transforms_active() or is_batch_of_gradients(grad)
    if torch.is_grad_enabled() or is_transformed:
        return pytorch_gradients(grad, input, weight, settings, needed)
    asked = iter(convolution_backward(grad, input, weight, *settings, needed))
    of_input, of_weight, of_bias = (next(asked) if is_needed else None for is_needed in needed)
    return of_input, of_weight, of_bias


def _compute(grad: Tensor, input: Tensor, weight: Tensor, *rest: Any) -> list[Tensor]:
    *given, needed = rest
    gradients = _gradients(grad, input, weight, Settings(*given), needed)
    operands = input, weight, None  # a bias's gradient has one axis
    return [
        gradient if operand is None else _with_strides_of(operand, gradient)
        for operand, gradient in zip(operands, gradients, strict=True)
        if gradient is not None
    ]


def _gradients(
    grad: Tensor, input: Tensor, weight: Tensor, settings: Settings, needed: Needed
) -> Gradients:
    from glassconv.dispatch.dispatch import gradient_call  # which imports this operator

    call = gradient_call(input, weight, settings.arguments(), needed)
    if isinstance(call, RecordedCall):
        return call.gradients(grad, input, weight, needed)
    if not isinstance(call, WidenedCall):
        return pytorch_gradients(grad, input, weight, settings, needed)
    wide = _gradients(grad.float(), input.float(), weight.float(), settings, needed)
    of_input, of_weight, of_bias = (None if each is None else each.to(input.dtype) for each in wide)
    return of_input, of_weight, of_bias


def _with_strides_of(operand: Tensor, gradient: Tensor) -> Tensor:
    like = torch.empty_like(operand, device="meta")
    if gradient.stride() == like.stride():
        return gradient
    return torch.empty_like(operand).copy_(gradient)


def _fake(grad: Tensor, input: Tensor, weight: Tensor, *rest: Any) -> list[Tensor]:
    *given, needed = rest
    channels = grad.shape[-Settings(*given).ndim - 1]
    of_bias = grad.new_empty((channels,))
    every = torch.empty_like(input), torch.empty_like(weight), of_bias
    return [each for each, is_needed in zip(every, needed, strict=True) if is_needed]


LIBRARY.impl("convolution_backward", _compute, "CompositeExplicitAutograd")
torch.library.register_fake(NAME, _fake, lib=LIBRARY)


@register_flop_formula(torch.ops.glassconv.convolution_backward)
def _flops(
    grad: Sequence[int],
    input: Sequence[int],
    weight: Sequence[int],
    *rest: Any,
    **_: object,
) -> int:
    """Return what PyTorch counts for its own gradients."""
    *given, needed = rest
    settings = Settings(*given)
    if len(input) == settings.ndim + 1:  # one image, without a batch axis
        grad, input = [1, *grad], [1, *input]
    sizes = settings.stride, settings.padding, settings.dilation
    more = settings.transposed, settings.output_padding, settings.groups
    count: int = flop_registry[torch.ops.aten.convolution_backward](
        grad, input, weight, None, *sizes, *more, needed, out_val=(input, weight)
    )
    return count
