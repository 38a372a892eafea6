"""call: one operation on one tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.networks.graph import Operation, with_each
from glassconv.tiling.regions import Read, Region, cut, everything


@dataclass(frozen=True)
class Step:
    """One output of an operation over a region, planned without its numbers."""

    operation: Operation
    place: int  # of the output among the operation's
    wanted: Region
    reads: tuple[Read, ...]  # of each input
    origins: tuple[Region, ...]  # the region of each input's tile; all of a constant
    dims: tuple[int, ...]  # the output's dimensions that are divided into tiles
    last_readings: tuple[int, ...]  # the numbers of values that no later step reads


@dataclass(frozen=True)
class Call:
    """A step with its numbers."""

    step: Step
    tensors: tuple[Tensor, ...]  # each over the region of its read
    accuracy: str  # of convolutions

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments by name, with tensors in place of values."""
        return arguments_of(self.step.operation, self.tensors)

    @property
    def function(self) -> str:
        """Return the function's name, that of the one not in place."""
        return not_in_place(self.step.operation.function)

    def window(self, fill: float) -> Tensor:
        """Return the first input over its whole window, with a number where padding is."""
        read, tensor = self.step.reads[0], self.tensors[0]
        sides, starts = [], []
        for window, region in zip(read.window, read.region, strict=True):
            sides.append((max(0, region.start - window.start), max(0, window.stop - region.stop)))
            starts.append(max(0, window.start - region.start))
        if any(map(any, sides)):
            last_first = [side for pair in reversed(sides) for side in pair]
            tensor = F.pad(tensor, last_first, value=fill)
        lengths = [window.size for window in read.window]
        return narrowed(tensor, starts, lengths)


Rule = Callable[[Call], Tensor]


def not_in_place(function: str) -> str:
    """Return the name of the function that returns what one in place writes.

    Tiles share memory, so nothing is written in place.

    >>> not_in_place("relu_")
    'relu'
    """
    return function.removesuffix("_")


def narrowed(tensor: Tensor, starts: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """Return a view of a tensor along its last dims: from each start on, so many positions."""
    for dim, (start, length) in enumerate(
        zip(starts, lengths, strict=True), start=tensor.ndim - len(starts)
    ):
        if length != tensor.shape[dim]:
            tensor = tensor.narrow(dim, start, length)
    return tensor


def as_it_is(call: Call) -> Tensor:
    """Call the operation on the tiles: each output element reads the same element of each."""
    return evaluated(call.step.operation, call.step.place, call.tensors)


def without_axes(call: Call) -> Tensor:
    """Call an operation on values that depend on no position, and keep the region of the output.

    Interpolation of one position repeats it, and takes no memory.
    """
    step, given = call.step, call.tensors[0]
    if "upsample" in step.operation.function and set(given.shape[2:]) == {1}:
        output = given.expand(step.operation.outputs[step.place].shape)
    else:
        output = as_it_is(call)
    return cut(output, everything(output.shape), step.wanted)


def evaluated(operation: Operation, place: int, tensors: Sequence[Tensor]) -> Tensor:
    """Return one output of an operation on tensors in place of its values."""
    function = getattr(torch.ops.aten, not_in_place(operation.function))
    output = function(**arguments_of(operation, tensors))
    found: Tensor = output if isinstance(output, Tensor) else output[place]
    return found


def arguments_of(operation: Operation, tensors: Sequence[Tensor]) -> dict[str, Any]:
    """Return the arguments of an operation by name, with tensors in place of values."""
    given = iter(tensors)
    return {
        name: with_each(each, lambda _: next(given)) for name, each in operation.arguments.items()
    }
