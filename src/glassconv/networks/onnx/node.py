"""A node of an ONNX graph, as a converter sees it, and the call that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from glassconv.errors import NetworkError, UnsupportedError

MOST_INTEGERS = 4096  # axes, sizes and pads are few


@dataclass(frozen=True)
class Value:
    """A value of the graph, known when the network runs."""

    name: str


@dataclass(frozen=True)
class Sizes(Value):
    """The same, of sizes: a number or a list of Python's, not a tensor."""


@dataclass(frozen=True)
class Call:
    """A call of a function or a module; an argument may be a value or another call."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class SizesCall:
    """A call that returns sizes, and whether it returns a number (rank 0) or a list (rank 1)."""

    call: Call
    rank: int


def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Call:
    """Return a call with these arguments."""
    return Call(function, arguments, options)


@dataclass(frozen=True)
class Node:
    """An operator with its inputs and outputs.

    version: of the operator set. constants, ranks: what is known of the graph's values by name.
    sizes: the names of those that are Python's numbers.
    """

    name: str
    operator: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    constants: Mapping[str, Tensor]
    ranks: Mapping[str, int]
    sizes: Set[str]

    def has(self, index: int) -> bool:
        """Return whether the node has an input: an optional one may be absent or unnamed."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def value(self, index: int) -> Value | None:
        """Return an input as an argument, None if it is missing."""
        return Value(self.inputs[index]) if self.has(index) else None

    @property
    def values(self) -> tuple[Value | None, ...]:
        """All inputs as arguments."""
        return tuple(map(self.value, range(len(self.inputs))))

    def constant(self, index: int) -> Tensor | None:
        """Return an input's value if it is known before the network runs."""
        return self.constants.get(self.inputs[index]) if self.has(index) else None

    def rank(self, index: int) -> int | None:
        """Return an input's number of axes if it is known."""
        return self.ranks.get(self.inputs[index]) if self.has(index) else None

    def numbers(self, index: int) -> tuple[Any, ...] | Value | None:
        """Return an input as a tuple of numbers, as a value if it is not known, None if missing."""
        constant = self.constant(index)
        if constant is None:
            is_sizes = self.has(index) and self.inputs[index] in self.sizes
            return Sizes(self.inputs[index]) if is_sizes else self.value(index)
        if constant.ndim > 1 or constant.numel() > MOST_INTEGERS:
            raise NetworkError(f"its input {index} must be a list, got {tuple(constant.shape)}")
        return tuple(constant.reshape(-1).tolist())

    def get(self, attribute: str, default: Any) -> Any:
        """Return an attribute: a number, a string, a tuple of numbers or a tensor."""
        return self.attributes.get(attribute, default)

    def one_of(self, attribute: str, default: str, supported: tuple[str, ...]) -> str:
        """Return an attribute that is one of these strings; raise for another."""
        value: str = self.get(attribute, default)
        if value not in supported:
            raise UnsupportedError(f"{attribute}={value[:40]!r} is not supported")
        return value
