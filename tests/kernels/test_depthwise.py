"""depthwise, compiled: right for any kernel, stride and number of channels, beside closed pages."""

from __future__ import annotations

from functools import partial
from math import ceil

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glassconv.algorithms import named
from glassconv.codegen import jit, target
from glassconv.kernels import depthwise
from glassconv.kernels.depthwise import build_module, specialization_of
from glassconv.kernels.depthwise_parts.blocking import PlaneLanes
from glassconv.kernels.depthwise_parts.nhwc import InputAccess
from glassconv.kernels.depthwise_parts.register_tile import DYNAMIC, TapPattern
from glassconv.kernels.depthwise_parts.windows import (
    block_of_phases,
    block_of_rows,
    choose_block,
    phase_layout,
    sequential_layout,
)
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC, Layout, layout_of
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.reports.verification import Verification
from glassconv.verification.stress_inputs import STRESS_INPUTS
from glassconv.verification.verify import judge
from support.compile_function import this_machine
from support.guard_pages import SIDES, call_guarded
from support.memory_layouts import LAYOUTS

BOTH = pytest.mark.parametrize("layout", ["contiguous", "channels last"])
IN_PLACE = InputAccess(is_copied=False, skipped=(1, 1))
COPIED = InputAccess(is_copied=True)
PARTIAL = InputAccess(is_copied=True, is_partial_vector=True)
GENERIC = TapPattern(DYNAMIC, DYNAMIC)
PATTERNS = [
    *(TapPattern(taps, stride) for taps in (3, 5, 7) for stride in (1, 2)),
    *(TapPattern(taps, DYNAMIC) for taps in (1, 7)),
    TapPattern(DYNAMIC, 1),
    GENERIC,
]
KINDS = [
    *((pattern, access) for pattern in PATTERNS for access in (*PlaneLanes, COPIED)),
    *((pattern, IN_PLACE) for pattern in PATTERNS if pattern.is_static),
    (TapPattern(7, 1), InputAccess(is_copied=False, skipped=(3, 0))),
    (TapPattern(7, 1), PARTIAL),
    (TapPattern(7, 1), InputAccess(is_copied=True, shuffled_group=4)),
]


def run(
    problem: ConvProblem,
    layout: str,
    kind: str = "random",
    *,
    seed: int = 0,
    side: str = "after",
    l1: int | None = None,
) -> Verification | None:
    """Hold the kernel to the algorithm's bound; None for a picture no kernel reads."""
    made = STRESS_INPUTS[kind].make(problem, seed)
    operands = Operands(LAYOUTS[layout](made.input), made.weight, made.bias)
    lies = layout_of(operands.input)
    if lies is None:
        return None
    assert depthwise.supports(problem, lies.name)
    processor = this_machine() if l1 is None else this_machine(l1=l1)
    output = call_guarded(depthwise.plan(problem, lies, processor, 2), operands, side)
    bound = named("depthwise").error_bound(problem)
    return judge(problem, "depthwise", to_numpy(output), operands, bound)


@st.composite
def problems(draw: st.DrawFn) -> ConvProblem:
    """Draw a depthwise problem: kernels that are unrolled and others, sizes that do not divide."""
    ndim = draw(st.sampled_from((1, 2, 2, 2)))

    def each(*values: int) -> tuple[int, ...]:
        return tuple(draw(st.sampled_from(values)) for _ in range(ndim))

    kernel = each(1, 2, 3, 3, 4, 5, 5, 7, 7, 9)
    dilation = each(1, 1, 1, 1, 2, 3, 17)
    padding = tuple((draw(st.integers(0, 5)), draw(st.integers(0, 5))) for _ in range(ndim))
    least = [
        max(1, d * (k - 1) + 1 - sum(p)) for d, k, p in zip(dilation, kernel, padding, strict=True)
    ]
    groups = draw(st.sampled_from((1, 2, 3, 7, 8, 9, 15, 16, 17, 32, 33, 40, 57)))
    channels = groups * (draw(st.sampled_from((1, 1, 1, 2, 3))) if groups > 1 else 1)
    return ConvProblem(
        batch=draw(st.integers(0, 2)),
        in_channels=channels,
        out_channels=groups * draw(st.sampled_from((1, 1, 1, 2, 3))),
        input_size=tuple(n + draw(st.sampled_from((0, 1, 2, 5, 9, 17, 30))) for n in least),
        kernel_size=kernel,
        stride=each(1, 1, 1, 2, 2, 3, 50, 2**31 - 1),
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=draw(st.booleans()),
        dtype=draw(st.sampled_from(("float32", "float64"))),
    )


@settings(max_examples=500)
@given(
    problems(),
    st.sampled_from(list(LAYOUTS)),
    st.sampled_from(list(STRESS_INPUTS)),
    st.integers(0, 99),
    st.sampled_from(SIDES),
    st.sampled_from((None, None, 2**10, 2**12)),
)
def test_it_is_the_definition_within_its_bound(
    problem: ConvProblem, layout: str, kind: str, seed: int, side: str, l1: int | None
) -> None:
    assume(problem.ndim == 2 or layout in ("contiguous", "channels last", "sliced"))
    found = run(problem, layout, kind, seed=seed, side=side, l1=l1)
    assert found is None or found.verdict, found.verdict.reason


@BOTH
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    "problem",
    [
        "8x1x1 8@1x1 g8",
        "1x1x1 1@7x7 p3 g1",
        "9x2x3 9@9x9 p9 d2 g9",
        "0x8x9x9 8@3x3 p1 g8",
        "8x1x2 8@1x2 p0x2147483647:0 d1x2147483647 g8",
        "3x112x112 3@3x3 p1 g3",
        "40x57x200 40@3x3 s2 p0:1x1:0 g40",
        "17x20x90 34@5x5 s1x2 p2 g17",
        "16x60x60 16@7x7 p3 g16",
        "64x70x75 64@7x7 p3 g64",
        "5x40x40 5@3x3 d7 p7 g5",
        "8x30x30 24@5x5 p2 g8",
        "3x30x30 3@7x7 s2 p3 g3",
        "2x3x99x100 3@3x3 s2 p1 g3 float64",
        "3x40x40 51@3x3 p1 g3",
        "20x9x70 40@9x9 p4 g20",
        "7x9x9 14@1x3 s50 g7",
        "6x20x21 18@3x3 d3x2 p3 s1x2 g6",
        "24x9x40 24@3x3 d2x4 p2x4 g24",
        "4x9x20 4@3x9 d1x2 p1x8 g4",
        "12x20x30 12@3x3 p1 g3",
        "10x19x33 30@5x5 s2 p2 g5",
        "64x30x31 32@3x3 p1 g16 nobias",
        "36x12x31 36@3x3 p1 g9",
        "22x20x9 22@3x5 s2x1 p1x2 g11",
        "64x9x9 64@3x3 p0:2x1:0 g8",
        "24x5000 24@9 p4 g24",
        "4x57 4@7 p3 g4",
        "4x1003 8@7 p3 g4 float64",
        "16x99 48@31 p15 g16",
        "24x5000 24@5 s2 p2 g24 float64",
    ],
)
def test_planes_of_one_block_and_of_many(problem: str, layout: str, side: str) -> None:
    found = run(parse(problem), layout, side=side)
    assert found is not None
    assert found.verdict, found.verdict.reason


@BOTH
def test_a_weight_that_changed_is_read_again(layout: str) -> None:
    problem = parse("16x9x9 16@3x3 p1 g16")
    made = random_operands(problem)
    operands = Operands(LAYOUTS[layout](made.input), made.weight, made.bias)
    lies = layout_of(operands.input)
    assert lies is not None
    plan, bound = depthwise.plan(problem, lies, this_machine(), 2), named("depthwise").error_bound
    for _ in range(3):
        output = to_numpy(plan(operands.input, operands.weight, operands.bias))
        assert judge(problem, "depthwise", output, operands, bound(problem)).verdict
        operands.weight.numpy()[3] *= 2


@BOTH
def test_a_nan_stays_in_the_windows_that_hold_it(layout: str) -> None:
    problem = parse("9x20x30 9@3x3 p1 g9")
    operands = random_operands(problem)
    operands.input[0, 4, 10, 17] = torch.nan
    input = LAYOUTS[layout](operands.input)
    lies = layout_of(input)
    assert lies is not None
    output = depthwise.plan(problem, lies, this_machine(), 2)(input, operands.weight, operands.bias)
    assert output.isnan().sum() == 9
    assert output[0, 4, 9:12, 16:19].isnan().all()


# -- what it is made of -----------------------------------------------------------------------


def test_it_refuses_with_a_reason() -> None:
    reasons = {
        "4x9x9 4@3x3": "one input channel per group, got 4",
        "18x9x9 4@3x3 g2": "1 to 8 input channels per group, got 9",
        "4x9x9x9 4@3x3x3 g4": "only 1D and 2D convolutions are supported, got 3D",
        "4x9x9 4@3x3 g4 bfloat16": "requires float32 or float64, got bfloat16",
    }
    for problem, reason in reasons.items():
        verdict = depthwise.supports(parse(problem), NCHW)
        assert not verdict
        assert reason in verdict.reason


@pytest.mark.parametrize("processor", ["avx2", "avx512", "neon"])
@pytest.mark.parametrize(
    "dtype",
    ["float32", pytest.param("float64", marks=pytest.mark.slow)],  # as many registers
)
@pytest.mark.parametrize(("pattern", "access"), KINDS, ids=str)
def test_no_register_spills(
    pattern: TapPattern, access: InputAccess | PlaneLanes, dtype: str, processor: str
) -> None:
    module = build_module(dtype, pattern, access, target.named(processor))
    assert jit.spills(jit.assembly(module.text, module.target)) == 0


def test_a_kernel_is_compiled_for_taps_and_stride_and_not_for_sizes() -> None:
    avx2 = target.named("avx2")
    small, large = parse("8x9x9 8@3x3 p1 g8"), parse("32x112x90 32@3x3 p1 g32")
    other = parse("32x112x90 32@3x5 s1x3 p1 d1x4 g32")
    rows, pixels = Layout(NCHW, (9, 9, 9, 1)), Layout(NHWC, (9, 1, 9, 9))
    assert (
        specialization_of(small, rows, avx2)
        == specialization_of(large, rows, avx2)
        == (TapPattern(3, 1), PlaneLanes.COLUMNS)
    )
    assert specialization_of(other, rows, avx2) == (TapPattern(3, 1), PlaneLanes.COLUMNS)
    assert (
        specialization_of(small, pixels, avx2)
        == specialization_of(large, pixels, avx2)
        == (TapPattern(3, 1), IN_PLACE)
    )
    assert specialization_of(other, pixels, avx2) == (TapPattern(5, DYNAMIC), COPIED)


@given(problems())
def test_a_window_is_not_much_longer_than_all_its_taps(problem: ConvProblem) -> None:
    for axis in problem.axes:
        lanes, taps = 8, axis.kernel_size
        for outputs in {1, axis.output_size}:
            assert sequential_layout(axis, outputs).length <= outputs * taps
            vectors = ceil(max(outputs, lanes) / lanes)
            assert phase_layout(axis, outputs, lanes).length <= 2 * vectors * lanes * taps


def test_a_block_fits_where_it_can() -> None:
    for text in ("1x1000x1000 1@3x3 p1", "1x1x99999 1@1x9", "1x9x9999 1@7x7 s2"):
        problem = parse(text)
        for make_block in (
            partial(block_of_phases, problem, lanes=8),
            partial(block_of_rows, problem),
        ):
            block = choose_block(problem, make_block, column_step=8, max_elements=4096)
            assert block.num_elements <= 4096
