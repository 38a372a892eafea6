"""What computes the output and the gradients of a layer in training."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem.problem import Problem
from glassconv.reports.shown import Shown


@dataclass(frozen=True)
class GradientKernel:
    """The output of a call, or one of its gradients."""

    name: str
    convolution: Problem  # that equals it
    kernel: str | None  # None: PyTorch computes it
    seconds: float | None  # predicted for the kernel
    pytorch_seconds: float  # predicted
    loops: tuple[str, ...]  # the kernel's, one line per loop


@dataclass(frozen=True)
class GradientKernels(Shown):
    """All of them, in the order in which a step of training computes them."""

    problem: Problem
    layout: str
    threads: int
    parts: tuple[GradientKernel, ...]
