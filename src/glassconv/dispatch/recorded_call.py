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

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glassconv.dispatch import machine_store
from glassconv.dispatch.compiled_call import CompiledCall, in_layout
from glassconv.dispatch.gradient_choice import GradientChoice
from glassconv.dispatch.operator_settings import Settings
from glassconv.dispatch.pytorch_call import with_epilogue
from glassconv.dispatch.pytorch_gradients import Gradients, Needed, pytorch_gradients
from glassconv.dispatch.storage import check_storage, without_base
from glassconv.dispatch.torch_state import State, state_of
from glassconv.dispatch.weight_gradient_call import (
    Compute,
    WeightGradientCall,
    packing_for_now,
    settings_of,
    weight_gradient_call,
)
from glassconv.problem.gradients import convolution_of, transpose_of
from glassconv.problem.problem import Arguments, Problem


@dataclass(frozen=True)
class RecordedCall:
    """A convolution or a transposed one, with what computes its gradients."""

    arguments: Arguments  # as they were given
    forward: CompiledCall  # without residual and activation, which PyTorch applies
    settings: Settings  # PyTorch's, for the gradients that it computes
    transpose: Arguments  # of the call whose output is the input's gradient
    compute: Compute  # such a call
    of_input: bool  # whether it is computed so, or by PyTorch
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
            return self.others(grad, input, weight, needed)
        unbatched = input.dim() == self.settings.ndim + 1
        if unbatched:
            input, grad = input.unsqueeze(0), grad.unsqueeze(0)
        with_input, with_weight, with_bias = needed
        of_input = of_weight = of_bias = None
        if with_input and self.of_input:
            with packing_for_now(with_weight):
                of_input = self._input_gradient(grad, weight)
        if with_weight and self.of_weight is not None:
            of_weight, of_bias = self._weight_gradient(grad, input, with_bias)
        if with_bias and of_bias is None:
            of_bias = self.bias_gradient(grad)
        left = with_input and of_input is None, with_weight and of_weight is None, False
        if any(left):
            theirs = self.others(grad, input, weight, left)
            of_input, of_weight = (
                their if our is None else our
                for our, their in zip((of_input, of_weight), theirs, strict=False)
            )
        if unbatched and of_input is not None:
            of_input = of_input.squeeze(0)
        return of_input, of_weight, of_bias

    def others(self, grad: Tensor, input: Tensor, weight: Tensor, needed: Needed) -> Gradients:
        """Return the gradients that no kernel computes, None for those not asked for."""
        return pytorch_gradients(grad, input, weight, self.settings, needed)

    def bias_gradient(self, grad: Tensor) -> Tensor:
        """Return the bias's gradient, [out_channels]."""
        return grad.sum([0, *range(2, grad.dim())])

    def _input_gradient(self, grad: Tensor, weight: Tensor) -> Tensor:
        gradient = self.compute(in_layout(grad, self.layout), weight, None, None, self.transpose)
        return in_layout(gradient, self.layout)

    def _weight_gradient(
        self, grad: Tensor, input: Tensor, with_bias: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of weight and bias by the kernel.

        The bias's is None where it is not asked for, or the kernel does not compute it.
        """
        assert self.of_weight is not None, "this is a kernel's"
        if self.settings.transposed:  # the ordinary convolution reads the output's gradient
            return self.of_weight(grad, input, with_bias=False)
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
    return RecordedCall(
        arguments,
        forward,
        settings_of(problem, arguments.accuracy),
        settings_of(transpose_of(problem), arguments.accuracy).arguments(),
        compute,
        choice.of_input,
        _weight_gradient(problem, layout, compute, arguments.accuracy)
        if choice.of_weight
        else None,
        layout,
    )


def _weight_gradient(
    problem: Problem, layout: str, compute: Compute, accuracy: str
) -> WeightGradientCall:
    """Return the call of the kernel that is predicted to be the fastest."""
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.weight_gradients import fastest

    convolution = convolution_of(problem)
    plan = fastest(convolution, layout, machine_store.machine()).plan(convolution, layout)
    return weight_gradient_call(convolution, layout, plan, compute, accuracy)


class _Convolution(torch.autograd.Function):
    """The output of a call. What its gradients need is saved: by kernels, no more than that."""

    @staticmethod
    def forward(
        ctx: Any, call: RecordedCall, input: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(input, weight)
        ctx.set_materialize_grads(False)
        with packing_for_now(weight.requires_grad):
            return without_base(call.forward(input, weight, bias, None))

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None:  # what follows passes none on, and so does this
            return None, None, None, None
        call: RecordedCall = ctx.call
        input, weight = ctx.saved_tensors
        saved = {"input": input, "weight": weight, "output's gradient": grad}
        check_storage(call.arguments.function, saved)
        return None, *call.gradients(grad, input, weight, ctx.needs_input_grad[1:])
