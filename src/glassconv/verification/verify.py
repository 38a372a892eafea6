"""Hold an output to the definition in float64, every element within its own provable bound.

A candidate that sums n − 1 plain products and a bias, in any order, is off by at most
n · u · (Σ|x||w| + |bias|): no tolerance is picked, it follows from the shapes and the element type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from glassconv.algorithms import named
from glassconv.algorithms.direct import define
from glassconv.dispatch.dispatch import run
from glassconv.dispatch.select import AUTO, choose, kernel_for
from glassconv.errors import ShapeError
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.memory_layout import contiguous, layout_of
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.reports.array import Array, Index
from glassconv.reports.error_bound import ErrorBound, Float64, Scale
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import Difference, Element, Verification

COMPILED = " jit"  # after an algorithm's name: its kernel


def verify(
    problem: ConvProblem,
    algorithm: str = AUTO,
    operands: Operands | None = None,
    *,
    seed: int = 0,
) -> Verification:
    """Run an algorithm, its kernel where it has one, and hold its output to the definition.

    Raises `UnsupportedError` or `UnknownNameError` as `choose` does, `ShapeError` or `DtypeError`
    for operands of another problem.

    >>> from glassconv import parse
    >>> verify(parse("3x32x32 4@5x5"), "im2col").verdict.ok
    True
    """
    operands = operands or random_operands(problem, seed)
    layout = (layout_of(operands.input) or contiguous(problem)).name
    chosen = choose(problem, algorithm, "any" if algorithm != AUTO else "default", layout).algorithm
    if kernel_for(chosen, problem, layout):
        chosen += COMPILED
    return next(verify_each(problem, [chosen], operands))


def verify_each(
    problem: ConvProblem, algorithms: Iterable[str], operands: Operands
) -> Iterator[Verification]:
    """Yield how each of these algorithms stands by the definition, which is computed once.

    A name stands for the algorithm's steps, a name with `COMPILED` for its kernel.
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


def subjects(problem: ConvProblem, algorithms: Iterable[str]) -> list[str]:
    """Return what there is to verify: each algorithm's steps, and its kernel where it has one.

    >>> from glassconv import parse
    >>> subjects(parse("3x8x8 2@3x3 float16"), ["aten", "implicit_gemm"])
    ['aten', 'implicit_gemm']
    """
    found = []
    for name in algorithms:
        found += [name, name + COMPILED] if kernel_for(name, problem) else [name]
    return found


def judge(
    problem: ConvProblem, candidate: str, output: Array, operands: Operands, bound: ErrorBound
) -> Verification:
    """Hold any output, [batch, out_channels, *output_size], to the definition of the problem.

    Where the definition is NaN or infinite the output must be the same; elsewhere each error must
    be within bound.worst · Σ|x||w|, plus what the definition's own rounding and underflow allow.
    Where Σ|x||w| is beyond the element type's largest number a sum may overflow on its way, and
    nothing is promised.
    """
    return _judge(problem, candidate, output, operands, bound, definition(problem, operands))


Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Definition:
    """What is true of a problem's operands: the output and Σ|x||w| + |bias|, both in float64."""

    output: Float64
    magnitude: Float64


def _judge(
    problem: ConvProblem,
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
    unpromised = _unpromised(problem, bound, operands, truth.magnitude, allowed)
    error = np.where(unpromised, 0.0, _distance(output.astype(np.float64), reference))
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
        _verdict(bound, float(share[index]), int(unpromised.sum()), error.size),
        bound,
        worst=worst,
        share=float(share[index]),
        max_error=largest,
        rms_error=_rms(error),
        rms_share=_rms(share),
        relative_error=float(_share(largest, finite_scale)),
        ulps=float(_share(error, _last_place(problem, reference)).max()),
        elements=error.size,
        unpromised=int(unpromised.sum()),
        not_finite=int((~np.isfinite(output)).sum()),
        not_finite_by_definition=int((~np.isfinite(reference)).sum()),
    )


def compare(
    problem: ConvProblem,
    operands: Operands,
    first: tuple[str, Array, ErrorBound],
    second: tuple[str, Array, ErrorBound],
) -> Difference:
    """Return how two named outputs differ, under the bound that both being right implies."""
    plain = definition(problem, operands).magnitude
    for name, output, _ in (first, second):
        if output.shape != plain.shape:
            cause = f"the output of {name} is {list(output.shape)}, not {list(plain.shape)}"
            raise ShapeError(cause, request=str(problem))
    allowed = allowed_error(problem, first[2], operands, plain)
    allowed = allowed + allowed_error(problem, second[2], operands, plain)
    found = difference_of(first[:2], second[:2], allowed)
    if np.isfinite(first[2].worst + second[2].worst):
        return found
    return replace(found, verdict=Verdict(False, "nothing is promised: a bound is infinite"))


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


def definition(problem: ConvProblem, operands: Operands) -> Definition:
    """Return the definition's output in float64, and Σ|x||w| + |bias| for every element of it."""
    operands.check(problem)
    input, weight = to_numpy(operands.input), to_numpy(operands.weight)
    bias = None if operands.bias is None else to_numpy(operands.bias)
    with np.errstate(invalid="ignore", over="ignore"):
        reference = define(problem, input, weight, bias)
    return Definition(reference, _scale(define, problem, operands))


def allowed_error(
    problem: ConvProblem, bound: ErrorBound, operands: Operands, plain: Float64
) -> Float64:
    """Return the bound of every element: the candidate's, the definition's own, and underflow.

    plain: Σ|x||w| + |bias|, as `definition` returns it.
    """
    n = problem.taps_per_output + 1
    own = n * FORMATS["float64"].unit_roundoff
    underflow = n * problem.format.tiny * max(1, (1 + n * problem.format.unit_roundoff) / 2)
    scale = plain if bound.scale is None else _scale(bound.scale, problem, operands)
    with np.errstate(invalid="ignore", over="ignore"):
        return bound.worst * scale + own * plain + underflow


def _scale(of: Scale, problem: ConvProblem, operands: Operands) -> Float64:
    """Return what a function makes of the operands' absolute values."""
    input, weight = np.abs(to_numpy(operands.input)), np.abs(to_numpy(operands.weight))
    bias = None if operands.bias is None else np.abs(to_numpy(operands.bias))
    with np.errstate(invalid="ignore", over="ignore"):
        return of(problem, input, weight, bias)


def _unpromised(
    problem: ConvProblem,
    bound: ErrorBound,
    operands: Operands,
    plain: Float64,
    allowed: Float64,
) -> Mask:
    """Return where no bound holds: sums that may overflow, tiles that hold a NaN, 0 · ∞."""
    with np.errstate(over="ignore"):
        overflow = np.isfinite(plain) & (plain * (1 + bound.worst) > problem.format.largest)
    unpromised = overflow | _padding_times_infinity(problem, operands)
    return unpromised if bound.local else unpromised | ~np.isfinite(allowed)


def _padding_times_infinity(problem: ConvProblem, operands: Operands) -> Mask:
    """Return which outputs lay a weight that is not finite on padding.

    The definition skips padding; whoever multiplies it by its zero, as PyTorch does, gets NaN.
    """
    odd = ~np.isfinite(to_numpy(operands.weight)).all(axis=1)  # [out_channels, *kernel_size]
    found = np.zeros(problem.output_shape, np.bool_)
    for tap in problem.taps():
        filters = odd[(slice(None), *tap)]
        if filters.any():
            padding = np.ones(problem.output_size, np.bool_)
            padding[problem.tap_slices(tap)[0]] = False
            found |= np.multiply.outer(filters, padding)
    return found


def _last_place(problem: ConvProblem, reference: Float64) -> Float64:
    """Return the distance between neighbouring numbers of the element type at each value.

    Infinite at zero, which has no last place.
    """
    _, exponent = np.frexp(reference)  # |value| = fraction · 2^exponent, ½ ≤ fraction < 1
    spacing = np.maximum(np.ldexp(problem.format.unit_roundoff, exponent), problem.format.tiny)
    return np.where(reference == 0, np.inf, spacing)


def _verdict(bound: ErrorBound, share: float, unpromised: int, elements: int) -> Verdict:
    if not np.isfinite(bound.worst):
        return Verdict(False, f"nothing is promised: {bound.formula} is infinite")
    if share > 1:
        return Verdict(False, f"an element is off by {share:.3g} × its bound")
    if unpromised == elements:
        return Verdict(True, "nothing is promised: an overflow or a NaN may reach every element")
    if unpromised:
        beside = f"; nothing is promised for {unpromised} of {elements}, for overflow or a NaN"
        return Verdict(True, f"within the bound, the worst used {share:.1%} of it{beside}")
    return Verdict(True, f"every element within its bound; the worst used {share:.1%} of it")


def _agreement(share: float) -> Verdict:
    if share <= 1:
        return Verdict(True, "the same up to rounding: within the bound")
    return Verdict(False, "more than rounding can explain")


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
    problem: ConvProblem,
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
    unpromised: int = 0,
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
        bound_factor=bound.worst,
        formula=bound.formula,
        measure=bound.measure,
        share=share,
        elements=elements,
        unpromised=unpromised,
        not_finite=not_finite,
        not_finite_by_definition=not_finite_by_definition,
    )
