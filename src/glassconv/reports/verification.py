"""Verification: outputs compared with the definition or with each other, within proven bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem
from glassconv.reports.array import Array, Index
from glassconv.reports.compared import Compared
from glassconv.reports.shown import Shown
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class Element:
    """One output element: its value, the definition's, their distance and its bound."""

    index: Index
    value: float
    reference: float
    error: float
    bound: float


@dataclass(frozen=True, eq=False)
class Verification(Shown):
    """An output compared with the definition in float64, each element with its own bound.

    `worst` is the element with the largest error ÷ bound; None for an empty output.
    """

    problem: Problem
    candidate: str
    verdict: Verdict
    worst: Element | None
    max_error: float
    rms_error: float
    rms_share: float  # the root mean square of error ÷ bound
    relative_error: float  # max|error| ÷ max Σ|x||w|
    ulps: float  # the largest error in units in the last place of the definition's value, unless 0
    bound_factor: float  # |error| ≤ bound_factor · bound_reference + underflow
    formula: str  # of bound_factor
    bound_reference: str  # the magnitude that it multiplies, as a formula
    stray_non_finite: str  # why NaN or infinity may appear beyond their windows; empty if not
    share: float  # the largest error ÷ its bound; over 1 is a failure
    elements: int
    unbounded: int  # elements that may overflow, or that another number's NaN may reach: not judged
    not_finite: int  # elements that are NaN or infinite
    not_finite_by_definition: int


@dataclass(frozen=True)
class ErrorCurve:
    """One algorithm's errors as its sums grow longer: one entry per number of channels."""

    algorithm: str
    worst: tuple[float, ...]
    rms: tuple[float, ...]
    bound: tuple[float, ...]  # of the output that used most of its own
    share: tuple[float, ...]  # how much of it that was


@dataclass(frozen=True, eq=False)
class ErrorCurves(Compared):
    """How errors and bounds grow with the channels of a problem, for every algorithm that can."""

    problem: ConvProblem
    products: tuple[int, ...]  # summed for one output: channels of a group · taps
    curves: tuple[ErrorCurve, ...]


@dataclass(frozen=True, eq=False)
class Difference(Shown):
    """Two outputs compared with each other, under the bound that both being right implies."""

    first: str
    second: str
    verdict: Verdict  # whether every element differs by no more than rounding explains
    index: Index  # where they differ most
    maximum: float
    bound: float  # at that index: both errors together
    array: Array = field(repr=False)  # |first − second|, float64


@dataclass(frozen=True, eq=False)
class Sameness(Shown):
    """Whether Conv2d is the same as unfold + matmul: to the bit, to allclose, and by the bound.

    outputs, grad_inputs and grad_weights each compare the two; checks hold both to the definition.
    """

    problem: ConvProblem
    equal: int  # outputs that are the same to the last bit
    not_close: int  # outputs that torch.allclose calls different
    outputs: Difference
    grad_inputs: Difference
    grad_weights: Difference
    checks: tuple[Verification, Verification]
    least_close: Check | None  # None if allclose accepts all outputs


@dataclass(frozen=True)
class Check:
    """The output that `allclose` rejects by most: terms that cancel leave a small sum."""

    index: Index
    first: float
    second: float
    reference: float  # by the definition in float64
    magnitude: float  # Σ|x||w| + |b|: what was rounded on the way to this output
    tolerance: float  # of allclose
    bound: float  # of the two errors together
