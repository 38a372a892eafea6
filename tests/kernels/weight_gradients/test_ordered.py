"""The kernels of weights' and biases' gradients in "strict" equal the definition, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod

import pytest
import torch
from torch import Tensor

from glassconv import parse
from glassconv.algorithms.ordered import BLOCK
from glassconv.algorithms.parts.ordered_gradients import weight_gradient
from glassconv.codegen.target import Target
from glassconv.dispatch.compiled_call import in_layout
from glassconv.kernels.weight_gradients import gemm, ordered, parts_plan
from glassconv.kernels.weight_gradients.gemm_parts import blocking
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from support.gradient_problems import arrays
from support.guard_pages import SIDES, guarded
from support.strict_gradients import definition, differences, targets
from support.strict_problems import same_bits

RANDOM, SLICES, USUAL = 2_000, 8, 2  # the usual slices take some seconds
PROBLEMS = [
    "2x3x9x8 5@3x3 s2 p1",
    "3x17x20x21 33@3x3 p1 float64",  # several blocks, several images
    "1x40x20x21 70@1x1",  # the blocks of one image
    "4x6x7x7 300@3x3 p1",
    "1x6x300 8@5 s3 p2 d2 g2",
    "2x5x12x33 5@3x3 p1 g5",
    "3x4x30x35 8@3x3 s2 p1 g4 float64",  # two filters in each group
    "2x3x9x9 3@9x9 p4 g3",  # more taps than registers
    "1x2x3x4x5 4@2x2x2 p1",
    "2x1x30x30 2@24x24",  # more taps than the register tile takes
]
CASES = [
    pytest.param(parse(text), layout, target, id=f"{text} {layout} {target.name}")
    for text in PROBLEMS
    for target in targets()
    for layout in ((NCHW, NHWC) if parse(text).ndim < 3 else (NCHW,))
]
CASE = pytest.mark.parametrize(("problem", "layout", "target"), CASES)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "part",
    [pytest.param(part, marks=() if part < USUAL else pytest.mark.slow) for part in range(SLICES)],
)
def test_random_problems_have_the_bits_of_the_definition(part: int) -> None:
    size = RANDOM // SLICES
    found = [line for seed in range(part * size, (part + 1) * size) for line in differences(seed)]
    assert not found


def test_the_definition_is_one_chain_of_exact_products_for_each_block() -> None:
    problem = parse("2x1x17x18 1@2x2 p1 float64")
    input, grad = arrays(problem)
    found = weight_gradient(problem, input, grad)
    for u, v in product(range(2), repeat=2):
        total = 0.0
        for image in range(2):
            of_image, block = 0.0, 0.0
            for number, (row, column) in enumerate(product(*map(range, problem.output_size))):
                if number and number % BLOCK == 0:
                    of_image, block = of_image + block, 0.0
                y, x = row + u - 1, column + v - 1
                if 0 <= y < 17 and 0 <= x < 18:
                    left, right = input[image, 0, y, x].item(), grad[image, 0, row, column].item()
                    block = float(Fraction(left) * Fraction(right) + Fraction(block))
            total = total + (of_image + block)
        assert found[0, 0, u, v].item() == total


@CASE
def test_threads_and_divisions_change_no_bit(
    problem: ConvProblem, layout: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    input, grad = arrays(problem)
    right = definition(problem, input, grad)
    x, g = in_layout(input, layout), in_layout(grad, layout)
    for number in (1, 2, 3, 4):
        torch.set_num_threads(number)
        for macs, tasks in ((500_000, 16), (1, 16), (1, 5)):
            monkeypatch.setattr(blocking, "MIN_MACS_PER_TASK", macs)
            monkeypatch.setattr(blocking, "TASKS", tasks)
            plan = ordered.plan(problem, contiguous(problem, layout), target, number)
            weight, bias = plan(x, g, True)
            assert bias is not None
            assert same_bits(weight, right[0])
            assert same_bits(bias, right[1])


@CASE
@pytest.mark.parametrize("side", SIDES)
def test_nothing_outside_the_arrays_is_touched(
    problem: ConvProblem, layout: str, target: Target, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Tensor] = []

    def workspace(size: int) -> int:
        kept.append(guarded(torch.full((size,), 0xFF, dtype=torch.uint8), side))
        return kept[-1].data_ptr()

    monkeypatch.setattr(parts_plan, "workspace", workspace)
    input, grad = (in_layout(each, layout) for each in arrays(problem))
    plan = ordered.plan(problem, contiguous(problem, layout), target, 2)
    shapes = problem.weight_shape, (problem.out_channels,)
    weight, bias = (guarded(torch.full(each, torch.nan, dtype=grad.dtype), side) for each in shapes)
    plan.compute(guarded(input, side), guarded(grad, side), weight, bias)
    assert not bool(weight.isnan().any() or bias.isnan().any())


def test_the_published_order_is_not_that_of_other_kernels() -> None:
    """So that the tests above could fail: another order has other bits."""
    problem = parse("4x8x9x9 8@3x3 p1")
    input, grad = arrays(problem)
    plan = gemm.plan(problem, contiguous(problem, NCHW), targets()[0], 1)
    assert not same_bits(plan(input, grad, False)[0], weight_gradient(problem, input, grad))


@pytest.mark.parametrize("text", ["2x5x12x13 4@3x3 p1", "2x6x12x13 6@3x3 p1 g6"])
def test_output_gradients_that_are_not_finite_meet_no_padding(text: str) -> None:
    problem = parse(text)
    input, grad = arrays(problem)
    grad[0, 1, 0, 0], grad[1, 2, 11, 5] = torch.inf, torch.nan
    right = definition(problem, input, grad)
    assert right[0].isfinite().any()
    for layout in (NCHW, NHWC):
        plan = ordered.plan(problem, contiguous(problem, layout), targets()[0], 2)
        found = plan(in_layout(input, layout), in_layout(grad, layout), True)
        for each, expected in zip(found, right, strict=True):
            assert each is not None
            assert same_bits(each, expected)


def test_blocks_of_matrix_products_are_those_of_the_order() -> None:
    for text, parts, at_once in (
        ("8x64x56x56 64@3x3 p1", 8, 8),  # each image a part, several at once
        ("8x512x28x28 512@3x3 p1", 8, 1),  # one after another
        ("8x512x7x7 512@3x3 p1", 1, 1),  # every image one block: their sum is that of the part
        ("1x64x56x56 64@3x3 p1", 13, 8),  # the blocks of one image
    ):
        problem = parse(text)
        target = replace(targets()[0], l1=2**15, l2=2**20)
        found = ordered.blocking(problem, contiguous(problem, NCHW), target)
        assert (found.parts, found.parts_at_once) == (parts, at_once)
        assert found.pixel_block == min(prod(problem.output_size), BLOCK)
