"""The errors of a plan's layers, and PyTorch's own, against the original in float64.

A pass gives the operation that stands for several the value of the last one. So what a step leaves
is compared with the same value of the original, where that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.graph import Operation
from glassconv.networks.operation_mode import OperationMode
from glassconv.networks.plan.plan import Plan
from glassconv.networks.relative_error import relative_error
from glassconv.networks.tensors import tensors_in
from glassconv.nn.shared_copy import shared_copy
from glassconv.reports.plan import LayerError


def layer_errors(
    plan: Plan, operations: Sequence[Operation], model: nn.Module, inputs: Sequence[Tensor]
) -> Mapping[int, LayerError]:
    """Return the errors of the steps whose values the original has, by the step's number.

    operations: of the original as captured.

    Raises `NetworkError` where the original calls other operations in float64.
    """
    wanted = {number for values in plan.lowered.complete.values() for number in values}
    truth: dict[int, Tensor] = {}
    theirs: dict[int, float] = {}
    ours: dict[int, list[float]] = {}

    def keep(number: int, tensor: Tensor) -> None:
        truth[number] = tensor.clone()  # what follows may write over it

    def compare(number: int, tensor: Tensor) -> None:
        theirs[number] = relative_error([tensor], [truth[number]])

    @contextmanager
    def compared(step: int, memory: Mapping[int, Tensor]) -> Iterator[None]:
        yield
        for number, place in plan.lowered.complete.get(step, {}).items():
            if number in truth:
                found = relative_error([place.of(memory[place.root])], [truth[number]])
                ours.setdefault(step, []).append(found)

    precise = [each.double() if each.is_floating_point() else each for each in inputs]
    with torch.inference_mode():
        _run(deepcopy(model).eval().double(), precise, _Values(operations, wanted, keep))
        _run(shared_copy(model).eval(), inputs, _Values(operations, wanted, compare))
        plan.run_apart(inputs, compared)
    return {
        step: LayerError(max(found), max(theirs.get(n, 0.0) for n in plan.lowered.complete[step]))
        for step, found in ours.items()
    }


def _run(model: nn.Module, inputs: Sequence[Tensor], values: _Values) -> None:
    with values:
        model(*inputs)
    if values.seen != len(values.operations):
        cause = "it calls other operations in float64: what it calls depends on numbers"
        raise NetworkError(cause, request=type(model).__name__)


class _Values(OperationMode):
    """Hands on the values that are wanted, by the numbers that they have in a graph."""

    def __init__(
        self,
        operations: Sequence[Operation],
        wanted: set[int],
        receive: Callable[[int, Tensor], None],
    ) -> None:
        super().__init__()
        self.operations = [each for each in operations if each.function != "overwrite"]
        self.wanted, self.receive = wanted, receive
        self.seen = 0

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output = function(*args, **kwargs)
        tensors = list(tensors_in(output))
        if tensors:
            for operation in self.operations[self.seen : self.seen + 1]:
                for value, tensor in zip(operation.outputs, tensors, strict=False):
                    if value.number in self.wanted and tensor.is_floating_point():
                        self.receive(value.number, tensor)
            self.seen += 1
        return output
