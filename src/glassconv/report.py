"""What the machinery says: plain frozen values that every view reads and no view computes.

Arrays in a report are NumPy arrays; a report never holds a tensor, so a view never needs PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glassconv.problem import ConvProblem

Array = npt.NDArray[Any]
Index = tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    """Yes or no, always with the reason."""

    ok: bool
    reason: str

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class Cost:
    """What an algorithm spends on a problem."""

    multiplications: int
    additions: int
    workspace_bytes: int  # the largest total of arrays alive beside input, weight and output
    traffic_bytes: int  # read and written by all its operations together
    operations: int  # array operations started, each with its fixed overhead


@dataclass(frozen=True)
class Step:
    """One array on the way from input to output.

    `array` is a NumPy array in a report; while an algorithm runs it may be a tensor.
    """

    name: str
    array: Any
    axes: tuple[str, ...]  # a name for every axis
    note: str


@dataclass(frozen=True)
class Trace:
    """Every array that an algorithm made on a problem, in order; the last is the output."""

    problem: ConvProblem
    algorithm: str
    input: Array
    weight: Array
    bias: Array | None
    steps: tuple[Step, ...]

    def __getitem__(self, name: str) -> Array:
        """Return the array of the step with this name; `KeyError` lists the names there are."""
        return _array_of(self.steps, name)

    @property
    def output(self) -> Array:
        """Return the last step's array."""
        last: Array = self.steps[-1].array
        return last


@dataclass(frozen=True)
class Backward:
    """Both gradients of a convolution, each as a convolution and as a matrix product.

    In every pair the two ways make the same array: grad_input and folded, grad_weight and product.
    """

    problem: ConvProblem
    algorithm: str  # what ran the two convolutions: a name, or one and another
    input_convolution: ConvProblem  # of grad_output stuffed with zeros, by flipped filters
    weight_convolution: ConvProblem  # of the input, by grad_output
    input: Array
    weight: Array
    input_steps: tuple[Step, ...]
    weight_steps: tuple[Step, ...]

    def __getitem__(self, name: str) -> Array:
        """Return the array of the step with this name; `KeyError` lists the names there are."""
        return _array_of((*self.input_steps, *self.weight_steps), name)


def _array_of(steps: tuple[Step, ...], name: str) -> Array:
    for step in steps:
        if step.name == name:
            found: Array = step.array
            return found
    raise KeyError(f"no step {name!r}; there are {[step.name for step in steps]}")


@dataclass(frozen=True)
class Candidate:
    """One algorithm's standing for a problem: whether it may run, and what it would take."""

    name: str
    verdict: Verdict
    seconds: float  # of its steps, predicted on a nominal machine: it ranks, it does not promise
    kernel: Verdict | None = None  # whether its kernel can; None where it has none
    compiled_seconds: float | None = None  # of machine code, None where none can


@dataclass(frozen=True)
class Choice:
    """Which algorithm runs, and why each other one does not."""

    problem: ConvProblem
    algorithm: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Element:
    """One output element judged: its value, the definition's, their distance and its bound."""

    index: Index
    value: float
    reference: float
    error: float
    bound: float


@dataclass(frozen=True)
class Verification:
    """An output compared with the definition in float64, element by element, each in its bound.

    `worst` is the element that used most of its bound; None for an empty output.
    """

    problem: ConvProblem
    candidate: str
    verdict: Verdict
    worst: Element | None
    max_error: float
    rms_error: float
    rms_share: float  # the root mean square of error ÷ bound
    relative_error: float  # max|error| ÷ max Σ|x||w|
    ulps: float  # the largest error in units in the last place of the definition's value, unless 0
    bound_factor: float  # |error| ≤ bound_factor · measure
    formula: str  # of bound_factor
    measure: str  # the size it multiplies
    share: float  # how much of its bound the worst element used; over 1 is a failure
    elements: int
    unpromised: int  # elements that could overflow, or whose tile holds a NaN: no bound, not judged
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


@dataclass(frozen=True)
class ErrorCurves:
    """How errors and bounds grow with the channels of a problem, for every algorithm that can."""

    problem: ConvProblem
    products: tuple[int, ...]  # summed for one output: channels of a group · taps
    curves: tuple[ErrorCurve, ...]


@dataclass(frozen=True)
class Difference:
    """Two outputs compared with each other, under the bound that both being right implies."""

    first: str
    second: str
    verdict: Verdict  # whether every element differs by no more than rounding explains
    index: Index  # where they differ most
    maximum: float
    bound: float  # at that index: both errors together
    array: Array  # |first − second|, float64


@dataclass(frozen=True)
class Sameness:
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
    least_close: Doubt | None  # None where allclose finds all outputs the same


@dataclass(frozen=True)
class Doubt:
    """The output that allclose minds most: terms that cancel leave a small sum."""

    index: Index
    first: float
    second: float
    reference: float  # by the definition in float64
    magnitude: float  # Σ|x||w| + |b|: what was rounded on the way to this output
    tolerance: float  # what allclose grants
    bound: float  # what rounding may do to the two together


@dataclass(frozen=True)
class Benched:
    """One layer timed against PyTorch; without times where it was not run, or was wrong."""

    problem: ConvProblem
    count: int  # how often the network has the layer
    algorithm: str
    verdict: Verdict  # of the definition, or why the algorithm cannot
    seconds: float | None  # the median
    pytorch_seconds: float | None
    attainable: float | None = None  # FLOP/s under the roof, None where that was not measured
    compile_seconds: float = 0.0  # 0 from the disk cache, or as an earlier layer's
    packing_seconds: float = 0.0  # of the weight, once

    @property
    def ratio(self) -> float | None:
        """Return how many times as fast as PyTorch it is."""
        if self.seconds is None or self.pytorch_seconds is None:
            return None
        return self.pytorch_seconds / self.seconds

    @property
    def flops_per_second(self) -> float | None:
        """Return the problem's own FLOPs, not the algorithm's, a second."""
        return None if self.seconds is None else self.problem.flops / self.seconds

    @property
    def of_roof(self) -> float | None:
        """Return which share of the attainable speed that is."""
        if self.flops_per_second is None or not self.attainable:
            return None
        return self.flops_per_second / self.attainable


@dataclass(frozen=True)
class Roof:
    """What a machine can do at most, measured: no kernel is faster than both limits allow."""

    flops_per_second: float  # multiply-adds that never leave registers, two FLOPs each
    bytes_per_second: float  # read and written in arrays that no cache holds
    threads: int  # that reached it: one, where another process kept the other cores
    dtype: str

    def attainable(self, flops: float, bytes: float) -> float:
        """Return the most FLOP/s for so many FLOPs on so many bytes.

        >>> Roof(100e9, 20e9, 1, "float32").attainable(flops=6e6, bytes=2e6)
        60000000000.0
        """
        return min(self.flops_per_second, self.bytes_per_second * flops / max(bytes, 1))

    def over(self, problem: ConvProblem) -> float:
        """Return the most FLOP/s for a convolution that reads and writes each number once."""
        moved = problem.input_bytes + problem.weight_bytes + problem.output_bytes
        return self.attainable(problem.flops, moved)


@dataclass(frozen=True)
class Factor:
    """One side of a product in a loop: the register that holds it, and how it came there."""

    register: str  # "memory" where the product itself reads it
    kind: str  # "vector" or "broadcast" as it was loaded, "before" the loop, or "other"


@dataclass(frozen=True)
class HotLoop:
    """The hottest block of a kernel's machine code, read back from its assembly.

    cells[row][column] is the running sum to which the product of the two goes, "" where the two are
    not multiplied. All three are empty where the products are no table.
    """

    function: str
    rows: tuple[Factor, ...]
    columns: tuple[Factor, ...]
    cells: tuple[tuple[str, ...], ...]
    totals: tuple[str, ...]  # the registers of running sums
    instructions: int
    products: int  # fused multiply-adds of vectors
    loads: int  # instructions that load a vector or a broadcast and do nothing else
    loaded_bytes: int  # products that read memory included
    registers: int  # of vectors, used

    @property
    def others(self) -> int:
        """Return the instructions that neither multiply nor load: addresses, counters, jumps."""
        return self.instructions - self.products - self.loads


@dataclass(frozen=True)
class Held:
    """An array of a kernel, and the nearest cache that could hold all of it."""

    name: str
    bytes: int
    cache: str  # "L1", "L2", or "" where it is larger


@dataclass(frozen=True)
class Look:
    """What a generated kernel is and does for one problem."""

    problem: ConvProblem
    algorithm: str
    layout: str
    idea: str  # why it can
    loops: tuple[str, ...]  # a line each, indented; none where the kernel does not say
    tasks: int
    threads: int  # that share the tasks
    target: str
    caches: tuple[tuple[str, int], ...]  # of a core, and their bytes
    lanes: int  # elements of a vector
    target_registers: int  # of vectors
    hot: HotLoop
    spills: tuple[tuple[str, int], ...]  # functions that put vectors in memory, and how many
    multiplications: int  # the algorithm's; fewer than the problem's MACs where it spares some
    arrays: tuple[Held, ...]
    predicted: float  # FLOP/s
    roof: Roof
    benched: Benched


@dataclass(frozen=True)
class WorkedExample:
    """A small two-dimensional convolution in whole numbers, one output to be written out in full.

    input [in_channels, height, width], weight, bias and output as in the problem, without a batch.
    """

    problem: ConvProblem
    input: Array
    weight: Array
    bias: Array
    output: Array
    chosen: tuple[int, int, int]  # (filter, row, column) of the output written out

    @property
    def padded(self) -> Array:
        """Return the input with its padding, shape [in_channels, *padded]."""
        return np.pad(self.input, ((0, 0), *self.problem.padding))

    def channels_of(self, filter: int) -> range:
        """Return the input channels that a filter reads: those of its group."""
        group, channels = filter // self.problem.gemm.m, self.problem.weight_shape[1]
        return range(group * channels, (group + 1) * channels)

    @property
    def rows(self) -> range:
        """Return the padded rows that the chosen output reads."""
        return self._reads(0)

    @property
    def columns(self) -> range:
        """Return the padded columns that the chosen output reads."""
        return self._reads(1)

    @property
    def window(self) -> Array:
        """Return what the chosen output reads, shape [in_channels / groups, *kernel_size]."""
        read: Array = self.padded[np.ix_(self.channels_of(self.chosen[0]), self.rows, self.columns)]
        return read

    @property
    def filter(self) -> Array:
        """Return the chosen filter, shape [in_channels / groups, *kernel_size]."""
        chosen: Array = self.weight[self.chosen[0]]
        return chosen

    @property
    def channel_sums(self) -> list[float]:
        """Return what each channel adds to the chosen output."""
        return [float(np.sum(x * w)) for x, w in zip(self.window, self.filter, strict=True)]

    @property
    def value(self) -> float:
        """Return the chosen output."""
        return float(self.output[self.chosen])

    def _reads(self, number: int) -> range:
        axis = self.problem.axes[number]
        start = self.chosen[1 + number] * axis.stride
        return range(start, start + axis.extent, axis.dilation)


@dataclass(frozen=True)
class Tutorial:
    """Everything the demo shows: the tutorial's facts, found by running them."""

    source: str  # what the picture is and where it comes from
    picture: Array  # [height, width, 3], uint8
    layer: Trace  # Conv2d(3, 1, 5) by im2col, as the tutorial does
    conv2d: Array  # nn.Conv2d's own output
    difference: Difference  # between the two
    checks: tuple[Verification, ...]  # each against the definition
    four_filters: Trace
    worked: WorkedExample
