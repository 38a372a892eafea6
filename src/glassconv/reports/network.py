"""NetworkExplanation: what can be said about a stack of layers without running it."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.reports.explanation import Explanation

SCHEMA_VERSION = 1  # of the JSON form; a change that a reader would notice raises it


@dataclass(frozen=True)
class LayerFacts:
    """One layer of a stack. Shapes are [batch, channels, *size]."""

    name: str  # its place in the model, such as "0" or "features.3"
    module: str  # as PyTorch writes it
    kind: str  # "pad", "convolution", "pooling", "activation", or "passed over"
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    macs: int  # of convolutions; other layers have no multiply-adds that are counted
    receptive_field: tuple[int, ...]  # in positions of the stack's input, padding included
    jump: tuple[float, ...]  # positions from one output's field to the next one's
    note: str  # what is not in the numbers
    explanation: Explanation | None  # of a convolution


@dataclass(frozen=True)
class NetworkExplanation:
    """The layers of a stack, each of which reads the output of the one before."""

    layers: tuple[LayerFacts, ...]
