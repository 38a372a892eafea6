"""The order in which an output's terms are added, as a tree."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem.conv_problem import ConvProblem

BIAS = -1  # the leaf of the bias; the others are the numbers of products

Tree = int | tuple["Tree", ...]  # a leaf, or the subtrees whose sums are added left to right


@dataclass(frozen=True)
class AdditionOrder:
    """Who adds the terms of one output, and the tree of its additions."""

    adder: str
    tree: Tree


@dataclass(frozen=True)
class AdditionOrders:
    """The orders of several ways to compute a convolution."""

    problem: ConvProblem
    orders: tuple[AdditionOrder, ...]
