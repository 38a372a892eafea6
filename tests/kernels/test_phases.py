"""The kernel of transposed convolutions: every phase within the bound, in each memory layout."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from random import Random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import glassconv
from glassconv.algorithms import named
from glassconv.codegen.analysis.assembly import spilling
from glassconv.codegen.jit import assembly
from glassconv.codegen.target import named as target_named
from glassconv.dispatch.select import choose
from glassconv.kernels import KERNELS, TRANSPOSED_KERNELS
from glassconv.kernels.phases import PhasesPlan
from glassconv.kernels.phases_parts import pieces
from glassconv.kernels.runtime.packed_weights import packed_bytes
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous, layout_of
from glassconv.problem.operands import random_operands, to_numpy
from glassconv.problem.transposed import TransposedProblem, parse_transposed
from glassconv.verification.verify import judge
from support.guard_pages import SIDES, guarded
from support.kernel_problems import TRANSPOSED_DEPTHWISE, TRANSPOSED_EDGES
from support.memory_layouts import LAYOUTS
from support.random_problems import LARGE, random_transposed_problem

PHASES = TRANSPOSED_KERNELS["phases"]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def assert_within_bound(problem: TransposedProblem, output: Tensor, layout: str = "") -> None:
    operands = random_operands(problem)
    bound = named("phases").error_bound(problem)
    found = judge(problem, "phases", to_numpy(output), operands, bound)
    assert found.verdict, f"{problem} {layout}: {found.verdict.reason}"


@pytest.mark.parametrize("text", [*TRANSPOSED_EDGES, *TRANSPOSED_DEPTHWISE])
def test_every_layout_is_within_the_bound_beside_closed_pages(text: str) -> None:
    problem = parse_transposed(text)
    operands = random_operands(problem)
    tried = 0
    for name, lay in LAYOUTS.items():
        input = lay(operands.input)
        layout = layout_of(input)
        if layout is None or not torch.equal(input, operands.input):
            continue
        plan = PHASES.plan(problem, layout)
        for side in SIDES:
            bias = None if operands.bias is None else guarded(operands.bias, side)
            output = plan(guarded(input, side), operands.weight, bias)
            assert_within_bound(problem, output, name)
            memory = torch.channels_last if layout.name == NHWC else torch.contiguous_format
            assert problem.ndim == 1 or output.is_contiguous(memory_format=memory)
        tried += 1
    assert tried >= 2


@pytest.mark.parametrize("layout", [NCHW, NHWC])
@pytest.mark.parametrize("text", TRANSPOSED_EDGES)
def test_images_and_groups_one_after_another_are_the_same(
    text: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = parse_transposed(text)
    operands = random_operands(problem)
    lay = LAYOUTS["channels last" if layout == NHWC else "contiguous"]
    input, residual = (
        lay(operands.input),
        lay(torch.randn(problem.output_shape).to(operands.input.dtype)),
    )
    given, epilogue = contiguous(problem, layout), Epilogue("relu", residual=True)
    whole = PHASES.plan(problem, given, epilogue)
    monkeypatch.setattr(pieces, "PIECE_PER_L2", 0)
    plan = PHASES.plan(problem, given, epilogue)
    assert isinstance(plan, PhasesPlan)
    groups = problem.groups if layout == NCHW else 1
    assert len(plan.pieces) == problem.batch * groups
    outputs = [each(input, operands.weight, operands.bias, residual) for each in (whole, plan)]
    assert torch.equal(*outputs)


@pytest.mark.thorough
@pytest.mark.parametrize("seeds", [range(0, 150), range(150, 300)])
def test_random_problems_stay_within_the_bound(seeds: range) -> None:
    tried = 0
    for seed in seeds:
        problem = random_transposed_problem(Random(seed), LARGE)
        for layout in (NCHW, NHWC):
            if not PHASES.supports(problem, layout):
                continue
            operands = random_operands(problem)
            lay = LAYOUTS["channels last" if layout == NHWC else "contiguous"]
            plan = PHASES.plan(problem, contiguous(problem, layout))
            assert_within_bound(problem, plan(lay(operands.input), operands.weight, operands.bias))
            tried += 1
    assert tried > 100


@pytest.mark.parametrize("layout", [NCHW, NHWC])
@pytest.mark.parametrize("text", [*TRANSPOSED_EDGES[:7], *TRANSPOSED_DEPTHWISE])
def test_the_epilogue_is_applied_to_every_output(text: str, layout: str) -> None:
    problem = parse_transposed(text)
    operands = random_operands(problem)
    lay = LAYOUTS["channels last" if layout == NHWC else "contiguous"]
    residual = lay(torch.randn(problem.output_shape).to(operands.input.dtype))
    input, given = lay(operands.input), contiguous(problem, layout)
    plain = PHASES.plan(problem, given)(input, operands.weight, operands.bias)
    plan = PHASES.plan(problem, given, Epilogue("relu", residual=True))
    output = plan(input, operands.weight, operands.bias, residual)
    assert torch.equal(output, torch.relu(plain + residual))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    "text", ["2x24x15x16 20@3x3 s2 p1 transposed o1", *TRANSPOSED_DEPTHWISE[:8]]
)
def test_the_same_bits_for_any_number_of_threads(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "MIN_ELEMENTS_PER_TASK", 1)
    monkeypatch.setattr("glassconv.kernels.gemm_parts.blocking.MIN_MACS_PER_TASK", 1)
    problem = parse_transposed(text)
    operands = random_operands(problem)
    for layout in (NCHW, NHWC):
        lay = LAYOUTS["channels last" if layout == NHWC else "contiguous"]
        outputs = []
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            plan = PHASES.plan(problem, contiguous(problem, layout))
            outputs.append(plan(lay(operands.input), operands.weight, operands.bias))
        assert all(torch.equal(output, outputs[0]) for output in outputs)


@pytest.mark.parametrize("text", [TRANSPOSED_EDGES[0], TRANSPOSED_DEPTHWISE[0]])
def test_a_call_sees_a_changed_weight(text: str) -> None:
    problem = parse_transposed(text)
    operands = random_operands(problem)
    plan = PHASES.plan(problem, contiguous(problem))
    before = plan(operands.input, operands.weight, operands.bias)
    operands.weight.data[-1, -1, -1, -1] += 1
    after = plan(operands.input, operands.weight, operands.bias)
    extra = problem.output_padding
    expected = F.conv_transpose2d(
        operands.input, operands.weight, operands.bias, 2, 1, extra, problem.groups
    )
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, expected)


def test_other_sizes_use_the_same_packed_weight() -> None:
    weight = torch.randn(8, 16, 4, 4)
    before = packed_bytes()
    for size in range(20, 30):
        input = torch.randn(1, 8, size, size + 1)
        glassconv.conv_transpose2d(input, weight, stride=2, padding=1, algorithm="phases")
    assert packed_bytes() - before == weight.nbytes


@pytest.mark.parametrize("value", [inf, nan])
def test_a_weight_that_is_not_finite_is_given_to_pytorch(value: float) -> None:
    input, weight = torch.ones(1, 2, 4, 4), torch.ones(2, 3, 4, 4)
    weight[0, 0, 0, 0] = value
    output = glassconv.conv_transpose2d(input, weight, stride=2, algorithm="phases")
    expected = F.conv_transpose2d(input, weight, stride=2)
    torch.testing.assert_close(output, expected, equal_nan=True)


@pytest.mark.parametrize("layout", [NCHW, NHWC])
@pytest.mark.parametrize("value", [inf, nan])
def test_a_depthwise_weight_that_is_not_finite_meets_inputs_only(value: float, layout: str) -> None:
    problem = parse_transposed(TRANSPOSED_DEPTHWISE[1])
    operands = random_operands(problem)
    operands.weight[3, 0, 0, 2] = operands.weight[20, 0, 2, 0] = value
    lay = LAYOUTS["channels last" if layout == NHWC else "contiguous"]
    plan = PHASES.plan(problem, contiguous(problem, layout))
    output = plan(lay(operands.input), operands.weight, operands.bias)
    expected = F.conv_transpose2d(
        operands.input, operands.weight, operands.bias, 2, 1, 0, problem.groups
    )
    torch.testing.assert_close(output, lay(expected), equal_nan=True)


@pytest.mark.parametrize(
    "text", ["514x200 1@1024 s256 transposed", "15x32x13 15@32x32 s16 transposed"]
)
def test_auto_multiplies_no_inserted_zeros(text: str) -> None:
    choice = choose(parse_transposed(text))
    assert choice.algorithm == "phases"
    compiled = {each.name for each in choice.candidates if each.compiled_seconds is not None}
    assert not compiled & set(KERNELS)


@pytest.mark.parametrize("name", ["avx2", "avx512", "neon"])
@pytest.mark.parametrize("layout", [NCHW, NHWC])
def test_code_for_every_target_has_no_spills(name: str, layout: str) -> None:
    target = target_named(name)
    # Where the outputs of a depthwise convolution are transposed, relu6 takes a register too many.
    for text, activation in (
        (TRANSPOSED_EDGES[0], "relu6"),
        (TRANSPOSED_DEPTHWISE[0], "relu"),
        (TRANSPOSED_DEPTHWISE[3], "relu"),
    ):
        problem = parse_transposed(text)
        for epilogue in (Epilogue(), Epilogue(activation, residual=True)):
            plan = PHASES.plan_for(problem, contiguous(problem, layout), target, 2, epilogue)
            assert spilling(assembly(plan.kernel.text, target)) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2x2x2x2 2@2x2x2 s2 transposed", "got 3D"),
        ("2x4x4 2@2x2 s2 float16 transposed", "requires float32 or float64"),
        ("2x4x4 2@200x200 s200 transposed", "at most 16,384 phases are supported, got 40,000"),
    ],
)
def test_a_refusal_has_its_reason(text: str, reason: str) -> None:
    verdict = PHASES.supports(parse_transposed(text), NCHW)
    assert not verdict
    assert reason in verdict.reason
