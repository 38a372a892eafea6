"""What computes a layer's output and its gradients in training, and by which loops."""

from __future__ import annotations

import torch

from glassconv.dispatch.gradient_choice import choose_gradients, predicted_parts
from glassconv.errors import UnsupportedError
from glassconv.kernels import kernel_named, weight_gradients
from glassconv.problem.dtypes import HALF_PRECISION
from glassconv.problem.gradients import WeightGradient, convolution_of, transpose_of
from glassconv.problem.memory_layout import contiguous
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.reports.gradient_kernels import GradientKernel, GradientKernels


def inspect_gradients(problem: Problem, layout: str = "nchw") -> GradientKernels:
    """Return what computes the output and both gradients, where all three are asked for.

    Raises `UnsupportedError` where PyTorch computes the gradients of every such problem.
    """
    if problem.ndim == 3 or problem.dtype in HALF_PRECISION or not problem.batch:
        cause = "gradients of three axes, of 16 bits and of empty batches are PyTorch's"
        if problem.dtype in HALF_PRECISION:
            cause += "; where they would be slower than in float32, the call is computed in that"
        raise UnsupportedError(cause, request=str(problem))
    choice = choose_gradients(problem, "default", layout, of_input=True, of_weight=True)
    parts = predicted_parts(problem, "default", layout)
    convolution, transpose = convolution_of(problem), transpose_of(problem)
    named = (
        ("output", problem, _loops(problem, parts.output.kernel, layout)),
        ("input's gradient", transpose, _loops(transpose, parts.of_input.kernel, layout)),
        (
            "weight's gradient",
            WeightGradient(convolution).convolution,
            weight_gradients.KERNELS[parts.of_weight.kernel].plan(convolution, layout).loops
            if parts.of_weight.kernel
            else (),
        ),
    )
    return GradientKernels(
        problem,
        layout,
        torch.get_num_threads(),
        tuple(
            GradientKernel(
                name,
                computed,
                part.kernel if is_by_kernel else None,
                part.seconds if part.kernel else None,
                part.pytorch_seconds,
                loops if is_by_kernel else (),
            )
            for (name, computed, loops), part, is_by_kernel in zip(
                named, parts, choice, strict=True
            )
        ),
    )


def _loops(problem: Problem, name: str | None, layout: str) -> tuple[str, ...]:
    """Return the loops of a kernel, of the convolution that it computes."""
    if name is None:
        return ()
    kernel = kernel_named(name)
    computed = problem if kernel.transposed else equal_convolution(problem)
    return kernel.plan(computed, contiguous(computed, layout)).loops
