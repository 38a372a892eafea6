"""The network that passes rewrite: operations without side effects, and the tensors that are fixed.

It is a graph (graph.py) whose parameters and constants have numbers, so that a pass can compute
with them, and whose operations never write into what they read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from glassconv.networks.graph import Operation, Value, producers_of, readers_of, with_each


@dataclass(frozen=True)
class Network:
    """Operations in their order; each value is written once, before it is read."""

    operations: tuple[Operation, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    tensors: Mapping[int, Tensor]  # of parameters and constants, by the number of the value

    @cached_property
    def by_name(self) -> Mapping[str, Operation]:
        """Return the operations by their names."""
        return {each.name: each for each in self.operations}

    @cached_property
    def producers(self) -> Mapping[int, Operation]:
        """Return the operation that writes a value, by the value's number."""
        return producers_of(self.operations)

    @cached_property
    def readers(self) -> Mapping[int, tuple[Operation, ...]]:
        """Return the operations that read a value, by the value's number."""
        return readers_of(self.operations)

    @cached_property
    def returned(self) -> frozenset[int]:
        """Return the numbers of the values that the network returns."""
        return frozenset(value.number for value in self.outputs)

    def only_reader(self, value: Value) -> Operation | None:
        """Return the operation that alone reads a value, None where others need it, too."""
        readers = self.readers.get(value.number, ())
        return readers[0] if len(readers) == 1 and value.number not in self.returned else None

    def feeds_only(self, value: Value, operation: Operation) -> bool:
        """Return whether an operation reads a value once, and nothing else needs it."""
        return self.only_reader(value) is operation and operation.inputs.count(value) == 1

    def constant(self, value: object) -> Tensor | None:
        """Return the numbers of an argument that is a parameter or a constant, else None."""
        return self.tensors.get(value.number) if isinstance(value, Value) else None

    def new_constant(self, tensor: Tensor, name: str) -> tuple[Network, Value]:
        """Return the network with another constant, and its value."""
        number = self.new_number()
        dtype = str(tensor.dtype).removeprefix("torch.")
        value = Value(number, tuple(tensor.shape), dtype, "constant", name)
        return replace(self, tensors={**self.tensors, number: tensor}), value

    def new_number(self) -> int:
        """Return a number that no value has."""
        return 1 + max(self._numbers(), default=0)

    def merged(self, first: Operation, second: Operation, both: Operation) -> Network:
        """Return the network with one operation that does the work of two, at the second's place.

        Nothing but the second may read what the first writes.
        """
        operations = (
            both if each is second else each for each in self.operations if each is not first
        )
        return replace(self, operations=tuple(operations))

    def replaced(self, changes: Mapping[str, Operation]) -> Network:
        """Return the network with other operations in the places of those with these names."""
        operations = (changes.get(each.name, each) for each in self.operations)
        return replace(self, operations=tuple(operations))

    def without(self, operation: Operation, value: Value) -> Network:
        """Return the network without an operation, of which readers get another value instead."""
        (written,) = operation.outputs
        kept = (each for each in self.operations if each is not operation)
        return replace(
            self,
            operations=tuple(reading(each, {written.number: value}) for each in kept),
            outputs=tuple(value if each == written else each for each in self.outputs),
        )

    def _numbers(self) -> Iterable[int]:
        yield from (value.number for value in self.inputs)
        yield from self.tensors
        yield from (value.number for each in self.operations for value in each.outputs)


def rewritten_by(rule: Callable[[Network, Operation], Network], network: Network) -> Network:
    """Return a network after a rule was given each of its operations that is left by then."""
    for name in [each.name for each in network.operations]:
        operation = network.by_name.get(name)
        if operation is not None:
            network = rule(network, operation)
    return network


def reading(operation: Operation, instead: Mapping[int, Value]) -> Operation:
    """Return an operation that reads other values instead of those with these numbers."""
    if not any(value.number in instead for value in operation.inputs):
        return operation
    arguments = {
        name: with_each(each, lambda value: instead.get(value.number, value))
        for name, each in operation.arguments.items()
    }
    return replace(operation, arguments=arguments)


def with_arguments(operation: Operation, **arguments: Any) -> Operation:
    """Return an operation with other arguments, or with more of them."""
    return replace(operation, arguments={**operation.arguments, **arguments})
