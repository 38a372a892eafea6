"""The order of additions as an indented tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.addition_order import BIAS, AdditionOrders, Tree

NUMBERS = "product k is that of k = (kernel row, kernel column, channel)"


def addition_orders(found: AdditionOrders) -> RenderableType:
    """Return a tree for each way to compute a convolution."""
    parts: list[RenderableType] = [Text(f"One output of {found.problem}", "bold"), Text(NUMBERS)]
    for order in found.orders:
        parts += ["", Text(order.adder, "bold"), *map(Text, lines(order.tree))]
    return Group(*parts)


def lines(tree: Tree, indent: str = "") -> Iterator[str]:
    r"""Yield the lines of a tree; terms on one level are added one after another, top to bottom.

    >>> print("\n".join(lines((BIAS, (0, 1, 2, 3), (4, (5, 7, 9))))))
    bias
    + sum of:
        products 0 … 3
    + sum of:
        product 4
        + sum of:
            products 5 … 9 in steps of 2
    """
    members = (tree,) if isinstance(tree, int) else tree
    plus = ""
    for is_leaf, run in groupby(members, lambda member: isinstance(member, int)):
        if is_leaf:
            for text in _runs([member for member in run if isinstance(member, int)]):
                yield f"{indent}{plus}{text}"
                plus = "+ "
            continue
        for member in run:
            yield f"{indent}{plus}sum of:"
            yield from lines(member, indent + "    ")
            plus = "+ "


def _runs(leaves: Sequence[int]) -> Iterator[str]:
    """Yield texts for leaves: the longest runs of equal steps, each as one."""
    place = 0
    while place < len(leaves):
        if leaves[place] == BIAS:
            yield "bias"
            place += 1
            continue
        end, step = place + 1, 0
        while end < len(leaves) and leaves[end] != BIAS:
            distance = leaves[end] - leaves[end - 1]
            if step and distance != step:
                break
            step, end = distance, end + 1
        if end == place + 1:
            yield f"product {leaves[place]}"
        else:
            steps = "" if step == 1 else f" in steps of {step}"
            yield f"products {leaves[place]} … {leaves[end - 1]}{steps}"
        place = end
