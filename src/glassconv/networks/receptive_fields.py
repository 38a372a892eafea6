"""The receptive field of every value of a graph, through skips and branches.

Each operation has a rule, by its function's name, that says what its output reads once its inputs
are known. A rule never says too little: what has no rule here reads the whole input. So do global
pooling, a linear layer over positions, and attention over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glassconv.networks.field_rules import RULES, by_rule
from glassconv.networks.field_rules.known import Known
from glassconv.networks.field_rules.shape import pointwise
from glassconv.networks.graph import Graph, Operation, Value
from glassconv.networks.reads import WHOLE, Along, Fields


@dataclass(frozen=True)
class ReceptiveFields:
    """What each value reads, by its number; and where branches of different strides meet."""

    known: Known
    notes: tuple[str, ...]

    def of(self, value: Value) -> Fields:
        """Return what a value reads along each spatial axis of the input."""
        return self.known.of(value)


def receptive_fields(graph: Graph) -> ReceptiveFields:
    """Return what each value of a graph reads, along each spatial axis of its input.

    >>> from torch import nn
    >>> from glassconv.networks.capture import capture
    >>> graph = capture(nn.Sequential(nn.Conv1d(1, 1, 3, 2), nn.Conv1d(1, 1, 3)), [1, 1, 64])
    >>> (field,) = receptive_fields(graph).of(graph.outputs[0])
    >>> field.size, int(field.stride), int(field.start)
    (7, 2, 0)
    """
    (input,) = graph.inputs
    fields: dict[int, Fields] = {
        input.number: tuple(Along(dim, size) for dim, size in enumerate(input.shape) if dim >= 2)
    }
    known = Known(fields, len(fields[input.number]))
    notes = []
    for operation in graph.operations:
        given = [known.of(value) for value in operation.inputs]
        outputs = outputs_read(operation, known)
        notes += _notes(operation, given)
        for value, each in zip(operation.outputs, outputs, strict=True):
            fields[value.number] = each
    return ReceptiveFields(known, tuple(notes))


def outputs_read(operation: Operation, known: Known) -> Sequence[Fields]:
    """Return what each output of an operation reads, where the fields of its inputs are known."""
    given = [known.of(value) for value in operation.inputs]
    depends = [any(reads is not None for reads in axis) for axis in zip(*given, strict=True)]
    if not any(depends):
        return [(None,) * known.axes] * len(operation.outputs)
    if operation.function in RULES:
        return by_rule(operation, known)
    if operation.pointwise:
        return pointwise(operation, known)
    whole: Fields = tuple(WHOLE if each else None for each in depends)
    return [whole] * len(operation.outputs)


def _notes(operation: Operation, given: Sequence[Fields]) -> list[str]:
    """Say where an operation joins branches that move over the input with different strides."""
    if not operation.pointwise and operation.function != "cat":
        return []
    for along_axis in zip(*given, strict=True):
        strides = {reads.slope for reads in along_axis if isinstance(reads, Along)}
        if len(strides) > 1:
            listed = " and ".join(f"{float(each):.4g}" for each in sorted(strides))
            return [f"{operation.name} joins branches of strides {listed}: its field covers both"]
    return []
