"""Zeros around an input, for the algorithms that copy it."""

from __future__ import annotations

from torch import Tensor

from glassconv.algorithms.parts import uneven_padding
from glassconv.problem import ConvProblem


def padded_note(problem: ConvProblem) -> str:
    """Return what the padded input is, for the note of a step."""
    return "the input with zeros around it" if problem.is_padded else "the input: no padding"


def pad(problem: ConvProblem, input: Tensor) -> Tensor:
    """Return the input [batch, in_channels, *input_size] with zeros on both sides of each axis."""
    return uneven_padding.pad(input, problem.padding) if problem.is_padded else input
