"""Calls that autograd records: the output and the gradients by kernels where these are faster.

The gradients of a convolution are convolutions (`problem/gradients.py`):

    input's    the transposed convolution of the output's gradient and the weight
    weight's   the convolution of the input with the output's gradient as kernel

Those of a transposed convolution are ordinary ones, which read the output's gradient as their
input. Each gradient is a recorded call itself where autograd asks for that, so all higher
derivatives are computed by the same operations. What no kernel computes faster, PyTorch's
`convolution_backward` computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glassconv.dispatch.compiled_call import CompiledCall
from glassconv.dispatch.gradient_choice import GradientChoice
from glassconv.dispatch.operators import Settings
from glassconv.dispatch.pytorch_call import with_epilogue
from glassconv.dispatch.pytorch_gradients import Gradients, Needed, pytorch_gradients
from glassconv.dispatch.select import AUTO
from glassconv.dispatch.storage import check_storage
from glassconv.dispatch.torch_state import State, state_of
from glassconv.problem.gradients import transpose_of
from glassconv.problem.problem import Arguments, Problem
from glassconv.problem.transposed import TransposedProblem

Compute = Callable[[Tensor, Tensor, Tensor | None, Tensor | None, Arguments], Tensor]
WeightGradientCall = Callable[[Tensor, Tensor], Tensor]  # of input and output gradient


@dataclass(frozen=True)
class RecordedCall:
    """A convolution or a transposed one, with what computes its gradients."""

    arguments: Arguments  # as they were given
    forward: CompiledCall  # without residual and activation, which PyTorch applies
    settings: Settings  # PyTorch's, for the gradients that it computes
    convolution: Arguments  # with sizes for each axis: of the call, or of its transpose
    transpose: Arguments
    compute: Compute  # a call of either
    of_input: bool  # whether the input's gradient is such a call, or PyTorch's
    of_weight: WeightGradientCall | None  # of a batch; None: PyTorch's

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output, through which gradients flow."""
        output: Tensor = _Convolution.apply(  # type: ignore[no-untyped-call]
            self, input, weight, bias
        )
        return with_epilogue(output, input, residual, self.arguments)

    def gradients(self, grad: Tensor, input: Tensor, weight: Tensor, needed: Needed) -> Gradients:
        """Return the gradients of input, weight and bias, None for those not asked for."""
        with_input, with_weight, with_bias = needed
        is_plain = state_of(grad, input, weight, None) is not State.OTHER
        of_input = of_weight = of_bias = None
        if with_input and is_plain and self.of_input:
            adjoint = self.convolution if self.settings.transposed else self.transpose
            of_input = self.compute(grad, weight, None, None, adjoint)
        if with_weight and is_plain and self.of_weight is not None:
            of_weight = self._weight_gradient(grad, input)
        if with_bias:
            channel = grad.dim() - self.settings.ndim - 1
            of_bias = grad.sum([axis for axis in range(grad.dim()) if axis != channel])
        left = with_input and of_input is None, with_weight and of_weight is None, False
        if any(left):
            theirs = pytorch_gradients(grad, input, weight, self.settings, left)
            of_input, of_weight = (
                their if our is None else our
                for our, their in zip((of_input, of_weight), theirs, strict=False)
            )
        return of_input, of_weight, of_bias

    def _weight_gradient(self, grad: Tensor, input: Tensor) -> Tensor:
        """Return the weight's gradient by the kernel, through which gradients flow if need be."""
        if input.dim() == self.settings.ndim + 1:
            input, grad = input.unsqueeze(0), grad.unsqueeze(0)
        if self.settings.transposed:  # the ordinary convolution reads the output's gradient
            input, grad = grad, input
        gradient: Tensor = _WeightGradient.apply(  # type: ignore[no-untyped-call]
            self, input, grad
        )
        return gradient


def recorded_call(
    arguments: Arguments,
    problem: Problem,
    choice: GradientChoice,
    forward: CompiledCall,
    compute: Compute,
) -> RecordedCall:
    """Return the call of a problem, whose gradients are computed as it was chosen.

    forward: the same call without residual and activation. compute: a call of any arguments.
    """
    own, other = (
        settings_of(each, arguments.accuracy) for each in (problem, transpose_of(problem))
    )
    convolution, transpose = (other, own) if own.transposed else (own, other)
    return RecordedCall(
        arguments,
        forward,
        own,
        convolution.arguments(),
        transpose.arguments(),
        compute,
        choice.of_input,
        of_weight=None,
    )


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


class _Convolution(torch.autograd.Function):
    """The output of a call. What its gradients need is saved: by kernels, no more than that."""

    @staticmethod
    def forward(
        ctx: Any, call: RecordedCall, input: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(input, weight)
        return call.forward(input, weight, bias, None)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        call: RecordedCall = ctx.call
        input, weight = ctx.saved_tensors
        saved = {"input": input, "weight": weight, "output's gradient": grad}
        check_storage(call.arguments.function, saved)
        return None, *call.gradients(grad, input, weight, ctx.needs_input_grad[1:])


class _WeightGradient(torch.autograd.Function):
    """The weight's gradient of a convolution, from its input and the output's gradient."""

    @staticmethod
    def forward(ctx: Any, call: RecordedCall, input: Tensor, grad: Tensor) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(input, grad)
        assert call.of_weight is not None, "this is a kernel's"
        return call.of_weight(input, grad)

    @staticmethod
    def backward(ctx: Any, direction: Tensor) -> tuple[Tensor | None, ...]:
        """Return both gradients: the convolution's are linear in the direction of its weight."""
        call: RecordedCall = ctx.call
        input, grad = ctx.saved_tensors
        _, with_input, with_grad = ctx.needs_input_grad
        of_input = of_grad = None
        if with_input:
            of_input = call.compute(grad, direction, None, None, call.transpose)
        if with_grad:
            of_grad = call.compute(input, direction, None, None, call.convolution)
        return None, of_input, of_grad
