"""The gradients of a call judged against float64, within the error bounds of their convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from glassconv.dispatch.select import WINDOW_FACTOR

Function = Callable[..., Tensor]


def gradients(function: Function, arrays: Sequence[Tensor], grad: Tensor) -> tuple[Tensor, ...]:
    """Return the gradient of each array for this gradient of the function's output."""
    leaves = [each.detach().requires_grad_() for each in arrays]
    return torch.autograd.grad(function(*leaves), leaves, grad)


def assert_within_bound(
    computed: Sequence[Tensor], theirs: Function, arrays: Sequence[Tensor], grad: Tensor
) -> None:
    """Assert that the gradients of input, weight and bias are close to those computed in float64.

    |error| ≤ K · n · u · Σ|products|: n terms, K = 1 for the sums of plain products of weight and
    bias. Of the input K is that of "default", with the largest weight for every weight.

    theirs: PyTorch's function, which computes in float64.
    """
    roundoff = torch.finfo(computed[0].dtype).eps / 2
    exact_arrays = [each.detach().double() for each in arrays]
    weight = exact_arrays[1]
    ones = [torch.ones_like(each) for each in exact_arrays]
    positive = [each.abs() for each in exact_arrays]
    uniform = [positive[0], torch.full_like(weight, float(weight.abs().max())), *positive[2:]]
    exact = gradients(theirs, exact_arrays, grad.double())
    terms = gradients(theirs, ones, torch.ones_like(grad, dtype=torch.float64))
    sums = gradients(theirs, positive, grad.double().abs())
    of_input, *_ = gradients(theirs, uniform, grad.double().abs())
    scales = [WINDOW_FACTOR["default"] * of_input, *sums[1:]]
    for each, right, count, scale in zip(computed, exact, terms, scales, strict=True):
        assert each.shape == right.shape
        allowed = (count + 1) * roundoff * scale
        assert bool(((each.double() - right).abs() <= allowed).all())
