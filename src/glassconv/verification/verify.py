"""Compare an output with the definition in float64, every element within its proven bound.

An algorithm that sums n − 1 plain products and a bias, in any order, is off by at most
n · u · (Σ|x||w| + |bias|): no tolerance is picked, it follows from the shapes and the element type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from glassconv.algorithms import named
from glassconv.dispatch.dispatch import run
from glassconv.dispatch.select import AUTO, chosen, kernel_for
from glassconv.errors import ShapeError
from glassconv.problem.memory_layout import contiguous, layout_of
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.problem import Problem, as_problem, equal_convolution
from glassconv.reports.array import Array, Index
from glassconv.reports.error_bound import ErrorBound, Float64
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import Difference, Element, Verification
from glassconv.verification.definition import (
    Definition,
    allowed_error,
    definition,
    padding_times_infinity,
)

COMPILED = " jit"  # after an algorithm's name: its kernel
MOST_EMULATED = 10**7  # multiply-adds; a minute for `ordered`, which emulates each


def verify(
    problem: str | Problem,
    algorithm: str = AUTO,
    operands: Operands | None = None,
    *,
    seed: int = 0,
) -> Verification:
    """Run an algorithm, its kernel where it has one, and compare its output with the definition.

    problem: an object, or shorthand. A transposed one is verified like a convolution.

    Raises `UnsupportedError` or `UnknownNameError` as `choose` does, `ShapeError` or `DtypeError`
    for operands of another problem.

    >>> verify("3x32x32 4@5x5", "im2col").verdict.ok
    True
    """
    problem = as_problem(problem)
    operands = operands or random_operands(problem, seed)
    layout = (layout_of(operands.input) or contiguous(equal_convolution(problem))).name
    name = chosen(problem, algorithm, "any" if algorithm != AUTO else "default", layout).name
    if kernel_for(name, problem, layout):
        name += COMPILED
    return next(verify_each(problem, [name], operands))


def verify_each(
    problem: Problem, algorithms: Iterable[str], operands: Operands
) -> Iterator[Verification]:
    """Yield the verification of each algorithm; the definition is computed once.

    A name means the algorithm's steps, a name with `COMPILED` its kernel.
    """
    truth = definition(problem, operands)
    given = (operands.input, operands.weight, operands.bias)
    for name in algorithms:
        algorithm = named(name.removesuffix(COMPILED))
        with torch.no_grad():
            if name.endswith(COMPILED):
                output = run(problem, algorithm.name, *given)
            else:
                output = algorithm.run(problem, *given)
        bound = algorithm.error_bound(problem)
        yield _judge(problem, name, to_numpy(output), operands, bound, truth)


def verification_targets(problem: Problem, algorithms: Iterable[str]) -> list[str]:
    """Return the names to verify: each algorithm's steps, and its kernel where it has one.

    Of an algorithm that emulates its arithmetic, large problems are verified by the kernel only.

    >>> from glassconv import parse
    >>> verification_targets(parse("3x8x8 2@3x3"), ["aten", "implicit_gemm"])
    ['aten', 'implicit_gemm', 'implicit_gemm jit']
    """
    found = []
    for name in algorithms:
        has_kernel = kernel_for(name, problem) is not None
        emulates = named(name).published_order and problem.macs > MOST_EMULATED
        if not (has_kernel and emulates):
            found.append(name)
        if has_kernel:
            found.append(name + COMPILED)
    return found


def judge(
    problem: str | Problem, candidate: str, output: Array, operands: Operands, bound: ErrorBound
) -> Verification:
    """Compare any output, [batch, out_channels, *output_size], with the definition.

    Where the definition is NaN or infinite the output must be the same; elsewhere each error must
    be within the bound, plus what the definition's own rounding allows. Elements without a bound
    are counted and not judged: where Σ|x||w| exceeds the element type's largest number a sum may
    overflow on its way; where the algorithm's bound is not local, or allows a stray NaN, other
    numbers' NaN and infinity may reach an output.
    """
    problem = as_problem(problem)
    return _judge(problem, candidate, output, operands, bound, definition(problem, operands))


Mask = npt.NDArray[np.bool_]


def _judge(
    problem: Problem,
    candidate: str,
    output: Array,
    operands: Operands,
    bound: ErrorBound,
    truth: Definition,
) -> Verification:
    reference = truth.output
    if output.shape != reference.shape:
        verdict = Verdict(False, f"shape {list(output.shape)}, not {list(reference.shape)}")
        return _verification(problem, candidate, verdict, bound)
    if not reference.size:
        return _verification(problem, candidate, Verdict(True, "an empty output"), bound)
    allowed = allowed_error(problem, bound, operands, truth.magnitude)
    stray = _stray(bound, operands, output, reference)
    unbounded = stray | _unbounded(problem, bound, operands, truth, allowed)
    error = np.where(unbounded, 0.0, _distance(output.astype(np.float64), reference))
    share = _share(error, allowed)
    index = _argmax(share)
    worst = Element(
        index=index,
        value=float(output[index]),
        reference=float(reference[index]),
        error=float(error[index]),
        bound=float(allowed[index]),
    )
    largest = float(error.max())
    magnitude = truth.magnitude
    finite_scale = float(np.max(magnitude, initial=0.0, where=np.isfinite(magnitude)))
    return _verification(
        problem,
        candidate,
        _verdict(bound, float(share[index]), int(unbounded.sum()), int(stray.sum()), error.size),
        bound,
        worst=worst,
        share=float(share[index]),
        max_error=largest,
        rms_error=_rms(error),
        rms_share=_rms(share),
        relative_error=float(_share(largest, finite_scale)),
        ulps=float(_share(error, _last_place(problem, reference)).max()),
        elements=error.size,
        unbounded=int(unbounded.sum()),
        not_finite=int((~np.isfinite(output)).sum()),
        not_finite_by_definition=int((~np.isfinite(reference)).sum()),
    )


def compare(
    problem: str | Problem,
    operands: Operands,
    first: tuple[str, Array, ErrorBound],
    second: tuple[str, Array, ErrorBound],
) -> Difference:
    """Return how two named outputs differ, under the bound that both being right implies."""
    problem = as_problem(problem)
    plain = definition(problem, operands).magnitude
    for name, output, _ in (first, second):
        if output.shape != plain.shape:
            cause = f"the output of {name} is {list(output.shape)}, not {list(plain.shape)}"
            raise ShapeError(cause, request=str(problem))
    allowed = allowed_error(problem, first[2], operands, plain)
    allowed = allowed + allowed_error(problem, second[2], operands, plain)
    found = difference_of(first[:2], second[:2], allowed)
    if np.isfinite(first[2].max_factor + second[2].max_factor):
        return found
    return replace(found, verdict=Verdict(False, "no bound holds: one of the two is infinite"))


def difference_of(
    first: tuple[str, Array], second: tuple[str, Array], allowed: Float64
) -> Difference:
    """Return how two named arrays differ, allowed so much at each element."""
    array = _distance(first[1].astype(np.float64), second[1].astype(np.float64))
    if not array.size:
        empty = Verdict(True, "two empty outputs")
        return Difference(first[0], second[0], empty, (), 0.0, 0.0, array)
    index = _argmax(array)
    return Difference(
        first=first[0],
        second=second[0],
        verdict=_agreement(float(_share(array, allowed).max())),
        index=index,
        maximum=float(array[index]),
        bound=float(allowed[index]),
        array=array,
    )


def _unbounded(
    problem: Problem,
    bound: ErrorBound,
    operands: Operands,
    truth: Definition,
    allowed: Float64,
) -> Mask:
    """Return where no bound holds: possible overflow, 0 · ∞, a NaN that spreads."""
    plain = truth.magnitude
    with np.errstate(over="ignore"):
        overflow = np.isfinite(plain) & (plain * (1 + bound.max_factor) > problem.format.largest)
    unbounded = overflow | padding_times_infinity(problem, operands)
    if not bound.local:
        unbounded |= ~np.isfinite(allowed)
    return unbounded


def _stray(bound: ErrorBound, operands: Operands, output: Array, reference: Float64) -> Mask:
    """Return the outputs that another window's NaN or infinity has reached, where it may."""
    finite = torch.isfinite(operands.input).all() and torch.isfinite(operands.weight).all()
    if finite or not bound.stray_non_finite:
        return np.zeros(reference.shape, np.bool_)
    reached: Mask = np.isfinite(reference) & ~np.isfinite(output)
    return reached | (np.isinf(reference) & np.isnan(output))


def _last_place(problem: Problem, reference: Float64) -> Float64:
    """Return the distance between neighbouring numbers of the element type at each value.

    Infinite at zero, which has no last place.
    """
    _, exponent = np.frexp(reference)  # |value| = fraction · 2^exponent, ½ ≤ fraction < 1
    spacing = np.maximum(np.ldexp(problem.format.unit_roundoff, exponent), problem.format.tiny)
    return np.where(reference == 0, np.inf, spacing)


def _verdict(bound: ErrorBound, share: float, unbounded: int, stray: int, elements: int) -> Verdict:
    if not np.isfinite(bound.max_factor):
        return Verdict(False, f"no bound holds: {bound.formula} is infinite")
    if share > 1:
        return Verdict(False, f"an element is off by {share:.3g} × its bound")
    if unbounded == elements:
        return Verdict(True, "no element has a bound: all may overflow or become NaN")
    if unbounded:
        beside = f"; {unbounded} of {elements} have none: they may overflow or become NaN"
        if stray:
            beside += f", {stray} because {bound.stray_non_finite}"
        return Verdict(True, f"elements with a bound are within it (max. {share:.1%}){beside}")
    return Verdict(True, f"every element is within its bound (max. {share:.1%})")


def _agreement(share: float) -> Verdict:
    if share <= 1:
        return Verdict(True, "equal up to rounding: within the bound")
    return Verdict(False, "the difference exceeds the bound")


def _share(error: Float64 | float, allowed: Float64 | float) -> Float64:
    """Return error ÷ allowed: 0 where there is no error, infinite where the error is."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = np.divide(error, allowed)
    return np.where(error == 0, 0.0, np.where(np.isinf(error), np.inf, share))


def _rms(error: Float64) -> float:
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(np.square(error))))


def _distance(first: Float64, second: Float64) -> Float64:
    """Return |first − second|: 0 where both are the same NaN or infinity, infinite where one is."""
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(first - second)
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def _argmax(values: Float64) -> Index:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(values)), values.shape))


def _verification(
    problem: Problem,
    candidate: str,
    verdict: Verdict,
    bound: ErrorBound,
    *,
    worst: Element | None = None,
    share: float = 0.0,
    max_error: float = 0.0,
    rms_error: float = 0.0,
    rms_share: float = 0.0,
    relative_error: float = 0.0,
    ulps: float = 0.0,
    elements: int = 0,
    unbounded: int = 0,
    not_finite: int = 0,
    not_finite_by_definition: int = 0,
) -> Verification:
    return Verification(
        problem=problem,
        candidate=candidate,
        verdict=verdict,
        worst=worst,
        max_error=max_error,
        rms_error=rms_error,
        rms_share=rms_share,
        relative_error=relative_error,
        ulps=ulps,
        bound_factor=bound.max_factor,
        formula=bound.formula,
        bound_reference=bound.reference,
        stray_non_finite=bound.stray_non_finite,
        share=share,
        elements=elements,
        unbounded=unbounded,
        not_finite=not_finite,
        not_finite_by_definition=not_finite_by_definition,
    )
