"""The published order, by hand."""

from math import isnan

import torch

from glassconv import parse, parse_transposed
from glassconv.algorithms.ordered import BLOCK, steps
from glassconv.mathematics.fused_multiply_add import fused_multiply_add
from glassconv.problem.operands import random_operands
from glassconv.problem.problem import Problem

ZERO = torch.tensor(0.0)


def output(
    problem: Problem, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    *_, last = steps(problem, input, weight, bias)
    array: torch.Tensor = last.array
    return array


def test_an_output_is_its_blocks_of_products_in_order() -> None:
    """By hand, for one output: rows, then columns, then channels; block after block."""
    problem = parse("70x2x2 1@2x2")
    given = random_operands(problem, 0)
    assert given.bias is not None
    terms = [
        (given.weight[0, c, u, v], given.input[0, c, u, v])
        for u in range(2)
        for v in range(2)
        for c in range(70)
    ]
    total = ZERO + given.bias[0]
    assert len(terms) > BLOCK
    for first in range(0, len(terms), BLOCK):
        block = ZERO
        for weight, number in terms[first : first + BLOCK]:
            block = fused_multiply_add(weight, number, block)
        total = total + block
    assert output(problem, given.input, given.weight, given.bias).item() == total.item()


def test_padding_is_skipped_whatever_the_weight() -> None:
    weight = torch.tensor([[[float("inf"), 1.0, float("nan")]]])
    found = output(parse("1x1 1@3 p1 nobias"), torch.tensor([[[5.0]]]), weight, None)
    assert found.item() == 5


def test_padding_keeps_its_place_among_the_products() -> None:
    """The block of a product depends on its number only, so a tile of an image has its bits."""
    problem = parse("200x3 1@3 p1 nobias")
    given = random_operands(problem, 0)
    whole = output(problem, given.input, given.weight, None)
    part = output(parse("200x2 1@3 p1:0 nobias"), given.input[..., :2], given.weight, None)
    assert part[0, 0, 0] == whole[0, 0, 0]


def test_a_sum_is_never_minus_zero() -> None:
    given = torch.tensor([[[-1e-30]]]), torch.tensor([[[1e-30]]]), torch.tensor([-0.0])
    assert str(output(parse("1x1 1@1"), *given).item()) == "0.0"


def test_a_transposed_convolution_skips_the_zeros_between_inputs() -> None:
    problem = parse_transposed("1x3 1@2 s2 nobias")
    input, weight = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[2.0, float("inf")]]])
    found = output(problem, input, weight, None).flatten().tolist()
    assert found[::2] == [2, 4, 6]
    assert not any(isnan(each) for each in found)
