"""Gradients by every kernel that supports them, whichever is predicted to be faster."""

from __future__ import annotations

from glassconv.dispatch.gradient_choice import GradientChoice
from glassconv.kernels.weight_gradients import supporting
from glassconv.problem.gradients import convolution_of
from glassconv.problem.problem import Problem


def choose_every_kernel(
    problem: Problem, accuracy: str, layout: str, *, output: bool, of_input: bool, of_weight: bool
) -> GradientChoice:
    """Return a choice in place of that of `choose_gradients`. Kernels have one axis or two."""
    if problem.ndim == 3:
        return GradientChoice(output=False, of_input=False, of_weight=False)
    supported = supporting(convolution_of(problem), layout)
    return GradientChoice(output=output, of_input=of_input, of_weight=of_weight and bool(supported))
