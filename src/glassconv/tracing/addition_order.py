"""The order in which a convolution adds an output's terms, found by calling it.

Let every term be 1 but two, which are M and −M, so large that M + 1 is rounded to M. Terms that are
added to either before the two meet are lost, the others are counted. So the output tells how many
leaves are below the node where the two meet, and that for every pair is the whole tree.

Source: P. Xie et al., FPRev: revealing floating-point summation order, arXiv 2411.00442, 2024.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

from glassconv.dispatch.dispatch import run
from glassconv.errors import UnsupportedError
from glassconv.problem.conv_problem import ConvProblem
from glassconv.reports.addition_order import BIAS, AdditionOrder, AdditionOrders, Tree

LARGE = 2.0**100
MOST_TERMS = 1200  # each may need a call for every other
ADDERS = {"glassconv, accuracy='strict'": "ordered", "PyTorch": "aten"}


def addition_orders(problem: ConvProblem) -> AdditionOrders:
    """Return the order of additions in "strict" and in PyTorch's convolution, as revealed here.

    Leaf k is product k = (kernel row, kernel column, channel) of an output in the midst.

    Raises `UnsupportedError` for other element types than float32 and float64, and for too many
    terms.

    >>> from glassconv import parse
    >>> addition_orders(parse("2x4x4 1@1x2")).orders[0].tree
    (-1, (0, 1, 2, 3))
    """
    terms = problem.taps_per_output + problem.bias
    if problem.dtype not in ("float32", "float64") or not problem.batch:
        raise UnsupportedError("probing needs an image in float32 or float64", request=str(problem))
    if terms > MOST_TERMS:
        cause = f"probing {terms:,} terms would take too long, at most {MOST_TERMS:,} are"
        raise UnsupportedError(cause, request=str(problem))
    orders = []
    for adder, algorithm in ADDERS.items():
        leaves = [BIAS] * problem.bias + list(range(problem.taps_per_output))
        orders.append(AdditionOrder(adder, revealed(leaves, _sum_of(problem, algorithm))))
    return AdditionOrders(problem, tuple(orders))


def _sum_of(problem: ConvProblem, algorithm: str) -> Callable[[dict[int, float]], float]:
    """Return the function from the terms that are not 1 to an output whose terms they are."""
    dtype = getattr(torch, problem.dtype)
    input = torch.ones(problem.input_shape, dtype=dtype)
    filters, channels, *kernel = problem.weight_shape
    middle = (0, 0, *(size // 2 for size in problem.output_size))

    def total(others: dict[int, float]) -> float:
        products = torch.ones(problem.taps_per_output, dtype=dtype)
        bias = None
        for leaf, value in others.items():
            if leaf != BIAS:
                products[leaf] = value
        if problem.bias:
            bias = torch.full((filters,), others.get(BIAS, 1.0), dtype=dtype)
        weight = products.reshape(*kernel, channels).movedim(-1, 0).expand(problem.weight_shape)
        with torch.no_grad():
            output: Tensor = run(problem, algorithm, input, weight.contiguous(), bias)
        return output[middle].item()

    return total


def revealed(leaves: list[int], total: Callable[[dict[int, float]], float]) -> Tree:
    """Return the tree by which `total` adds the terms of these leaves.

    >>> def pairs(others):
    ...     a, b, c, d = (torch.tensor(others.get(leaf, 1.0)) for leaf in range(4))
    ...     return float((a + b) + (c + d))
    >>> revealed([0, 1, 2, 3], pairs)
    (0, 1, (2, 3))
    """
    number = len(leaves)

    def built(below: list[int]) -> Tree:
        first, *others = below
        if not others:
            return first
        meeting = defaultdict(list)
        for other in others:
            lost = number - round(total({first: LARGE, other: -LARGE}))
            meeting[lost].append(other)
        return (first, *(built(meeting[size]) for size in sorted(meeting)))

    return built(leaves)
