"""Compute both gradients, each as a convolution and as a matrix product, and keep all arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from glassconv.algorithms import Algorithm, named
from glassconv.algorithms.parts import names
from glassconv.dispatch.select import AUTO, chosen, plain_sums
from glassconv.errors import ShapeError
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import WeightGradient, input_gradient
from glassconv.problem.im2col_map import fold, unfold
from glassconv.problem.operands import Operands, random_grad_output, random_operands, to_numpy
from glassconv.problem.problem import Problem, as_convolution
from glassconv.reports.trace import Backward, Step


def backward(
    problem: str | ConvProblem,
    algorithm: str = AUTO,
    operands: Operands | None = None,
    grad_output: Tensor | None = None,
    *,
    seed: int = 0,
) -> Backward:
    """Return all arrays computed on the way to both gradients, with random operands by default.

    problem: an object, or shorthand.
    grad_output: the gradient of a scalar with respect to the output, with the output's shape.

    Raises `UnsupportedError` if the algorithm does not support one of the two convolutions, for an
    empty batch, or for a transposed convolution; `UnknownNameError`, `ShapeError` or `DtypeError`
    as `trace` does.

    >>> both = backward("3x8x8 4@3x3 s2")
    >>> both["grad_input"].shape, both["grad_weight"].shape
    ((1, 3, 8, 8), (4, 3, 3, 3))
    >>> bool(abs(both["grad_input"] - both["folded"]).max() < 1e-5)
    True
    """
    problem = as_convolution(problem, "backward")
    given = (operands or random_operands(problem, seed)).copy()
    given.check(problem)
    gradient = (
        random_grad_output(problem, seed) if grad_output is None else grad_output.detach().clone()
    )
    if tuple(gradient.shape) != problem.output_shape:
        cause = f"grad_output must be of shape {problem.output_shape}, not {tuple(gradient.shape)}"
        raise ShapeError(cause, request=str(problem))
    input_convolution = input_gradient(problem).convolution
    weight_convolution = WeightGradient(problem).convolution
    used = [_chosen(p, algorithm).name for p in (input_gradient(problem), weight_convolution)]
    with torch.no_grad():
        input_steps = tuple(_input_steps(problem, algorithm, given.weight, gradient))
        weight_steps = tuple(_weight_steps(problem, algorithm, given.input, gradient))
    return Backward(
        problem=problem,
        algorithm=" and ".join(dict.fromkeys(used)),
        input_convolution=input_convolution,
        weight_convolution=weight_convolution,
        input=to_numpy(given.input),
        weight=to_numpy(given.weight),
        input_steps=tuple(map(_as_numpy, input_steps)),
        weight_steps=tuple(map(_as_numpy, weight_steps)),
    )


def _input_steps(
    problem: ConvProblem, algorithm: str, weight: Tensor, grad_output: Tensor
) -> Iterator[Step]:
    batch, groups = problem.batch, problem.groups
    m, k = problem.gemm.m, problem.gemm.k
    axes = ("batch", "out_channels", *names.outputs(problem))
    yield Step(
        "grad_output", grad_output, axes, "∂L/∂y from the next layer, with the output's shape"
    )

    transposed = input_gradient(problem)
    zeros_inserted, flipped, _ = transposed.convolution_arrays(grad_output, weight, None)
    axes = ("batch", "out_channels", *names.sizes(problem))
    note = "stride − 1 zeros inserted between neighbours"
    if set(problem.stride) == {1}:
        note = "grad_output itself: with stride 1 there are no zeros to insert"
    yield Step("zero_inserted", zeros_inserted, axes, note)
    axes = ("in_channels", "filters of a group", *names.kernel(problem))
    yield Step("flipped", flipped, axes, "filters and channels swapped, kernels rotated by 180°")
    # Of the transposed problem: an infinite weight must not meet an inserted zero.
    grad_input = _run(transposed, algorithm, Operands(grad_output, weight, None))
    axes = ("batch", "in_channels", *names.sizes(problem))
    yield Step("grad_input", grad_input, axes, f"the convolution {transposed.convolution}")

    flat = grad_output.reshape(batch, groups, m, -1)
    grad_columns = (weight.reshape(groups, m, k).transpose(1, 2) @ flat).flatten(1, 2)
    axes = ("batch", "in_channels · taps", "positions")
    yield Step(
        "grad_columns", grad_columns, axes, "Wᵀ · grad_output: the gradient of the im2col matrix"
    )
    axes = ("batch", "in_channels", *names.sizes(problem))
    folded = fold(problem, grad_columns)
    yield Step("folded", folded, axes, "fold (col2im): adds overlapping columns")


def _weight_steps(
    problem: ConvProblem, algorithm: str, input: Tensor, grad_output: Tensor
) -> Iterator[Step]:
    batch, groups = problem.batch, problem.groups
    m, k = problem.gemm.m, problem.gemm.k
    gradient = WeightGradient(problem)
    given = gradient.operands(input, grad_output)
    axes = ("channels of a group", "groups · batch", *names.sizes(problem))
    yield Step("swapped_input", given.input, axes, "the input with batch and channel axes swapped")
    axes = ("out_channels", "batch", *names.kernel(problem))
    yield Step("kernels", given.weight, axes, "grad_output, used as the kernel")
    grad_weight = gradient.cut(_run(gradient.convolution, algorithm, given))
    axes = ("out_channels", "channels of a group", *names.kernel(problem))
    yield Step("grad_weight", grad_weight, axes, f"the convolution {gradient.convolution}")

    columns = unfold(problem, input)
    axes = ("batch", "in_channels · taps", "positions")
    yield Step("columns", columns, axes, "the im2col matrix of the input")
    flat = grad_output.reshape(batch, groups, m, -1)
    windows = columns.reshape(batch, groups, k, -1)
    product = (flat @ windows.transpose(2, 3)).sum(0).reshape(problem.weight_shape)
    axes = ("out_channels", "channels of a group", *names.kernel(problem))
    yield Step("product", product, axes, "grad_output · columnsᵀ, summed over the batch")
    grad_bias = grad_output.transpose(0, 1).flatten(1).sum(1)
    yield Step("grad_bias", grad_bias, ("out_channels",), "grad_output, summed for each filter")


def _run(problem: Problem, algorithm: str, given: Operands) -> Tensor:
    return _chosen(problem, algorithm).run(problem, given.input, given.weight, given.bias)


def _chosen(problem: Problem, algorithm: str) -> Algorithm:
    # Transforms round differently, and the two ways are compared with each other here.
    name = plain_sums(problem) if algorithm == AUTO else chosen(problem, algorithm, "any").name
    return named(name)


def _as_numpy(step: Step) -> Step:
    return replace(step, array=to_numpy(step.array))
