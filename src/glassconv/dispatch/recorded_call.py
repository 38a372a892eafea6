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
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glassconv.dispatch import machine_store
from glassconv.dispatch.compiled_call import CompiledCall, in_layout
from glassconv.dispatch.gradient_choice import GradientChoice
from glassconv.dispatch.operators import Settings
from glassconv.dispatch.pytorch_call import with_epilogue
from glassconv.dispatch.pytorch_gradients import Gradients, Needed, pytorch_gradients
from glassconv.dispatch.select import AUTO
from glassconv.dispatch.storage import check_storage
from glassconv.dispatch.torch_state import State, state_of
from glassconv.problem.gradients import convolution_of, transpose_of
from glassconv.problem.problem import Arguments, Problem
from glassconv.problem.transposed import TransposedProblem

Compute = Callable[[Tensor, Tensor, Tensor | None, Tensor | None, Arguments], Tensor]
# Of input, output gradient, and whether the bias's gradient is asked for beside the weight's.
WeightGradientCall = Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor | None]]


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
    of_weight: WeightGradientCall | None  # None: PyTorch's
    layout: str  # of the output, and of the input's gradient

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output, through which gradients flow."""
        output: Tensor = _Convolution.apply(  # type: ignore[no-untyped-call]
            self, input, weight, bias
        )
        return with_epilogue(output, input, residual, self.arguments)

    def gradients(self, grad: Tensor, input: Tensor, weight: Tensor, needed: Needed) -> Gradients:
        """Return the gradients of input, weight and bias, None for those not asked for.

        Those of input and bias have the layout of PyTorch's.
        """
        if state_of(grad, input, weight, None) is State.OTHER:
            return pytorch_gradients(grad, input, weight, self.settings, needed)
        unbatched = input.dim() == self.settings.ndim + 1
        if unbatched:
            input, grad = input.unsqueeze(0), grad.unsqueeze(0)
        with_input, with_weight, with_bias = needed
        of_input = of_weight = of_bias = None
        if with_input and self.of_input:
            with _training(with_weight):
                of_input = self._input_gradient(grad, weight)
        if with_weight and self.of_weight is not None:
            of_weight, of_bias = self._weight_gradient(grad, input, with_bias)
        if with_bias and of_bias is None:
            of_bias = grad.sum([0, *range(2, grad.dim())])
        left = with_input and of_input is None, with_weight and of_weight is None, False
        if any(left):
            theirs = pytorch_gradients(grad, input, weight, self.settings, left)
            of_input, of_weight = (
                their if our is None else our
                for our, their in zip((of_input, of_weight), theirs, strict=False)
            )
        if unbatched and of_input is not None:
            of_input = of_input.squeeze(0)
        return of_input, of_weight, of_bias

    def _input_gradient(self, grad: Tensor, weight: Tensor) -> Tensor:
        adjoint = self.convolution if self.settings.transposed else self.transpose
        gradient = self.compute(in_layout(grad, self.layout), weight, None, None, adjoint)
        return in_layout(gradient, self.layout)

    def _weight_gradient(
        self, grad: Tensor, input: Tensor, with_bias: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of weight and bias by the kernel.

        The bias's is None where it is not asked for, or the kernel does not compute it.
        """
        assert self.of_weight is not None, "this is a kernel's"
        if self.settings.transposed:  # the ordinary convolution reads the output's gradient
            input, grad, with_bias = grad, input, False
        if torch.is_grad_enabled() and (input.requires_grad or grad.requires_grad):
            gradient: Tensor = _WeightGradient.apply(  # type: ignore[no-untyped-call]
                self, input, grad
            )
            return gradient, None
        return self.of_weight(input, grad, with_bias)


def recorded_call(
    arguments: Arguments,
    problem: Problem,
    layout: str,
    choice: GradientChoice,
    forward: CompiledCall,
    compute: Compute,
) -> RecordedCall:
    """Return the call of a problem, whose gradients are computed as it was chosen.

    layout: the memory layout of the output. forward: the same call without residual and activation.
    compute: a call of any arguments.
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
        _weight_gradient(problem, layout) if choice.of_weight else None,
        layout,
    )


def _weight_gradient(problem: Problem, layout: str) -> WeightGradientCall:
    """Return the call of the kernel, which gets its arrays contiguous in a memory layout."""
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.weight_gradients import fastest

    convolution = convolution_of(problem)
    plan = fastest(convolution, layout, machine_store.machine()).plan(convolution, layout)

    def call(input: Tensor, grad: Tensor, with_bias: bool) -> tuple[Tensor, Tensor | None]:
        return plan(in_layout(input, layout), in_layout(grad, layout), with_bias)

    return call


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


def _training(weight_changes: bool) -> AbstractContextManager[None]:
    """Let the packed weight of a call be kept unless the weight is about to change."""
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.runtime.packed_weights import of_changing_weights

    return of_changing_weights() if weight_changes else nullcontext()


class _Convolution(torch.autograd.Function):
    """The output of a call. What its gradients need is saved: by kernels, no more than that."""

    @staticmethod
    def forward(
        ctx: Any, call: RecordedCall, input: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(input, weight)
        with _training(weight.requires_grad):
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
        weight, _ = call.of_weight(input, grad, False)
        return weight

    @staticmethod
    def backward(ctx: Any, direction: Tensor) -> tuple[Tensor | None, ...]:
        """Return both gradients: the convolution's are linear in the direction of its weight."""
        call: RecordedCall = ctx.call
        input, grad = ctx.saved_tensors
        _, with_input, with_grad = ctx.needs_input_grad
        of_input = of_grad = None
        with _training(True):
            if with_input:
                of_input = call.compute(grad, direction, None, None, call.transpose)
            if with_grad:
                of_grad = call.compute(input, direction, None, None, call.convolution)
        return None, of_input, of_grad
