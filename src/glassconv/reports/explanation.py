"""Explanation: what can be said about a convolution without running it, as plain facts.

Every value is a number, a short text, or a tuple of such values, so that an explanation can be
written as JSON and read back equal. Words and formulas are made by the views.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem import ConvProblem, Gemm
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.cost import Cost
from glassconv.reports.verdict import Verdict

SCHEMA_VERSION = 2  # of the JSON form; a change that a reader would notice raises it


@dataclass(frozen=True)
class Explanation:
    """Everything `glassconv explain` says."""

    shorthand: str  # the problem as it is written on a whiteboard
    problem: ConvProblem  # of a transposed convolution, the convolution that it equals
    transposed: TransposedProblem | None
    axes: tuple[AxisFacts, ...]  # the spatial axes, outermost first
    product: ProductFacts
    arithmetic: ArithmeticFacts
    memory: MemoryFacts
    core: CoreFacts
    algorithms: tuple[AlgorithmFacts, ...]
    chosen: str | None  # what algorithm="auto" takes; None where nothing fits in memory
    code: tuple[Snippet, ...]

    @property
    def subject(self) -> Problem:
        """Return the problem that is explained."""
        return self.transposed or self.problem


@dataclass(frozen=True)
class AxisFacts:
    """One spatial axis, in positions."""

    name: str  # length, height, width or depth
    padded_size: int
    extent: int  # what the kernel spans, the holes of dilation included
    output_size: int
    same: tuple[int, int]  # (before, after) that padding="same" adds at stride 1
    leftover: int  # padded positions after the last window: what the floor leaves over
    leftover_input: int  # those of them that belong to the input
    unread_input: int  # the input's positions that no window reads, wherever they lie


@dataclass(frozen=True)
class ProductFacts:
    """The matrix product that each group is: rows · columns. Bytes are those of one group."""

    gemm: Gemm
    rows_shape: tuple[int, int]  # [m, k], one filter a row
    columns_shape: tuple[int, int]  # [k, n], one window a column
    rows_bytes: int
    columns_bytes: int
    expansion: float  # how many times larger the im2col matrix is than the input


@dataclass(frozen=True)
class ArithmeticFacts:
    """Operations. Those of a bias are counted apart; those on padding are counted with the rest."""

    outputs: int
    products_per_output: int
    macs: int
    flops: int
    bias_additions: int
    padding_macs: int  # products with a zero of the padding
    padding_share: float
    input_gradient_flops: int
    weight_gradient_flops: int
    torch: TorchCount


@dataclass(frozen=True)
class TorchCount:
    """What `torch.utils.flop_counter` counts for the same shapes: it counts no bias."""

    forward: int
    input_gradient: int
    weight_gradient: int


@dataclass(frozen=True)
class MemoryFacts:
    """Bytes of the arrays a layer cannot do without, each counted once, no workspace."""

    input_bytes: int
    weight_bytes: int
    bias_bytes: int
    output_bytes: int
    forward_bytes: int  # all four
    saved_bytes: int  # what autograd keeps until the backward pass: input and weight
    gradient_bytes: int  # of input, weight, bias and output, each as large as its array
    backward_bytes: int  # what is kept and the gradients
    intensity: float  # FLOPs for each byte of input, weight and output


@dataclass(frozen=True)
class CoreFacts:
    """The nominal core that times are predicted on: they rank, they do not promise."""

    flops_per_second: float
    bytes_per_second: float
    seconds_per_operation: float


@dataclass(frozen=True)
class Prediction:
    """A predicted time and its shares: what limits it is not hidden behind the other."""

    seconds: float
    arithmetic: float  # share limited by arithmetic, 0 where memory takes longer
    memory: float  # share limited by memory, 0 where arithmetic takes longer
    overhead: float  # share spent on starting operations


@dataclass(frozen=True)
class BoundFacts:
    """A promise about every output: |error| ≤ factor · measure."""

    factor: float | None  # None where nothing is promised
    formula: str  # of the factor, with its numbers
    measure: str  # the size it multiplies
    growth: float  # measured rms error, as a multiple of PyTorch's own
    window_factor: float | None  # K of K·n·u, by an output's own window; None where there is none
    local: bool  # whether a NaN touches only outputs whose window holds it


@dataclass(frozen=True)
class AlgorithmFacts:
    """How one algorithm stands; cost, bound and prediction are there where it supports it."""

    name: str
    idea: str
    supported: Verdict  # whether it can compute the problem at all
    runs: Verdict  # whether it may here: in this machine's memory, at accuracy="default"
    cost: Cost | None
    bound: BoundFacts | None
    prediction: Prediction | None


@dataclass(frozen=True)
class Snippet:
    """A piece of Python that computes the same layer."""

    name: str  # layer, einsum, unfold or loops
    title: str
    code: str
