"""PyTorch's gradients of a convolution: `aten::convolution_backward`, also of uneven padding."""

from __future__ import annotations

import torch
from torch import Tensor

from glassconv.algorithms.parts.uneven_padding import beyond_even, cut, pad
from glassconv.dispatch.operator_settings import Settings

Needed = tuple[bool, bool, bool]  # whether the gradients of input, weight and bias are asked for
Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def pytorch_gradients(
    grad: Tensor, input: Tensor, weight: Tensor, settings: Settings, needed: Needed
) -> Gradients:
    """Return the gradients of input, weight and bias, None for those not asked for.

    grad: the output's gradient, [batch, out_channels, *output_size] or without a batch axis, as the
    input.
    """
    unbatched = input.dim() == settings.ndim + 1
    if unbatched:
        input, grad = input.unsqueeze(0), grad.unsqueeze(0)
    padding, uneven = settings.padding, settings.sides
    if uneven is not None and settings.transposed:
        padding = [min(pair) for pair in uneven]
        grad = pad(grad, beyond_even(uneven))
    elif uneven is not None:
        padding = [0] * settings.ndim
        input = pad(input, uneven)
    gradients = torch.ops.aten.convolution_backward(
        grad,
        input,
        weight,
        [grad.shape[1]] if needed[2] else None,
        settings.stride,
        padding,
        settings.dilation,
        settings.transposed,
        settings.output_padding,
        settings.groups,
        needed,
    )
    of_input, of_weight, of_bias = (
        gradient if is_needed else None
        for gradient, is_needed in zip(gradients, needed, strict=True)
    )
    if of_input is not None and uneven is not None and not settings.transposed:
        of_input = cut(of_input, uneven)
    if of_input is not None and unbatched:
        of_input = of_input.squeeze(0)
    return of_input, of_weight, of_bias
