"""What can be said about gradients without computing them: bounds, algorithms, kernels, memory."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.reports.document import json_document
from glassconv.reports.explanation import BoundFacts
from glassconv.reports.shown import Shown

GRADIENTS_VERSION = 1  # of the JSON forms; a change that a reader would notice raises it


@dataclass(frozen=True)
class PartFacts:
    """The output of a call, or one of its gradients: what computes it in training, and how well."""

    name: str  # output, input, weight or bias
    convolution: str  # the problem that equals it, in shorthand
    kernel: str | None  # None: PyTorch computes it
    reason: str  # why that computes it
    seconds: float | None  # predicted for the fastest kernel; None where there is none
    pytorch_seconds: float | None  # predicted for PyTorch; None where it is not predicted
    bound: BoundFacts


@dataclass(frozen=True)
class KeptFacts:
    """An array that a call keeps for its backward pass."""

    name: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class GradientExplanation(Shown):
    """Everything `glassconv explain --backward` says of a convolution."""

    shorthand: str
    layout: str
    threads: int
    parts: tuple[PartFacts, ...]
    kept: tuple[KeptFacts, ...]  # for the backward pass: the caller's arrays, or copies in float32
    kept_bytes: int

    def to_json(self) -> str:
        """Return a document of the schema in glassconv/reports/gradients.schema.json."""
        return json_document(GRADIENTS_VERSION, self)


@dataclass(frozen=True)
class LayerGradients:
    """The gradients of one convolution of a network."""

    name: str
    is_first: bool  # whether its input is the network's, of which no gradient is asked for
    explanation: GradientExplanation


@dataclass(frozen=True)
class NetworkGradients(Shown):
    """Everything `glassconv explain --backward` says of a network."""

    model: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerGradients, ...]
    kept_bytes: int  # inputs of convolutions, each once, without the weights, which are parameters

    def to_json(self) -> str:
        """Return a document of the schema in glassconv/reports/gradients.schema.json."""
        return json_document(GRADIENTS_VERSION, self)
