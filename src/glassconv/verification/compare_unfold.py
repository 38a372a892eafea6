"""Is Conv2d the same as unfold + matmul? Ask the bits, `allclose`, and the definition in float64.

The same products are added in another order, and floating point rounds after each addition. So the
two differ, both are right, and the bound says by how much they may.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import WeightGradient, input_gradient
from glassconv.problem.operands import Operands, random_grad_output, random_operands, to_numpy
from glassconv.problem.problem import as_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.array import Array
from glassconv.reports.verification import Check, Difference, Sameness
from glassconv.verification.definition import allowed_error, definition
from glassconv.verification.verify import compare, difference_of, judge

RELATIVE, ABSOLUTE = 1e-5, 1e-8  # what torch.allclose grants unless told otherwise
FIRST, SECOND = "Conv2d", "unfold + matmul"


def same(
    problem: str | ConvProblem, operands: Operands | None = None, *, seed: int = 0
) -> Sameness:
    """Compare PyTorch's convolution with im2col's: the outputs, and autograd's gradients of both.

    problem: an object, or shorthand. Random operands if none are given; the gradient that comes
    from behind is random. Raises `ShapeError` or `DtypeError` for operands of another problem,
    `UnsupportedError` for an empty batch or a transposed convolution.

    >>> found = same("64x14x14 64@3x3 p1")
    >>> found.not_close > 0  # allclose says that they differ …
    True
    >>> found.outputs.verdict.ok  # … but no more than rounding explains
    True
    """
    problem = as_convolution(problem, "same")
    given = (operands or random_operands(problem, seed)).copy()
    given.check(problem)
    grad_output = random_grad_output(problem, seed)
    first, *first_gradients = _run(problem, "aten", given, grad_output)
    second, *second_gradients = _run(problem, "im2col", given, grad_output)

    of_input, of_weight = input_gradient(problem), WeightGradient(problem)
    allowed = (
        _allowed(of_input, Operands(*of_input.convolution_arrays(grad_output, given.weight, None))),
        _allowed(of_weight, of_weight.operands(given.input, grad_output)),
    )
    grad_inputs, grad_weights = (
        difference_of((FIRST, one), (SECOND, other), bound)
        for one, other, bound in zip(first_gradients, second_gradients, allowed, strict=True)
    )
    theirs, ours = (named(name).error_bound(problem) for name in ("aten", "im2col"))
    outputs = compare(problem, given, (FIRST, first, theirs), (SECOND, second, ours))
    tolerance = ABSOLUTE + RELATIVE * np.abs(second.astype(np.float64))
    return Sameness(
        problem=problem,
        equal=int((outputs.array == 0).sum()),
        not_close=int((outputs.array > tolerance).sum()),
        outputs=outputs,
        grad_inputs=grad_inputs,
        grad_weights=grad_weights,
        checks=(
            judge(problem, FIRST, first, given, theirs),
            judge(problem, SECOND, second, given, ours),
        ),
        least_close=_least_close(problem, given, first, second, outputs, tolerance),
    )


def _run(
    problem: ConvProblem, algorithm: str, operands: Operands, grad_output: Tensor
) -> tuple[Array, Array, Array]:
    """Return an algorithm's output and its gradients of input and weight, by autograd."""
    leaves = operands.input.clone().requires_grad_(), operands.weight.clone().requires_grad_()
    output = named(algorithm).run(problem, *leaves, operands.bias)
    gradients = torch.autograd.grad(output, leaves, grad_output)
    return to_numpy(output), to_numpy(gradients[0]), to_numpy(gradients[1])


def _allowed(gradient: TransposedProblem | WeightGradient, operands: Operands) -> Array:
    """Return what rounding may do to two ways of computing a gradient, of the gradient's shape."""
    convolution = gradient.convolution
    bound = named("aten").error_bound(convolution)  # PyTorch computes both
    magnitude = definition(convolution, operands).magnitude
    both = 2 * allowed_error(convolution, bound, operands, magnitude)
    return to_numpy(gradient.cut(torch.from_numpy(both)))


def _least_close(
    problem: ConvProblem,
    operands: Operands,
    first: Array,
    second: Array,
    outputs: Difference,
    tolerance: Array,
) -> Check | None:
    excess = outputs.array / tolerance
    if excess.max() <= 1:
        return None
    index = tuple(int(place) for place in np.unravel_index(int(excess.argmax()), excess.shape))
    truth = definition(problem, operands)
    theirs, ours = (
        allowed_error(problem, named(name).error_bound(problem), operands, truth.magnitude)
        for name in ("aten", "im2col")
    )
    return Check(
        index=index,
        first=float(first[index]),
        second=float(second[index]),
        reference=float(truth.output[index]),
        magnitude=float(truth.magnitude[index]),
        tolerance=float(tolerance[index]),
        bound=float(theirs[index] + ours[index]),
    )
