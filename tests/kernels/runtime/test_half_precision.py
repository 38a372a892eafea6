"""bfloat16 and float16 by every kernel: the float32 kernel's output, rounded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import glassconv
from glassconv.algorithms import ALGORITHMS, named
from glassconv.dispatch.dispatch import run
from glassconv.dispatch.select import choose, kernel_for
from glassconv.kernels import KERNELS, TRANSPOSED_KERNELS, Kernel, kernel_named, kernel_verdict
from glassconv.kernels.runtime.half_precision import conversion_seconds
from glassconv.kernels.runtime.packed_weights import forget, packed_bytes
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.problem import Problem, parse_problem
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import TransposedProblem
from glassconv.verification.stress_inputs import STRESS_INPUTS
from glassconv.verification.verify import judge
from support.fixed_machine import FIXED
from support.guard_pages import SIDES, guarded
from support.memory_layouts import LAYOUTS
from support.random_problems import problems

HALF = ("bfloat16", "float16")
ALL = {**KERNELS, **TRANSPOSED_KERNELS}
KERNEL = pytest.mark.parametrize("kernel", ALL.values(), ids=ALL)
DTYPE = pytest.mark.parametrize("dtype", HALF)
PROBLEMS = [
    "5x9x33 6@3x3 p1",
    "6x19x33 6@3x3 s2 p1",
    "2x8x9x10 5@3x3 p1 nobias",
    "6x9x20 9@3x3 p1 g3",
    "9x17x18 9@3x3 p1 g9",
    "20x7x7 13@1x1",
    "2x19x1x1 5@1x1",
    "3x21x37 6@5x5 s2 p2",
    "8x50 12@5 p2",
    "12x50 12@5 p2 g12",
    "6x7x8 4@3x3 s2 p1 o1 transposed",
    "4x9x9 5@3x3 p1 transposed",
    "3x30 4@4 s3 transposed",
]


def able(kernel: Kernel, dtype: str) -> Iterator[tuple[Problem, str]]:
    """Yield problems that a kernel takes, each in its memory layouts; one at least."""
    tried = 0
    for text in PROBLEMS:
        for layout in (NCHW, NHWC):
            problem = replace(parse_problem(text), dtype=dtype)
            if kernel_for(kernel.name, problem, layout):
                yield problem, layout
                tried += 1
    assert tried


def lying(problem: Problem, operands: Operands, layout: str) -> Operands:
    input = LAYOUTS["channels last" if layout == NHWC else "contiguous"](operands.input)
    return Operands(input, operands.weight, operands.bias)


def widened(operands: Operands) -> Operands:
    arrays = (operands.input, operands.weight, operands.bias)
    return Operands(*(None if each is None else each.float() for each in arrays))  # type: ignore[arg-type]


# -- right ------------------------------------------------------------------------------------


@KERNEL
@DTYPE
def test_it_is_the_output_in_float32_rounded(kernel: Kernel, dtype: str) -> None:
    for problem, layout in able(kernel, dtype):
        operands = lying(problem, random_operands(problem), layout)
        wide = widened(operands)
        output = run(problem, kernel.name, operands.input, operands.weight, operands.bias)
        sums = run(problem.widened(), kernel.name, wide.input, wide.weight, wide.bias)
        assert torch.equal(output, sums.to(output.dtype)), f"{problem}, {layout}"
        assert output.stride() == sums.stride()


@KERNEL
@DTYPE
def test_every_layout_is_within_the_bound_beside_closed_pages(kernel: Kernel, dtype: str) -> None:
    for text in PROBLEMS:
        problem = replace(parse_problem(text), dtype=dtype)
        if not kernel_for(kernel.name, problem, NCHW) or not kernel_for(kernel.name, problem, NHWC):
            continue
        drawn, bound = random_operands(problem), named(kernel.name).error_bound(problem)
        for layout, lay in LAYOUTS.items():
            for side in SIDES:
                operands = Operands(lay(drawn.input), drawn.weight, drawn.bias)
                arrays = (operands.input, operands.weight, operands.bias)
                beside = [None if each is None else guarded(each, side) for each in arrays]
                output = to_numpy(run(problem, kernel.name, *beside))  # type: ignore[arg-type]
                found = judge(problem, kernel.name, output, operands, bound)
                assert found.verdict, f"{problem}, {layout}, page {side}: {found.verdict.reason}"


@KERNEL
@DTYPE
@pytest.mark.parametrize("kind", STRESS_INPUTS)
def test_hard_operands_stay_within_the_bound(kernel: Kernel, dtype: str, kind: str) -> None:
    for problem, layout in able(kernel, dtype):
        operands = lying(problem, STRESS_INPUTS[kind].make(problem, 0), layout)
        output = run(problem, kernel.name, operands.input, operands.weight, operands.bias)
        bound = named(kernel.name).error_bound(problem)
        found = judge(problem, kernel.name, to_numpy(output), operands, bound)
        assert found.verdict, f"{problem}, {layout}: {found.verdict.reason}"


@given(
    problems(dtypes=HALF), st.sampled_from(sorted(STRESS_INPUTS)), st.booleans(), st.integers(0, 99)
)
def test_random_problems_stay_within_the_bound(
    problem: Problem, kind: str, channels_last: bool, seed: int
) -> None:
    layout = NHWC if channels_last else NCHW
    operands = lying(problem, STRESS_INPUTS[kind].make(problem, seed), layout)
    for name in ALL:
        if named(name).supports(problem) and kernel_for(name, problem, layout):
            output = run(problem, name, operands.input, operands.weight, operands.bias)
            bound = named(name).error_bound(problem)
            found = judge(problem, name, to_numpy(output), operands, bound)
            assert found.verdict, f"{name}: {found.verdict.reason}"


@pytest.mark.parametrize(
    ("term", "rounded"),
    [
        (2.0**-8, 1.0),  # halfway: the even one of 1 and 1 + 2⁻⁷
        (3 * 2.0**-8, 1 + 2.0**-6),
        (2.0**-8 + 2.0**-20, 1 + 2.0**-7),
        (torch.inf, torch.inf),
        (-torch.inf, -torch.inf),
        (torch.nan, torch.nan),
    ],
)
def test_a_sum_is_rounded_to_the_nearest_the_even_one_of_two(term: float, rounded: float) -> None:
    terms = torch.tensor([1.0, *_parts(term)], dtype=torch.bfloat16)
    input, weight = (
        terms.reshape(1, -1, 1, 1),
        torch.ones(1, len(terms), 1, 1, dtype=torch.bfloat16),
    )
    output = glassconv.conv2d(input, weight, algorithm="implicit_gemm")
    assert torch.equal(output.isnan(), torch.full_like(output, rounded).isnan())
    assert rounded != rounded or float(output) == rounded  # noqa: PLR0124


def _parts(term: float) -> list[float]:
    """Return numbers of bfloat16 that add up to one that is none."""
    first = float(torch.tensor(term).bfloat16())
    rest = term - first
    return [first, rest] if rest and rest == rest else [first]  # noqa: PLR0124


def test_a_product_too_small_for_float32_is_lost_within_the_bound() -> None:
    problem = parse("1x1x1 1@1x1 nobias bfloat16")
    tiny = torch.full((1, 1, 1, 1), 2.0**-70, dtype=torch.bfloat16)
    operands = Operands(tiny, tiny, None)
    output = run(problem, "implicit_gemm", tiny, tiny, None)
    bound = named("implicit_gemm").error_bound(problem)
    assert judge(problem, "", to_numpy(output), operands, bound).verdict


@DTYPE
def test_whole_numbers_give_whole_numbers(dtype: str) -> None:
    problem = parse(f"32x30x30 32@3x3 p1 nobias {dtype}")
    assert choose(problem).algorithm.startswith("winograd")
    operands = STRESS_INPUTS["integers"].make(problem, 0)
    output = glassconv.conv2d(operands.input, operands.weight, padding=1)
    exact = torch.conv2d(operands.input.double(), operands.weight.double(), padding=1)
    assert torch.equal(output, exact.to(output.dtype))


@KERNEL
@DTYPE
def test_residual_and_activation_are_applied_before_the_rounding(
    kernel: Kernel, dtype: str
) -> None:
    for problem, layout in able(kernel, dtype):
        operands = lying(problem, random_operands(problem), layout)
        wide = widened(operands)
        residual = torch.randn(problem.output_shape).to(operands.input.dtype)
        for activation in (None, "relu6"):
            options: dict[str, Any] = {"algorithm": kernel.name, "accuracy": "any"}
            options["activation"] = activation
            half = _call(problem, operands, residual=residual, **options)
            sums = _call(problem.widened(), wide, residual=residual.float(), **options)
            assert torch.equal(half, sums.to(half.dtype)), f"{problem}, {layout}, {activation}"


def _call(problem: Problem, operands: Operands, **options: Any) -> Tensor:
    arguments: dict[str, Any] = {
        "stride": problem.stride,
        "padding": tuple(before for before, _ in problem.padding),
        "dilation": problem.dilation,
        "groups": problem.groups,
    }
    name = f"conv{problem.ndim}d"
    if isinstance(problem, TransposedProblem):
        name = f"conv_transpose{problem.ndim}d"
        arguments["output_padding"] = problem.output_padding
    arrays = (operands.input, operands.weight, operands.bias)
    output: Tensor = getattr(glassconv, name)(*arrays, **arguments, **options)
    return output


# -- weights ----------------------------------------------------------------------------------


@KERNEL
@DTYPE
def test_a_weight_is_widened_and_packed_once(kernel: Kernel, dtype: str) -> None:
    for problem, layout in able(kernel, dtype):
        operands = lying(problem, random_operands(problem), layout)
        weight = torch.nn.Parameter(operands.weight, requires_grad=False)
        forget()
        first = run(problem, kernel.name, operands.input, weight, operands.bias)
        packed = packed_bytes()
        assert packed >= 4 * weight.numel()  # float32
        for same in (weight.data, weight.detach(), weight.clone()):
            again = run(problem, kernel.name, operands.input, same, operands.bias)
            assert torch.equal(again, first)
        assert packed_bytes() == packed


def test_a_changed_weight_is_seen() -> None:
    problem = parse("8x12x12 8@3x3 p1 bfloat16")
    given = random_operands(problem)
    for name in ("implicit_gemm", "winograd2"):
        before = run(problem, name, given.input, given.weight, given.bias)
        given.weight.data[-1, -1, -1, -1] += 1
        after = run(problem, name, given.input, given.weight, given.bias)
        bound = named(name).error_bound(problem)
        assert not torch.equal(after, before)
        assert judge(problem, name, to_numpy(after), given, bound).verdict


def test_the_same_bits_in_another_element_type_are_another_weight() -> None:
    given = random_operands(parse("8x6x6 8@3x3 bfloat16"))
    seen = [
        glassconv.conv2d(
            given.input.to(dtype), given.weight.view(dtype), algorithm="implicit_gemm"
        ).float()
        for dtype in (torch.bfloat16, torch.float16)
    ]
    assert not torch.equal(*seen)


# -- the choice -------------------------------------------------------------------------------


@DTYPE
def test_verdicts_are_those_of_float32(dtype: str) -> None:
    for text in (*PROBLEMS, "4x9x9x9 4@3x3x3"):
        problem = replace(parse_problem(text), dtype=dtype)
        for name in ALL:
            for layout in (NCHW, NHWC):
                if named(name).supports(problem):
                    wide = kernel_verdict(name, problem.widened(), layout)
                    assert kernel_verdict(name, problem, layout) == wide


@DTYPE
@pytest.mark.parametrize("accuracy", ["strict", "default", "fast"])
def test_an_accuracy_allows_what_it_allows_in_float32(dtype: str, accuracy: str) -> None:
    for text in ("64x14x14 64@3x3 p1", "3x20x20 16@3x3", "16x9x9 4@1x1"):
        half = {each.name: each for each in choose(f"{text} {dtype}", accuracy=accuracy).candidates}
        wide = {each.name: each for each in choose(text, accuracy=accuracy).candidates}
        assert set(half) == set(wide) == set(ALGORITHMS)
        if accuracy == "strict":  # of plain sums, whatever the rms error
            assert [name for name in half if half[name].verdict] == [
                name for name in wide if wide[name].verdict
            ]
        for name, each in wide.items():
            assert half[name].verdict or not each.verdict


def test_conversions_take_time() -> None:
    small, large = (parse(f"64x{n}x{n} 64@3x3 p1 bfloat16") for n in (8, 56))
    assert (
        2 * FIXED.pytorch.call < conversion_seconds(small, FIXED) < conversion_seconds(large, FIXED)
    )
    kernel = kernel_named("direct")
    in_float32 = kernel.seconds(large.widened(), NCHW, FIXED)
    added = kernel.seconds(large, NCHW, FIXED) - in_float32
    assert added > conversion_seconds(large, FIXED)  # and the weight's checksum


def test_the_loops_say_it() -> None:
    problem = parse("8x12x12 8@3x3 p1 bfloat16")
    plan = kernel_named("implicit_gemm").plan(problem, contiguous(problem), Epilogue("relu"))
    assert plan.loops[0] == "the input in float32"
    assert plan.loops[-1] == "the output rounded to bfloat16"
