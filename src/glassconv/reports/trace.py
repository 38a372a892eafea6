"""Trace and Backward: every array that an algorithm computes on the way to its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.array import Array
from glassconv.reports.compared import Compared
from glassconv.reports.shown import Shown


@dataclass(frozen=True, eq=False)
class Step(Compared):
    """One array on the way from input to output.

    `array` is a NumPy array in a report; while an algorithm runs it may be a tensor.
    """

    name: str
    array: Any
    axes: tuple[str, ...]  # a name for every axis
    note: str


@dataclass(frozen=True, eq=False)
class Trace(Shown):
    """Every array that an algorithm made on a problem, in order; the last is the output."""

    problem: ConvProblem  # of a transposed convolution, the convolution that it equals
    transposed: TransposedProblem | None
    algorithm: str
    input: Array = field(repr=False)
    weight: Array = field(repr=False)
    bias: Array | None = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)

    @property
    def subject(self) -> Problem:
        """Return the problem that was run."""
        return self.transposed or self.problem

    def __getitem__(self, name: str) -> Array:
        """Return the array of the step with this name; `KeyError` lists the names there are."""
        return _array_of(self.steps, name)

    @property
    def output(self) -> Array:
        """Return the last step's array."""
        last: Array = self.steps[-1].array
        return last


@dataclass(frozen=True, eq=False)
class Backward(Shown):
    """Both gradients of a convolution, each as a convolution and as a matrix product.

    In every pair the two ways make the same array: grad_input and folded, grad_weight and product.
    """

    problem: ConvProblem
    algorithm: str  # what ran the two convolutions: a name, or one and another
    input_convolution: ConvProblem  # of the zero-inserted grad_output with the flipped filters
    weight_convolution: ConvProblem  # of the input, by grad_output
    input: Array = field(repr=False)
    weight: Array = field(repr=False)
    input_steps: tuple[Step, ...] = field(repr=False)
    weight_steps: tuple[Step, ...] = field(repr=False)

    def __getitem__(self, name: str) -> Array:
        """Return the array of the step with this name; `KeyError` lists the names there are."""
        return _array_of((*self.input_steps, *self.weight_steps), name)


def _array_of(steps: tuple[Step, ...], name: str) -> Array:
    for step in steps:
        if step.name == name:
            found: Array = step.array
            return found
    raise KeyError(f"no step {name!r}; there are {[step.name for step in steps]}")
