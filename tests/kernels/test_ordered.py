"""The kernels of the published order equal its definition, bit for bit."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from glassconv import choose, conv2d, parse
from glassconv.algorithms import named
from glassconv.codegen.target import host
from glassconv.kernels import kernel_named
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from glassconv.problem.operands import random_operands
from support.strict_problems import differences, same_bits, strict

PROBLEMS = 2000
SLICES = 8
SHAPES = (
    "3x20x20 8@7x7 s2 p3",
    "40x9x9 33@3x3 p1",
    "300x7x7 20@1x1",
    "30x17x17 30@3x3 s2 p1 g30",
    "6x40 9@5 p2 d2 g3",
    "3x4x5x6 4@2x3x3 p1",
)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(SLICES))
def test_random_problems_have_the_bits_of_the_definition(part: int) -> None:
    size = PROBLEMS // SLICES
    found = [line for seed in range(part * size, (part + 1) * size) for line in differences(seed)]
    assert not found


@pytest.mark.parametrize("text", SHAPES)
def test_caches_and_threads_change_no_bit(text: str) -> None:
    problem, here = parse(text), host()
    assert here is not None
    given = random_operands(problem, 0)
    expected = named("ordered").run(problem, given.input, given.weight, given.bias)
    for l1, l2 in ((2**12, 2**14), (2**15, 2**19), (2**16, 2**22)):
        target = replace(here, l1=l1, l2=l2)
        for count in (1, 2, 3, 4):
            torch.set_num_threads(count)
            for layout in (NCHW, NHWC) if problem.ndim == 2 else (NCHW,):
                input = given.input
                if layout == NHWC:
                    input = input.contiguous(memory_format=torch.channels_last)
                plan = kernel_named("ordered").plan_for(
                    problem, contiguous(problem, layout), target, count
                )
                output = plan(input, given.weight, given.bias, None)
                assert same_bits(output, expected)


@pytest.mark.parametrize("layout", [NCHW, NHWC])
def test_the_published_order_is_not_that_of_other_kernels(layout: str) -> None:
    """So that the tests above could fail: another order has other bits."""
    problem = parse("64x9x9 8@3x3 p1")
    given = random_operands(problem, 0)
    plan = kernel_named("implicit_gemm").plan(problem, contiguous(problem, layout))
    input = given.input
    if layout == NHWC:
        input = input.contiguous(memory_format=torch.channels_last)
    others = plan(input, given.weight, given.bias)
    assert not same_bits(others, strict(problem, given.input, given.weight, given.bias))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_weight_that_is_not_finite_meets_no_padding(dtype: torch.dtype) -> None:
    weight = torch.ones(2, 3, 3, 3, dtype=dtype)
    weight[0, 0, 0, 0] = float("inf")
    output = conv2d(torch.ones(1, 3, 4, 4, dtype=dtype), weight, padding=1, accuracy="strict")
    assert torch.isfinite(output[0, 0, 0]).all()
    assert torch.isinf(output[0, 0, 1:, 1:]).all()
    assert torch.isfinite(output[0, 1]).all()


@pytest.mark.parametrize("last", [False, True])
def test_nor_does_that_of_a_depthwise_convolution(last: bool) -> None:
    problem = parse("20x9x9 20@3x3 s2 p2x1 g20")
    given = random_operands(problem, 0)
    given.weight[3, 0, 0, 1], given.weight[12, 0, 2, 0] = float("nan"), -float("inf")
    input = given.input
    if last:
        input = input.contiguous(memory_format=torch.channels_last)
    expected = named("ordered").run(problem, given.input, given.weight, given.bias)
    assert expected[:, 3].isnan().any()
    assert expected[:, 3].isfinite().any()
    assert same_bits(strict(problem, input, given.weight, given.bias), expected)


def test_strict_never_takes_pytorchs_convolution() -> None:
    for text in (*SHAPES, "1x1x1 1@1x1 bfloat16", "64x1x1 1000@1x1"):
        assert choose(text, accuracy="strict").algorithm == "ordered"


def test_gradients_flow_through_the_bits_of_a_call_without_them() -> None:
    problem = parse("5x9x9 4@3x3 p1")
    given = random_operands(problem, 0)
    arrays = [each.clone().requires_grad_() for each in (given.input, given.weight)]
    input, weight = arrays
    output = conv2d(input, weight, given.bias, padding=1, accuracy="strict", activation="relu")
    expected = conv2d(
        given.input, given.weight, given.bias, padding=1, accuracy="strict", activation="relu"
    )
    assert same_bits(output.detach(), expected)
    found = torch.autograd.grad(output.square().sum(), arrays)
    plain = torch.nn.functional.conv2d(input, weight, given.bias, padding=1).relu()
    for ours, theirs in zip(found, torch.autograd.grad(plain.square().sum(), arrays), strict=True):
        torch.testing.assert_close(ours, theirs)
