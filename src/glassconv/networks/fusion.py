"""Which operations can be a part of the convolution before them, and why others cannot.

A batch normalisation by running statistics multiplies and adds one number per channel, so it folds
into the weight and the bias of the convolution before it, or of one without padding behind it. A
residual and an activation are applied by kernels to outputs that are still in registers:
activation(sum + bias + residual).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from glassconv.networks.convolutions import Convolution, is_convolution
from glassconv.networks.graph import Graph, Operation, Value
from glassconv.problem.activations import ACTIVATIONS

Kind = Literal["normalisation", "residual", "activation"]

OTHERS = frozenset(
    "leaky_relu prelu elu celu selu mish tanh hardsigmoid softplus softsign hardtanh log_sigmoid "
    "clamp clamp_min rrelu gelu_by_tanh".split()
)  # activations that no kernel applies


@dataclass(frozen=True)
class Fusion:
    """An operation, and the convolution that can compute it, or why none can."""

    operation: Operation
    kind: Kind
    into: Operation | None
    reason: str  # empty where it can


def fusions(graph: Graph, convolutions: tuple[Convolution, ...]) -> tuple[Fusion, ...]:
    """Return each normalisation, residual and activation of a graph, in order.

    >>> from torch import nn
    >>> from glassconv.networks.capture import capture
    >>> from glassconv.networks.convolutions import convolutions
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh())
    >>> graph = capture(model, [1, 3, 9, 9])
    >>> for each in fusions(graph, convolutions(graph)):
    ...     print(f"{each.operation.name} {each.into and each.into.name} {each.reason}".strip())
    1 0
    2 None no kernel applies tanh
    """
    return tuple(_Fusing(graph, convolutions).each())


class _Fusing:
    """Goes through a graph; knows which convolution a value is the output of so far."""

    def __init__(self, graph: Graph, convolutions: tuple[Convolution, ...]) -> None:
        self.graph = graph
        self.place = {each.name: place for place, each in enumerate(graph.operations)}
        self.problems = {each.operation.name: each.problem for each in convolutions}
        self.returned = {value.number for value in graph.outputs}
        self.ends: dict[int, Operation] = {
            each.output.number: each.operation for each in convolutions
        }
        self.complete: set[int] = set()  # values behind an activation, or with a residual
        self.users: dict[int, list[str]] = {}
        for each in convolutions:
            self.users.setdefault(each.weight.number, []).append(each.operation.name)

    def each(self) -> Iterator[Fusion]:
        for operation in self.graph.operations:
            name = operation.function.removesuffix("_")
            if name == "batch_norm":
                yield self.normalisation(operation)
            elif name == "add" and (found := self.residual(operation)):
                yield found
            elif (activation := activation_of(operation)) in ACTIVATIONS:
                yield self.activation(operation)
            elif activation in OTHERS and operation.inputs[0].kind == "result":
                reason = f"no kernel applies {activation}"
                yield Fusion(operation, "activation", None, reason)

    def normalisation(self, operation: Operation) -> Fusion:
        given, output = operation.inputs[0], operation.outputs[0]
        if operation.arguments["training"]:
            reason = "it normalises by the statistics of the batch"
            return Fusion(operation, "normalisation", None, reason)
        convolution, reason = self.before(operation, given)
        if convolution is None:
            following = self.behind(output)
            if following is not None:
                return Fusion(operation, "normalisation", following, "")
            return Fusion(operation, "normalisation", None, reason)
        users = self.users[convolution.arguments["weight"].number]
        if len(users) > 1:
            others = ", ".join(name for name in users if name != convolution.name)
            reason = f"{others} uses the same weight"
            return Fusion(operation, "normalisation", None, reason)
        self.ends[output.number] = convolution
        return Fusion(operation, "normalisation", convolution, "")

    def before(self, operation: Operation, given: Value) -> tuple[Operation | None, str]:
        """Return the convolution whose output an operation alone reads, or why there is none."""
        convolution = self.ends.get(given.number)
        if convolution is None:
            producer = self.graph.producers.get(given.number)
            source = "the input" if producer is None else f"the output of {producer.function}"
            return (
                None,
                f"it reads {source}, not of a convolution" if producer else f"it reads {source}",
            )
        others = [each for each in self.graph.readers[given.number] if each is not operation]
        if others:
            return None, f"{others[0].function} reads the convolution's output, too"
        if given.number in self.returned:
            return None, "the convolution's output is an output of the network"
        return convolution, ""

    def behind(self, output: Value) -> Operation | None:
        """Return the only reader of a value if it is a convolution without padding."""
        readers = self.graph.readers.get(output.number, ())
        if len(readers) != 1 or not is_convolution(readers[0]) or output.number in self.returned:
            return None
        problem = self.problems.get(readers[0].name)
        is_weight = readers[0].arguments["input"].number != output.number
        shared = len(self.users.get(readers[0].arguments["weight"].number, ())) > 1
        if problem is None or is_weight or shared or any(map(any, problem.padding)):
            return None
        return readers[0]

    def residual(self, operation: Operation) -> Fusion | None:
        """Return the sum of a convolution's output and another array of its shape."""
        first, second = (operation.arguments[name] for name in ("self", "other"))
        if not isinstance(second, Value) or first.shape != second.shape or first is second:
            return None
        if operation.arguments["alpha"] != 1 or "result" not in (first.kind, second.kind):
            return None
        found = [self.before(operation, value) for value in (first, second)]
        able = [
            convolution
            for (convolution, _), value, other in zip(
                found, (first, second), (second, first), strict=True
            )
            if convolution is not None
            and value.number not in self.complete
            and self.made(other) < self.place[convolution.name]
        ]
        if not able:
            reason = "neither of its operands is a convolution's output that nothing else reads"
            return Fusion(operation, "residual", None, reason)
        convolution = max(able, key=lambda each: self.place[each.name])
        self.ends[operation.outputs[0].number] = convolution
        self.complete.add(operation.outputs[0].number)
        return Fusion(operation, "residual", convolution, "")

    def made(self, value: Value) -> int:
        """Return the place of the operation that makes a value, −1 for an input."""
        producer = self.graph.producers.get(value.number)
        return -1 if producer is None else self.place[producer.name]

    def activation(self, operation: Operation) -> Fusion:
        convolution, reason = self.before(operation, operation.inputs[0])
        return Fusion(operation, "activation", convolution, reason)


def activation_of(operation: Operation) -> str:
    """Return an activation by glassconv's name, other operations by their own."""
    name, arguments = operation.function.removesuffix("_"), operation.arguments
    if name in ("hardtanh", "clamp"):
        limits = ("min_val", "max_val") if name == "hardtanh" else ("min", "max")
        bounds = tuple(arguments.get(limit) for limit in limits)
        return "relu6" if bounds == (0, 6) else "relu" if bounds == (0, None) else name
    if name == "gelu" and arguments.get("approximate", "none") != "none":
        return "gelu_by_tanh"
    return name
