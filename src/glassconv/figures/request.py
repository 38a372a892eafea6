"""What is asked of a figure: a problem, the numbers to draw it with, and a theme."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from glassconv.errors import UnsupportedError
from glassconv.examples.sample_operands import whole_numbers
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, random_operands
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.trace import Trace
from glassconv.tracing.forward import trace
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme


@dataclass(frozen=True)
class Request:
    """A problem with one or two spatial axes, operands given by name, and a theme.

    given: of "input", "weight" and "bias", the tensors to draw, in the shapes of the problem; the
    others are whole numbers, or random ones if `random`.
    """

    asked: Problem
    theme: Theme
    given: tuple[tuple[str, Tensor], ...] = ()
    random: bool = False
    seed: int = 0

    @property
    def subject(self) -> Subject:
        """Return the problem in words."""
        return Subject(self.asked)

    @property
    def has_own_numbers(self) -> bool:
        """Return whether operands or random numbers were asked for."""
        return bool(self.given) or self.random

    @cached_property
    def problem(self) -> ConvProblem:
        """Return the convolution of images that is drawn, equal to what was asked.

        Raises `UnsupportedError` for a transposed convolution whose padding exceeds its kernel.
        """
        plane = self.asked.as_2d()
        if isinstance(plane, ConvProblem):
            return plane
        if plane.is_cut:
            raise self.refusal("its padding cuts off more than the kernel's extent − 1")
        return plane.convolution

    @cached_property
    def asked_operands(self) -> Operands:
        """Return the operands of the problem as it was asked."""
        made = random_operands(self.asked, self.seed) if self.random else whole_numbers(self.asked)
        dtype = getattr(torch, self.asked.dtype)
        operands = replace(made, **{name: each.detach().to(dtype) for name, each in self.given})
        operands.check(self.asked)
        return operands

    @cached_property
    def plane_operands(self) -> Operands:
        """Return the same operands, a sequence as an image of one row."""
        made, plane = self.asked_operands, self.asked.as_2d()
        return replace(
            made,
            input=made.input.reshape(plane.input_shape),
            weight=made.weight.reshape(plane.weight_shape),
        )

    @cached_property
    def operands(self) -> Operands:
        """Return the operands of `problem`: zeros inserted and filters flipped if transposed."""
        plane, made = self.asked.as_2d(), self.plane_operands
        if isinstance(plane, TransposedProblem):
            return Operands(*plane.convolution_arrays(made.input, made.weight, made.bias))
        return made

    def trace(self, algorithm: str) -> Trace:
        """Return every array that an algorithm makes on `problem`."""
        return trace(self.problem, algorithm, self.operands)

    def refusal(self, cause: str) -> UnsupportedError:
        """Return the error for a problem that cannot be drawn."""
        return UnsupportedError(cause, request=str(self.asked))
