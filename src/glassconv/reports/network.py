"""NetworkExplanation: what can be said about a network on an input, as plain facts.

Every value is a number, a short text, or a tuple of such values, so that an explanation can be
written as JSON and read back equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.reports.explanation import Explanation

SCHEMA_VERSION = 2  # of the JSON form; a change that a reader would notice raises it


@dataclass(frozen=True)
class FieldFacts:
    """The receptive field along one axis of the input, in positions of it, padding included.

    Output i reads the positions from offset + i · stride on, `size` of them.
    """

    size: int
    stride: float
    offset: float  # negative where output 0 reads padding
    halo_before: int  # what a tile needs before its own positions of the input, and after
    halo_after: int


@dataclass(frozen=True)
class ChoiceFacts:
    """The algorithm that glassconv chooses, and the next one, with their predicted times."""

    algorithm: str
    seconds: float
    next_algorithm: str | None  # None where no other may run
    next_seconds: float | None


@dataclass(frozen=True)
class ConvolutionFacts:
    """One call of a convolution."""

    name: str  # of the module, such as "layer1.0.conv1", or of the function in its module
    weight: str  # the parameter's name; empty for a weight that the network computes
    shorthand: str  # the problem
    macs: int
    parameters: int  # of weight and bias
    forward_bytes: int  # of the activations that it reads and writes
    backward_bytes: int  # of the input that is kept for it, and of both gradients
    receptive_field: tuple[FieldFacts | None, ...]  # None: it reads all of an axis
    choice: ChoiceFacts | None  # None where nothing fits in this machine's memory
    seconds: float | None  # of PyTorch's operator in this network, measured


@dataclass(frozen=True)
class OperationFacts:
    """One operation of the network, in the order of the call."""

    name: str
    function: str  # of ATen, such as "conv2d"
    inputs: tuple[int, ...]  # the operations whose outputs it reads, by place; −1 is the input
    output_shape: tuple[int, ...]
    output_bytes: int
    seconds: float | None


@dataclass(frozen=True)
class FusionFacts:
    """A normalisation, residual or activation, and the convolution that can compute it."""

    name: str
    kind: str  # "normalisation", "residual" or "activation"
    into: str | None
    reason: str  # why none can; empty where one can


@dataclass(frozen=True)
class NetworkMemory:
    """Bytes in inference, predicted for PyTorch's own operators."""

    parameter_bytes: int  # of parameters and buffers
    input_bytes: int
    activation_bytes: int  # at most at once, workspaces included, the input not
    operation: str  # where that is
    threads: int  # which have workspaces of their own

    @property
    def peak_bytes(self) -> int:
        """Return all three together."""
        return self.parameter_bytes + self.input_bytes + self.activation_bytes


@dataclass(frozen=True)
class NetworkExplanation:
    """A network on one input."""

    model: str  # its class, or what it was loaded from
    input_shape: tuple[int, ...]
    output_shapes: tuple[tuple[int, ...], ...]
    parameters: int
    macs: int  # of the convolutions
    counted_macs: int  # the same, as torch.utils.flop_counter counts them
    other_macs: int  # of other operations, as it counts them
    operations: tuple[OperationFacts, ...]
    convolutions: tuple[ConvolutionFacts, ...]
    fusions: tuple[FusionFacts, ...]
    memory: NetworkMemory
    notes: tuple[str, ...]  # what is not in the numbers
    explanations: tuple[Explanation, ...]  # of each problem, once
