"""Graph: the operations of one forward call in their order, and the values that flow between them.

An operation is one call of an ATen function, such as `conv2d`, `relu_` or `add`, whether a module
or a function made it. A value is a tensor at one time: an operation in place reads one value and
writes another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Kind = Literal["input", "parameter", "constant", "result"]
Layout = Literal[
    "contiguous", "channels_last", "strided"
]  # strided: in another order, or with gaps


@dataclass(frozen=True)
class Value:
    """A tensor at one time."""

    number: int
    shape: tuple[int, ...]
    dtype: str  # such as "float32"
    kind: Kind
    name: str = ""  # of a parameter or a buffer in the model, such as "layer1.0.conv1.weight"
    layout: Layout = "contiguous"


@dataclass(frozen=True)
class Operation:
    """One call of an ATen function.

    arguments: by the names of the function's schema; a tensor is a `Value`, several are a tuple.
    """

    name: str  # unique: the module's, such as "layer1.0.conv1", or "layer1.0.add_"
    function: str  # such as "conv2d", without its overload
    pointwise: bool  # whether PyTorch says that each element depends on the same element of inputs
    arguments: Mapping[str, Any]
    outputs: tuple[Value, ...]
    live_bytes: int  # of the activations that are alive before it
    peak_bytes: int  # that are allocated at once while it runs, as far as PyTorch's operators say
    overload: Any = (
        None  # of the function, as PyTorch calls it; None for one that is none of ATen's
    )

    @cached_property
    def inputs(self) -> tuple[Value, ...]:
        """Return the values that it reads, in the order of its arguments."""
        return tuple(_values(tuple(self.arguments.values())))


TENSOR = object()  # a place for a tensor


@dataclass(frozen=True)
class Returned:
    """What a call returns beside the numbers of its output tensors."""

    structure: Any  # how its leaves are nested, as torch.utils._pytree has it
    leaves: tuple[Any, ...]  # `TENSOR` in the places of tensors

    def with_tensors(self, tensors: Sequence[Any]) -> Any:
        """Return what the call returns, with these tensors in their places."""
        given = iter(tensors)
        leaves = [next(given) if each is TENSOR else each for each in self.leaves]
        return self.structure.unflatten(leaves)


@dataclass(frozen=True)
class Graph:
    """One forward call."""

    operations: tuple[Operation, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    parameters: int  # each counted once, however often it is used
    parameter_bytes: int  # of parameters and buffers
    executed: str  # why the model was run with numbers; empty where shapes were enough
    flops: Mapping[str, int]  # as torch.utils.flop_counter counts them, by ATen function
    constants: Mapping[int, Any]  # tensors that are no parameters, by the number of the value
    returned: Returned

    @cached_property
    def producers(self) -> Mapping[int, Operation]:
        """Return the operation that writes a value, by the value's number."""
        return producers_of(self.operations)

    @cached_property
    def readers(self) -> Mapping[int, tuple[Operation, ...]]:
        """Return the operations that read a value, by the value's number."""
        return readers_of(self.operations)


def with_each(argument: Any, stand_in: Callable[[Value], Any]) -> Any:
    """Return an argument with something else in the place of each value that it holds.

    >>> with_each((1, (Value(7, (2,), "float32", "input"), None)), lambda value: value.number)
    (1, (7, None))
    """
    if isinstance(argument, Value):
        return stand_in(argument)
    if isinstance(argument, tuple):
        return tuple(with_each(each, stand_in) for each in argument)
    return argument


def producers_of(operations: Sequence[Operation]) -> dict[int, Operation]:
    """Return the operation that writes a value, by the value's number."""
    return {value.number: each for each in operations for value in each.outputs}


def readers_of(operations: Sequence[Operation]) -> dict[int, tuple[Operation, ...]]:
    """Return the operations that read a value, by the value's number, in their order."""
    found: dict[int, list[Operation]] = {}
    for operation in operations:
        for number in dict.fromkeys(value.number for value in operation.inputs):
            found.setdefault(number, []).append(operation)
    return {number: tuple(each) for number, each in found.items()}


def _values(argument: object) -> Iterator[Value]:
    if isinstance(argument, Value):
        yield argument
    elif isinstance(argument, tuple):
        for each in argument:
            yield from _values(each)
