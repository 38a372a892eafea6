"""Reductions along axes, and what sorts or adds up along one."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import torch
from torch import Tensor

from glassconv.networks.onnx.integers import Integers, integers
from glassconv.networks.onnx.node import Call, Node, call

AXES_AS_INPUT = 18  # attributes before, for ReduceSum before 13
SUM_AXES_AS_INPUT = 13
Reduction = Callable[[Tensor, list[int], bool], Tensor]


def reduction(name: str) -> Callable[[Node], Call]:
    """Return the converter to a reduction."""
    first = SUM_AXES_AS_INPUT if name == "Sum" else AXES_AS_INPUT

    def convert(node: Node) -> Call:
        axes = node.get("axes", None) if node.version < first else node.numbers(1)
        kept = {
            "keep": node.get("keepdims", 1) == 1,
            "none_if_empty": node.get("noop_with_empty_axes", 0) == 1,
        }
        return call(reduced, node.value(0), axes, name=name, **kept)

    return convert


def reduced(
    input: Tensor, axes: Integers | None, *, name: str, keep: bool, none_if_empty: bool
) -> Tensor:
    """Reduce some axes, by default all; none_if_empty: whether no axes mean none."""
    listed = [] if axes is None else integers(axes)
    if not listed and not none_if_empty:
        listed = [*range(input.ndim)]
    if name in BEFORE:
        input = BEFORE[name](input)
    if listed or not input.ndim:
        input = REDUCTIONS[name](input, listed, keep)
    return AFTER[name](input) if name in AFTER else input


def _sum(input: Tensor, axes: list[int], keep: bool) -> Tensor:
    return input.sum(axes, keepdim=keep, dtype=input.dtype) if axes else input


def _mean(input: Tensor, axes: list[int], keep: bool) -> Tensor:
    if input.dtype.is_floating_point:
        return input.mean(axes, keepdim=keep)
    count = 1
    for axis in axes:
        count *= input.shape[axis]
    return torch.div(_sum(input, axes, keep), count, rounding_mode="trunc")


def _product(input: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % input.ndim for axis in axes), reverse=True):
        input = input.prod(axis, keepdim=keep, dtype=input.dtype)
    return input


def _extreme(function: Callable[..., Tensor], limit: Callable[[torch.dtype], float]) -> Reduction:
    """Return a reduction to an extreme element; of none, to the element type's limit."""

    def reduce(input: Tensor, axes: list[int], keep: bool) -> Tensor:
        if all(input.shape[axis] for axis in axes):
            return function(input, axes, keepdim=keep)
        return torch.full_like(input.sum(axes, keepdim=keep), limit(input.dtype), dtype=input.dtype)

    return reduce


def _lowest(dtype: torch.dtype) -> float:
    if dtype.is_floating_point:
        return -inf
    return 0 if dtype == torch.bool else torch.iinfo(dtype).min


def _highest(dtype: torch.dtype) -> float:
    if dtype.is_floating_point:
        return inf
    return 1 if dtype == torch.bool else torch.iinfo(dtype).max


def _log_sum_exp(input: Tensor, axes: list[int], keep: bool) -> Tensor:
    return input.logsumexp(axes, keepdim=keep)


BEFORE: dict[str, Callable[[Tensor], Tensor]] = {
    "L1": torch.abs,
    "L2": torch.square,
    "SumSquare": torch.square,
}
REDUCTIONS: dict[str, Reduction] = {
    **dict.fromkeys(("Sum", "L1", "L2", "SumSquare", "LogSum"), _sum),
    "Mean": _mean,
    "Prod": _product,
    "Max": _extreme(torch.amax, _lowest),
    "Min": _extreme(torch.amin, _highest),
    "LogSumExp": _log_sum_exp,
}
AFTER: dict[str, Callable[[Tensor], Tensor]] = {"L2": torch.sqrt, "LogSum": torch.log}


def place(largest: bool) -> Callable[[Node], Call]:
    """Return the converter of ArgMax or ArgMin."""

    def convert(node: Node) -> Call:
        options = {
            "keep": node.get("keepdims", 1) == 1,
            "last": node.get("select_last_index", 0) == 1,
        }
        return call(place_of, node.value(0), node.get("axis", 0), largest=largest, **options)

    return convert


def place_of(input: Tensor, axis: int, *, largest: bool, keep: bool, last: bool) -> Tensor:
    """Return the index of the first or last extreme element along an axis."""
    extreme = (torch.amax if largest else torch.amin)(input, axis, keepdim=True)
    found = (input == extreme).to(torch.uint8)
    if not last:
        return found.argmax(axis, keepdim=keep)
    return input.shape[axis] - 1 - found.flip(axis).argmax(axis, keepdim=keep)


def top_k(node: Node) -> Call:
    """Return a function; how many are asked for was an attribute before version 10."""
    count = (node.get("k", 0),) if node.version < 10 else node.numbers(1)
    options = {"largest": node.get("largest", 1) == 1, "axis": node.get("axis", -1)}
    return call(top, node.value(0), count, **options)


def top(input: Tensor, count: Integers, *, largest: bool, axis: int) -> tuple[Tensor, Tensor]:
    """Return the extreme elements in order, the first of equal ones first, and their indices."""
    [number] = integers(count)
    values, indices = input.sort(dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, number), indices.narrow(axis, 0, number)


def cumulative(node: Node) -> Call:
    """Return a function; an exclusive sum at an element does not have it."""
    options = {"exclusive": node.get("exclusive", 0) == 1, "reverse": node.get("reverse", 0) == 1}
    return call(running_sum, node.value(0), node.numbers(1), **options)


def running_sum(input: Tensor, axis: Integers, *, exclusive: bool, reverse: bool) -> Tensor:
    """Return the sum of all elements up to each, or from each on, along an axis."""
    [along] = integers(axis)
    values = input.flip(along) if reverse else input
    sums = values.cumsum(along, dtype=input.dtype)
    if exclusive:
        sums = sums.roll(1, along).index_fill(along, torch.tensor([0], device=sums.device), 0)
    return sums.flip(along) if reverse else sums


CONVERTERS = {
    **{f"Reduce{name}": reduction(name) for name in REDUCTIONS},
    "ArgMax": place(largest=True),
    "ArgMin": place(largest=False),
    "TopK": top_k,
    "CumSum": cumulative,
}
