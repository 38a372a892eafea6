"""phases: a transposed convolution as small convolutions, one for each phase of the output.

A transposed convolution with stride s sends every input to outputs s apart. Seen from the output,
an element reads only the taps that bring an input to it; elements s apart read the same taps and
are a phase. Along each axis there are s of them. Each is a convolution of the input with stride 1
by its own taps. Compute them one by one and write each to its own outputs. No zero is inserted.

    y[b, f, i, j] = bias[f] + Σ_(u,v) Σ_c w[c, f, u, v] · x[b, c, (i + p − u·d)/s, (j + p − v·d)/s]
                    over the taps (u, v) for which both divisions leave no rest

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                u, v tap                        d dilation   x is 0 outside the input

Shapes: x [batch, in_channels, *input_size], w [in_channels, out_channels / groups, *kernel_size], y
[batch, out_channels, *output_size]; a phase [batch, out_channels, *outputs of the phase]. Cost: one
multiply-add for each input, tap and filter whose output exists; workspace for the phases, together
as large as the output, and for one tap's window and product.

Source: P. P. Vaidyanathan, Multirate digital filters, filter banks, polyphase networks, and
applications: a tutorial, 1990; docs/algorithms/phases.md. It takes 1 / s of the products per axis
that the zero-inserted convolution takes. Do not use it for convolutions: they have no phases.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import Tensor

from glassconv.algorithms import direct
from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.zeros import zeros
from glassconv.problem.phases import axis_phases, phases, products_along
from glassconv.problem.problem import Problem
from glassconv.problem.size_text import by_x
from glassconv.problem.transposed import EVERY, TransposedProblem, flip
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

TRANSPOSED = True  # the functions below take the transposed problem itself


def supports(problem: Problem) -> Verdict:
    """Transposed convolutions, all of them."""
    if isinstance(problem, TransposedProblem):
        return Verdict(True, "any transposed convolution: one convolution per phase")
    return Verdict(False, "needs a transposed convolution")


def cost(problem: TransposedProblem) -> Cost:
    """Count one multiply-add for each product that exists; sums over phases are sums per axis."""
    along = [axis_phases(problem, axis) for axis in range(problem.ndim)]
    inside = prod(products_along(problem, axis) for axis in range(problem.ndim))
    taps = prod(sum(len(phase.taps) for phase in axis) for axis in along)
    passed = prod(sum(len(phase.taps) * len(phase.outputs) for phase in axis) for axis in along)
    largest = prod(max((len(phase.outputs) for phase in axis), default=0) for axis in along)
    macs = problem.batch * problem.out_channels * problem.in_channels // problem.groups * inside
    each_input = problem.batch * problem.in_channels * problem.format.bytes
    each_output = problem.batch * problem.out_channels * problem.format.bytes
    return Cost(
        multiplications=macs,
        additions=macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=problem.output_bytes + largest * (each_input + each_output),
        traffic_bytes=passed * (3 * each_input + 4 * each_output) + 3 * problem.output_bytes,
        operations=4 * taps + 3 * prod(map(len, along)) + 2,
    )


def error_bound(problem: TransposedProblem) -> ErrorBound:
    """n·u: an output sums the products of its phase's taps and no others."""
    return sum_of_products_bound(problem.products_per_output, problem.format)


def steps(
    problem: TransposedProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Convolve for each phase, and write its outputs where they belong."""
    axes = names.output(problem.convolution)
    output = zeros(input, weight, problem.output_shape)  # what no tap reaches stays zero
    for phase in phases(problem):
        image = input[EVERY + phase.inputs]
        filters = flip(weight[EVERY + phase.taps], problem.groups)
        *_, convolved = direct.steps(phase.convolution, image, filters, None)
        output[EVERY + phase.outputs] = convolved.array
        name = f"phase {by_x(phase.first_output)}"
        yield Step(name, convolved.array, axes, f"the convolution {phase.convolution}")
    output = add_bias(problem.convolution, output, bias)
    yield Step("output", output, axes, "every phase in its own outputs, and the bias")
