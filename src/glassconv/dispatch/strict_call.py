"""Recorded calls in "strict": each gradient in its published order, whatever computes it.

The input's gradient is a call in "strict" of the transposed convolution. Those of weight and bias
have a kernel, and a definition in PyTorch operations for tensors that no kernel may be given.
Arrays of 16 bits are computed in float32, and the output and the gradients are rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType

from torch import Tensor

from glassconv.algorithms.parts.ordered_gradients import sum_over_pixels, weight_gradient
from glassconv.dispatch import autocast
from glassconv.dispatch.compiled_call import CompiledCall
from glassconv.dispatch.pytorch_gradients import Gradients, Needed
from glassconv.dispatch.recorded_call import RecordedCall
from glassconv.dispatch.torch_state import State, is_batch_of_gradients, state_of
from glassconv.dispatch.weight_gradient_call import (
    Compute,
    Kernel,
    WeightGradientCall,
    settings_of,
    weight_gradient_call,
)
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import convolution_of, transpose_of, without_unreached
from glassconv.problem.memory_layout import contiguous
from glassconv.problem.problem import Arguments, Problem
from glassconv.problem.transposed import TransposedProblem

Index = tuple[EllipsisType | slice, ...]


@dataclass(frozen=True)
class StrictCall(RecordedCall):
    """A recorded call whose gradients are in the published order."""

    convolution: ConvProblem  # whose weight's gradient is that of the call
    pixels: ConvProblem  # of ones, whose weight's gradient is that of the bias
    of_bias: WeightGradientCall
    reached: Index  # the outputs that an input reaches; empty if all are

    def gradients(self, grad: Tensor, input: Tensor, weight: Tensor, needed: Needed) -> Gradients:
        """Return the gradients of input, weight and bias, None for those not asked for."""
        if not self.reached:
            return super().gradients(grad, input, weight, needed)
        only_bias = (False, False, needed[2])
        of_bias = super().gradients(grad, input, weight, only_bias)[2]
        part = grad[self.reached]
        return *super().gradients(part, input, weight, (*needed[:2], False))[:2], of_bias

    def others(self, grad: Tensor, input: Tensor, weight: Tensor, needed: Needed) -> Gradients:
        """Return the gradients by PyTorch operations; autocast may not change their types.

        Those of a batch that `is_grads_batched` hides are PyTorch's, not in order.
        """
        if is_batch_of_gradients(grad):
            return super().others(grad, input, weight, needed)
        with autocast.switched_off():
            if state_of(grad, input, weight, None) is not State.OTHER:
                return self.gradients(grad, input, weight, needed)
            unbatched = input.dim() == self.settings.ndim + 1
            if unbatched:
                input, grad = input.unsqueeze(0), grad.unsqueeze(0)
            of_input = of_weight = of_bias = None
            if needed[0]:
                of_input = self.compute(grad, weight, None, None, self.transpose)
                of_input = of_input.squeeze(0) if unbatched else of_input
            if needed[1]:
                pair = (grad, input) if self.settings.transposed else (input, grad)
                of_weight = weight_gradient(self.convolution, *pair)
            if needed[2]:
                of_bias = weight_gradient(self.pixels, *self._ones_and(grad)).flatten()
            return of_input, of_weight, of_bias

    def bias_gradient(self, grad: Tensor) -> Tensor:
        """Return the bias's gradient, [out_channels]."""
        return self.of_bias(*self._ones_and(grad))[0].flatten()

    def _ones_and(self, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return the operands of the weight's gradient that is the bias's."""
        return grad.new_ones(self.pixels.input_shape), grad.flatten(2)


def strict_call(
    arguments: Arguments, problem: Problem, layout: str, forward: CompiledCall, compute: Compute
) -> StrictCall:
    """Return the call of a problem of float32 or float64.

    layout: the memory layout of the output. forward: the same call without residual and activation.
    compute: a call of any arguments. Raises `ShapeError` for a transposed convolution of which no
    input reaches an output.
    """
    accuracy, settings = arguments.accuracy, settings_of(problem, arguments.accuracy)
    pixels, size = sum_over_pixels(problem), problem.output_size
    reached: Index = ()
    if isinstance(problem, TransposedProblem):
        problem = without_unreached(problem)
        if problem.output_size != size:
            reached = (..., *map(slice, problem.output_size))
    convolution = convolution_of(problem)
    of_weight, of_bias = (
        weight_gradient_call(each, layout, _kernel(each, layout), compute, accuracy)
        for each in (convolution, pixels)
    )
    return StrictCall(
        arguments,
        forward,
        settings,
        settings_of(transpose_of(problem), accuracy).arguments(),
        compute,
        True,
        of_weight,
        layout,
        convolution,
        pixels,
        of_bias,
        reached,
    )


def _kernel(problem: ConvProblem, layout: str) -> Kernel:
    """Return the kernel of a problem, its definition on a processor without kernels."""
    # The code generator is imported when it is needed, not with the package.
    from glassconv.codegen.openmp import threads
    from glassconv.codegen.target import host
    from glassconv.kernels.weight_gradients import ordered

    target = host()
    if target is None:
        return lambda input, grad, with_bias: (weight_gradient(problem, input, grad), None)
    return ordered.plan(problem, contiguous(problem, layout), target, threads())
