"""The weight's gradient of a convolution, which is recorded where autograd asks for that.

It is linear in the input and in the output's gradient, so its own gradients are convolutions again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glassconv.dispatch import autocast
from glassconv.dispatch.compiled_call import in_layout
from glassconv.dispatch.operator_settings import Settings
from glassconv.dispatch.select import AUTO
from glassconv.dispatch.storage import without_base
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import input_gradient
from glassconv.problem.problem import Arguments, Problem
from glassconv.problem.transposed import TransposedProblem

Compute = Callable[[Tensor, Tensor, Tensor | None, Tensor | None, Arguments], Tensor]
# Of input, output gradient, and whether the bias's gradient is asked for beside the weight's.
Kernel = Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class WeightGradientCall:
    """A kernel of the weight's gradient, with the convolutions that its own gradients are."""

    kernel: Kernel  # of contiguous arrays in the memory layout
    layout: str
    convolution: Arguments  # with sizes for each axis
    transpose: Arguments
    compute: Compute  # a call of either

    def __call__(
        self, input: Tensor, grad: Tensor, with_bias: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of weight and bias.

        The bias's is None where it is not asked for, or the kernel does not compute it.
        """
        if torch.is_grad_enabled() and (input.requires_grad or grad.requires_grad):
            weight: Tensor = _WeightGradient.apply(  # type: ignore[no-untyped-call]
                self, input, grad
            )
            return weight, None
        return self.run(input, grad, with_bias)

    def run(self, input: Tensor, grad: Tensor, with_bias: bool) -> tuple[Tensor, Tensor | None]:
        """Return the same gradients, which nothing records."""
        return self.kernel(in_layout(input, self.layout), in_layout(grad, self.layout), with_bias)


def weight_gradient_call(
    problem: ConvProblem, layout: str, kernel: Kernel, compute: Compute, accuracy: str
) -> WeightGradientCall:
    """Return the call of a kernel for a problem. compute: a call of any arguments."""
    convolution, transpose = (
        settings_of(each, accuracy).arguments() for each in (problem, input_gradient(problem))
    )
    return WeightGradientCall(kernel, layout, convolution, transpose, compute)


def settings_of(problem: Problem, accuracy: str) -> Settings:
    """Return the operator's arguments for a problem and the fastest algorithm."""
    extra = problem.output_padding if isinstance(problem, TransposedProblem) else None
    sizes = problem.padding
    if problem.even_padding:
        padding = [before for before, _ in sizes]
    else:
        padding = [size for pair in sizes for size in pair]
    return Settings(
        problem.stride,
        padding,
        problem.dilation,
        extra or (0,) * problem.ndim,
        problem.groups,
        extra is not None,
        AUTO,
        accuracy,
        None,
    )


def packing_for_now(weight_changes: bool) -> AbstractContextManager[None]:
    """Let the packed weight of a call be kept unless the weight is about to change."""
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.runtime.packed_weights import of_changing_weights

    return of_changing_weights() if weight_changes else nullcontext()


class _WeightGradient(torch.autograd.Function):
    """The weight's gradient of a convolution, from its input and the output's gradient."""

    @staticmethod
    def forward(ctx: Any, call: WeightGradientCall, input: Tensor, grad: Tensor) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(input, grad)
        ctx.set_materialize_grads(False)
        return without_base(call.run(input, grad, False)[0])

    @staticmethod
    def backward(ctx: Any, direction: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return both gradients: the convolution's are linear in the direction of its weight."""
        if direction is None:
            return None, None, None
        call: WeightGradientCall = ctx.call
        input, grad = ctx.saved_tensors
        _, with_input, with_grad = ctx.needs_input_grad
        of_input = of_grad = None
        with packing_for_now(True), autocast.switched_off():
            if with_input:
                of_input = call.compute(grad, direction, None, None, call.transpose)
            if with_grad:
                of_grad = call.compute(input, direction, None, None, call.convolution)
        return None, of_input, of_grad
