"""The kernels of the weight's gradient: values, memory, bits, on problems of every kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from glassconv import parse
from glassconv.dispatch.compiled_call import in_layout
from glassconv.errors import UnsupportedError
from glassconv.kernels.weight_gradients import (
    KERNELS,
    GradientKernel,
    depthwise,
    fastest,
    parts_plan,
    winograd,
)
from glassconv.kernels.weight_gradients.gemm_parts import blocking
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC
from support.fixed_machine import FIXED
from support.gradient_problems import INPUT, Truth, arrays, misses
from support.guard_pages import SIDES, guarded

PROBLEMS = [
    "2x3x9x8 5@3x3 s2 p1",
    "3x17x7x7 33@3x3 p1 float64",
    "2x40x20x21 70@1x1",
    "1x6x300 8@5 s3 p2 d2 g2",
    "9x130x5x5 12@3x3 p1",  # several images in a block, several blocks of channels
    "2x8x40x40 300@1x1 s2",
    "1x2x64x64 2@7x7 p3",  # rows that alias in L1
    "2x5x12x33 5@3x3 p1 g5",
    "2x5x12x35 10@3x3 s2 p1 g5 float64",
    "1x3x9x9 3@5x5 p4 d2 g3",
    "1x2x20x20 2@8x8 s2 p3 g2",  # more taps than registers
    "2x43x6x7 43@3x3 p1 g43",  # blocks of filters, the last of which is smaller
    "3x21x5x6 42@3x3 s2 p1 g21",
    "3x70x9x50 37@3x3 p1",  # several blocks of channels, tiles and parts
    "1x5x30x31 130@3x3 p3 float64",
]
CASES = [
    pytest.param(kernel, parse(text), layout, id=f"{kernel.name} {text} {layout}")
    for text in PROBLEMS
    for kernel in KERNELS.values()
    for layout in (NCHW, NHWC)
    if kernel.supports(parse(text), layout)
]
RANDOM, SLICES = 2_000, 8
CALLING = parts_plan, depthwise, winograd
DIVIDED = blocking, depthwise, winograd


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give kernels workspaces of exactly the size they ask for, full of NaN, by a guard page."""
    kept: list[Tensor] = []

    def workspace(size: int) -> int:
        kept.append(guarded(torch.full((size,), 0xFF, dtype=torch.uint8), request.param))
        return kept[-1].data_ptr()

    for module in CALLING:
        monkeypatch.setattr(module, "workspace", workspace)
    yield request.param
    kept.clear()


@pytest.mark.parametrize(("kernel", "problem", "layout"), CASES)
def test_every_element_is_within_its_bound(
    kernel: GradientKernel, problem: ConvProblem, layout: str
) -> None:
    assert Truth(problem, *arrays(problem)).is_met(kernel, layout)


@pytest.mark.parametrize(("kernel", "problem", "layout"), CASES)
def test_nothing_outside_the_arrays_is_touched(
    kernel: GradientKernel, problem: ConvProblem, layout: str, side: str
) -> None:
    input, grad = (in_layout(each, layout) for each in arrays(problem))
    nan = [torch.full(shape, torch.nan, dtype=input.dtype) for shape in
           (problem.weight_shape, (problem.out_channels,))]  # fmt: skip
    weight, bias = (guarded(each, side) for each in nan)
    plan = kernel.plan(problem, layout)
    plan.compute(guarded(input, side), guarded(grad, side), weight, bias)
    alone = torch.full_like(weight, torch.nan)
    plan.compute(input, grad, alone, None)
    assert torch.equal(weight, alone)
    assert not bool(weight.isnan().any() or bias.isnan().any())


@pytest.mark.parametrize(("kernel", "problem", "layout"), CASES)
def test_any_number_of_threads_gives_the_same_bits(
    kernel: GradientKernel, problem: ConvProblem, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in DIVIDED:
        monkeypatch.setattr(module, "MIN_MACS_PER_TASK", 1_000)
    input, grad = (in_layout(each, layout) for each in arrays(problem))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            weight, bias = kernel.plan(problem, layout)(input, grad, True)
            assert bias is not None
            found.append((weight, bias))
    finally:
        torch.set_num_threads(before)
    for each in found[1:]:
        assert all(map(torch.equal, each, found[0]))


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(SLICES))
def test_gradients_of_random_problems_are_within_their_bounds(part: int) -> None:
    size = RANDOM // SLICES
    tried = dict.fromkeys((*KERNELS, INPUT), 0)
    for seed in range(part * size, (part + 1) * size):
        for name, miss in misses(seed):
            assert miss is None
            tried[name] += 1
    assert min(tried.values()) > size // 40


def test_a_pixel_that_no_window_reads_may_be_anything() -> None:
    problem = parse("1x2x10x10 2@3x3 s2 g2")  # the last row and column are left over
    input, grad = arrays(problem)
    kernels = [kernel for kernel in KERNELS.values() if kernel.supports(problem, NCHW)]
    expected = [kernel.plan(problem, NCHW)(input, grad, False)[0] for kernel in kernels]
    input[..., 9, :] = torch.nan
    input[..., 9] = torch.inf
    for kernel, right in zip(kernels, expected, strict=True):
        assert torch.equal(kernel.plan(problem, NCHW)(input, grad, False)[0], right)


@pytest.mark.parametrize("layout", [NCHW, NHWC])
def test_winograd_leaves_whole_and_infinite_numbers_to_plain_sums(layout: str) -> None:
    problem = parse("2x3x9x10 4@3x3 p1")
    input, grad = (in_layout(each, layout) for each in arrays(problem))
    infinite = input.clone()
    infinite[0, 1, 4, 4] = torch.inf
    for x, g in ((input, grad.round()), (infinite, grad)):
        found, right = (
            KERNELS[name].plan(problem, layout)(x, g, True) for name in ("winograd", "gemm")
        )
        for each, expected in zip(found, right, strict=True):
            assert each is not None
            assert expected is not None
            torch.testing.assert_close(each, expected, rtol=0, atol=0, equal_nan=True)


def test_what_no_kernel_supports_is_refused_with_reasons() -> None:
    for text, layout, reason in (
        ("3x4x4x4 4@3x3x3", NCHW, "gemm: only 1D and 2D"),
        ("3x40x40 4@30x30", NCHW, "gemm: kernel size must not exceed 512 taps"),
        ("3x40x40 3@30x30 g3", NHWC, "depthwise: requires channels first"),
    ):
        with pytest.raises(UnsupportedError, match=reason):
            fastest(parse(text), layout, FIXED)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("4x8x8 4@3x3", "requires one channel in each group, got 4"),
        ("4x8x8 4@3x3 s3 g4", "requires a stride along rows of at most 2, got 3"),
        ("4x18x18 4@9x9 g4", "requires at most 64 taps, got 81"),
    ],
)
def test_the_depthwise_kernel_refuses_with_a_reason(text: str, reason: str) -> None:
    assert depthwise.supports(parse(text), NCHW).reason == reason


def test_each_kind_of_layer_gets_its_kernel() -> None:
    assert fastest(parse("8x96x56x56 96@3x3 p1 g96"), NCHW, FIXED).name == "depthwise"
    assert fastest(parse("8x64x56x56 64@1x1"), NCHW, FIXED).name == "gemm"
    assert fastest(parse("8x64x56x56 64@3x3 p1"), NCHW, FIXED).name == "winograd"
