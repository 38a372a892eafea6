"""Arithmetic of sizes: what follows from Shape stays a number or a list of Python's.

A file computes the shape of a Reshape from tensors. As tensors these would hide from torch.export,
and from a run without numbers, that they are sizes; as Python's numbers they are seen.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from onnx import TensorProto
from torch import Tensor

from glassconv.networks.onnx.node import Node, Sizes, SizesCall, call

Numbers = int | list[int]
MOST = 64  # elements of a constant that may be a list of sizes


def sizes_call(node: Node) -> SizesCall | None:
    """Return the call that computes a node with Python's numbers, None if tensors are needed."""
    if node.operator not in CONVERTERS or not any(name in node.sizes for name in node.inputs):
        return None
    arguments = [_argument(node, index) for index in range(len(node.inputs))]
    ranks = [node.rank(index) for index in range(len(node.inputs))]
    if None in arguments or len(node.outputs) != 1:
        return None
    return CONVERTERS[node.operator](node, arguments, [rank or 0 for rank in ranks])


def as_tensor(sizes: Numbers) -> Tensor:
    """Return sizes as a tensor, for an operator that computes with tensors."""
    return torch.tensor(sizes, dtype=torch.int64)


def _argument(node: Node, index: int) -> Sizes | Numbers | None:
    """Return an input that is sizes, or integers of the file; None if it is something else."""
    name, constant = node.inputs[index], node.constant(index)
    if name in node.sizes:
        return Sizes(name)
    if constant is None or constant.dtype != torch.int64 or constant.ndim > 1:
        return None
    numbers: Numbers = constant.tolist()
    return numbers if constant.numel() <= MOST else None


def picked(sizes: list[int], indices: Numbers) -> Numbers:
    """Return the sizes at an index, or at a list of them."""
    return sizes[indices] if isinstance(indices, int) else [sizes[index] for index in indices]


def _gather(node: Node, arguments: Sequence[Any], ranks: Sequence[int]) -> SizesCall | None:
    is_known = not isinstance(arguments[1], Sizes)
    return SizesCall(call(picked, *arguments), ranks[1]) if ranks[0] == 1 and is_known else None


def joined(*sizes: list[int]) -> list[int]:
    """Return lists one behind the other."""
    return [size for each in sizes for size in each]


def _concat(node: Node, arguments: Sequence[Any], ranks: Sequence[int]) -> SizesCall | None:
    return SizesCall(call(joined, *map(_frozen, arguments)), 1) if set(ranks) == {1} else None


def part(sizes: list[int], start: int, end: int, step: int) -> list[int]:
    """Return a part of a list."""
    return sizes[start:end:step]


def _slice(node: Node, arguments: Sequence[Any], ranks: Sequence[int]) -> SizesCall | None:
    bounds = [*arguments[1:3], *(arguments[4:] or [[1]])]
    if ranks[0] != 1 or not all(isinstance(each, list) and len(each) == 1 for each in bounds):
        return None
    [start], [end], [step] = bounds
    return SizesCall(call(part, arguments[0], start, end, step), 1) if step > 0 else None


def listed(size: int) -> list[int]:
    """Return a list of one size."""
    return [size]


def _unsqueeze(node: Node, arguments: Sequence[Any], ranks: Sequence[int]) -> SizesCall | None:
    return SizesCall(call(listed, arguments[0]), 1) if ranks[0] == 0 else None


def _squeeze(node: Node, arguments: Sequence[Any], ranks: Sequence[int]) -> SizesCall | None:
    return SizesCall(call(picked, arguments[0], 0), 0) if ranks[0] == 1 else None


def _reshape(node: Node, arguments: Sequence[Any], ranks: Sequence[int]) -> SizesCall | None:
    if arguments[1] not in ([-1], [1]):
        return None
    return SizesCall(call(listed if ranks[0] == 0 else unchanged, arguments[0]), 1)


def _cast(node: Node, arguments: Sequence[Any], ranks: Sequence[int]) -> SizesCall | None:
    is_kept = node.get("to", 0) == TensorProto.INT64
    return SizesCall(call(unchanged, arguments[0]), ranks[0]) if is_kept else None


def unchanged(sizes: Numbers) -> Numbers:
    """Return the sizes."""
    return sizes


def _arithmetic(node: Node, arguments: Sequence[Any], ranks: Sequence[int]) -> SizesCall | None:
    return SizesCall(call(computed, node.operator, *map(_frozen, arguments)), max(ranks))


def computed(name: str, first: Numbers, second: Numbers) -> Numbers:
    """Return the results of an operator of ARITHMETIC; a number is used for each of a list."""
    function = ARITHMETIC[name]
    if not isinstance(first, Sequence) and not isinstance(second, Sequence):
        return function(first, second)
    count = max(len(each) for each in (first, second) if isinstance(each, Sequence))
    pairs = zip(_repeated(first, count), _repeated(second, count), strict=True)
    return [function(one, other) for one, other in pairs]


def divided(first: int, second: int) -> int:
    """Return the quotient, rounded towards 0."""
    return first // second if (first < 0) == (second < 0) else -(-first // second)


def _repeated(sizes: Numbers, count: int) -> Sequence[int]:
    if not isinstance(sizes, Sequence):
        return [sizes] * count
    return [*sizes] * count if len(sizes) == 1 else sizes


def _frozen(argument: Any) -> Any:
    return tuple(argument) if isinstance(argument, list) else argument


ARITHMETIC: Mapping[str, Callable[[int, int], int]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": divided,
}
CONVERTERS: Mapping[str, Callable[[Node, Sequence[Any], Sequence[int]], SizesCall | None]] = {
    "Gather": _gather,
    "Concat": _concat,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Cast": _cast,
    "Identity": lambda node, arguments, ranks: SizesCall(call(unchanged, arguments[0]), ranks[0]),
    **dict.fromkeys(ARITHMETIC, _arithmetic),
}
