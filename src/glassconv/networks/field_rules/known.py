"""Known: the fields of an operation's inputs, and what all rules do with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from glassconv.networks.graph import Operation, Value
from glassconv.networks.reads import WHOLE, Along, Fields, Reads


@dataclass(frozen=True)
class Known:
    """The fields of the values that depend on the input, by their numbers."""

    fields: Mapping[int, Fields]
    axes: int  # spatial axes of the network's input

    def of(self, value: Value) -> Fields:
        """Return what a value reads; a parameter reads nothing."""
        return self.fields.get(value.number, (None,) * self.axes)


Rule = Callable[[Operation, Known], list[Fields]]


def by_name(*rows: tuple[Rule, str]) -> dict[str, Rule]:
    """Return rules by the names of their functions, which a row lists with spaces between."""
    return {name: rule for rule, names in rows for name in names.split()}


def same(operation: Operation, fields: Fields) -> list[Fields]:
    """Return the same fields for each output."""
    return [fields] * len(operation.outputs)


def along(fields: Fields, change: Callable[[Along], Reads]) -> Fields:
    """Return fields whose windows are changed; what reads all or nothing goes on doing so."""
    return tuple(change(reads) if isinstance(reads, Along) else reads for reads in fields)


def at_each(reads: Along, size: int, change: Callable[[Along], Along]) -> Reads:
    """Return windows that are changed, once they move at each element. size: of the dimension."""
    plain = reads.plain(size)
    return change(plain) if isinstance(plain, Along) else plain


def mixed(fields: Fields, shape: Sequence[int], dims: Sequence[int]) -> Fields:
    """Return what outputs read that depend on every element along some dims."""
    over = {dim % len(shape) for dim in dims}
    return along(fields, lambda reads: WHOLE if reads.dim in over else reads)


def broadcast(fields: Fields, shape: Sequence[int], wanted: Sequence[int]) -> Fields:
    """Return the fields of a value that is broadcast from one shape to another."""
    shift = len(wanted) - len(shape)

    def one(reads: Along) -> Reads:
        if wanted[reads.dim + shift] != shape[reads.dim]:
            return WHOLE  # one window for all elements of the wider dimension
        return replace(reads, dim=reads.dim + shift)

    return along(fields, one)
