"""The steps of a plan: kernels of glassconv's, and operations that stay with PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glassconv.kernels.runtime.plan import Launch
from glassconv.networks.plan.places import Address, Place
from glassconv.problem.problem import Problem


@dataclass(frozen=True)
class KernelStep:
    """An operation that kernels compute, one launch after another."""

    name: str
    kernel: str  # its algorithm's name, or what it does
    launches: tuple[Launch[Address | int], ...]
    reads: tuple[int, ...]  # roots
    output: Place
    workspace_bytes: int
    predicted_seconds: float
    problem: Problem | None = None  # of a convolution or a linear layer
    layout: str = ""  # the memory layout of the problem's input
    before: Problem | None = None  # of another convolution in the step, which the problem reads
    owner: object = None  # of memory that launches have addresses of, such as a bias of zeros

    @property
    def writes(self) -> tuple[int, ...]:
        """Return the roots that it writes to."""
        return (self.output.root,)


@dataclass(frozen=True)
class PyTorchStep:
    """An operation that PyTorch computes, and why."""

    name: str
    reason: str
    call: Any  # its overload, or a function
    arguments: tuple[tuple[str, Any], ...]  # a tensor is a `Place`, several are a tuple
    outputs: tuple[Place, ...]  # what it returns, each in a root of its own
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    allocated_bytes: int  # at once, its results among them


PlanStep = KernelStep | PyTorchStep
