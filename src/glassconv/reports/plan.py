"""PlanReport: a network as one plan: its steps, how long each takes, memory and errors.

A PassReport is what one pass did to the network before.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.reports.benchmark import Roofline
from glassconv.reports.shown import Shown


@dataclass(frozen=True)
class LayerError:
    """The largest error of a layer's output, over the largest value, both against float64."""

    error: float
    pytorch_error: float


@dataclass(frozen=True)
class StepFacts:
    """One step of a plan."""

    name: str
    kernel: str  # its algorithm, what it does, or the operation of PyTorch's
    reason: str  # why PyTorch computes it, empty for a kernel
    problem: str  # shorthand of a convolution or a linear layer, or of two; else empty
    macs: int  # of the problems
    memory: str  # arena: shared with other steps; output, result: new in each call
    offset: int | None  # of its output in the arena, in bytes
    bytes: int  # of its output
    concatenation: str  # whose memory its output is in, empty for memory of its own
    predicted_seconds: float | None  # None for PyTorch's
    seconds: float  # the median, each step by itself
    roofline_share: float | None  # of the problem, None for what is none
    layer: LayerError | None  # None where the original computes no such value


@dataclass(frozen=True)
class PlanMemory:
    """Bytes of a plan, and of what stays beside it."""

    parameters: int  # of the original, which the plan keeps, and its buffers
    packed: int  # weights as kernels read them
    arena: int  # what steps write, and the workspace of all kernels
    inputs: int
    results: int  # the outputs, and what PyTorch's operations allocate at once

    @property
    def peak(self) -> int:
        """Return the most that a call needs, all of it together."""
        weights = self.parameters + self.packed
        return weights + self.arena + self.inputs + self.results


@dataclass(frozen=True)
class PassFacts:
    """How many operations the network has before and after a pass."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, eq=False)
class PlanReport(Shown):
    """A network as one plan. Its errors are rms errors over the rms of its outputs."""

    model: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    accuracy: str
    layout: str
    threads: int
    passes: tuple[PassFacts, ...]
    steps: tuple[StepFacts, ...]
    seconds: float  # of a call, in which kernels that follow each other are one program
    roofline: Roofline
    memory: PlanMemory
    error: float | None  # of the outputs; None where the original has none in float64
    pytorch_error: float | None
    error_limit: float
    unknown_error: str  # why there are no errors


@dataclass(frozen=True)
class ListedOperation:
    """An operation of a network, as one line."""

    name: str
    function: str
    arguments: tuple[tuple[str, str], ...]  # those that are not tensors, without defaults
    inputs: tuple[str, ...]  # the operations, parameters and inputs that it reads
    output_shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class PassReport(Shown):
    """A network before and after a pass."""

    model: str
    name: str
    about: str  # what the pass does
    before: tuple[ListedOperation, ...]
    after: tuple[ListedOperation, ...]
