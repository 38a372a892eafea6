"""A large weight whose packed form is not kept is packed by blocks of filters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.dispatch.compiled_call import CompiledCall, TransposedCall, kernel_call
from glassconv.dispatch.whole_numbers import LateCall
from glassconv.kernels import kernel_named
from glassconv.kernels.runtime import packed_weights
from glassconv.kernels.runtime import plan as plans
from glassconv.kernels.runtime.packed_weights import of_changing_weights, packed_bytes
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem.activations import NOTHING
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from glassconv.problem.operands import Operands, random_operands
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import parse_transposed
from glassconv.verification.verify import judge

PROBLEMS: dict[str, Problem] = {
    "convolution": parse("2x20x9x11 83@3x3 p1"),
    "without bias": parse("1x5x6x6 70@3x3 nobias"),
    "transposed": parse_transposed("2x20x9x11 83@3x3 p1"),
}
LAYOUTS = pytest.mark.parametrize("layout", [NCHW, NHWC])
KERNELS = pytest.mark.parametrize("name", ["winograd2", "winograd4"])


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plans, "MAX_TEMPORARY_BYTES", 1)
    packed_weights.forget()
    yield
    packed_weights.forget()


def refused(input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None) -> Tensor:
    return torch.zeros(3)


def call_of(problem: Problem, name: str, layout: str) -> CompiledCall:
    """Return the call of a kernel that leaves whole numbers to `refused`."""
    given = contiguous(equal_convolution(problem), layout)
    whole = LateCall(lambda input, weight: refused)
    return kernel_call(kernel_named(name), problem, given, layout, NOTHING, whole)


def operands_of(problem: Problem, layout: str) -> Operands:
    drawn = random_operands(problem)
    formats = {NCHW: torch.contiguous_format, NHWC: torch.channels_last}
    return Operands(drawn.input.to(memory_format=formats[layout]), drawn.weight, drawn.bias)


@KERNELS
@LAYOUTS
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))
def test_blocks_are_slices_of_one_output_within_the_bound(
    problem: Problem, name: str, layout: str
) -> None:
    call, operands = call_of(problem, name, layout), operands_of(problem, layout)
    plan = call.plan if isinstance(call, TransposedCall) else call
    assert isinstance(plan, Plan)
    assert [(block.start, block.stop) for block, _ in plan.blocks_of_filters] == [
        (first, min(first + 32, problem.out_channels))
        for first in range(0, problem.out_channels, 32)
    ]
    with of_changing_weights():
        output = call(operands.input, operands.weight, operands.bias, None)
    assert packed_bytes() == 0
    assert output.stride() == plan.output_strides
    found = judge(problem, name, output.numpy(), operands, named(name).error_bound(problem))
    assert found.verdict, found.verdict.reason
    assert found.unbounded == 0


@LAYOUTS
@pytest.mark.parametrize("name", ["convolution", "without bias"])
def test_one_block_that_is_refused_refuses_the_weight(name: str, layout: str) -> None:
    problem = PROBLEMS[name]
    call, operands = call_of(problem, "winograd4", layout), operands_of(problem, layout)
    operands.weight[64:].round_()
    with of_changing_weights():
        output = call(operands.input, operands.weight, operands.bias, None)
    assert output.shape == (3,)


@LAYOUTS
def test_an_infinite_weight_of_a_block_meets_no_padding(layout: str) -> None:
    problem = PROBLEMS["transposed"]
    call, operands = call_of(problem, "winograd4", layout), operands_of(problem, layout)
    operands.weight[0, 80, 1, 1] = torch.inf
    with of_changing_weights():
        output = call(operands.input, operands.weight, operands.bias, None)
    found = judge(problem, "aten", output.numpy(), operands, named("aten").error_bound(problem))
    assert found.verdict, found.verdict.reason


@LAYOUTS
def test_an_infinite_weight_meets_no_zeros_where_none_are_inserted(layout: str) -> None:
    problem = parse_transposed("2x20x5x7 33@1x1")
    call, operands = call_of(problem, "implicit_gemm", layout), operands_of(problem, layout)
    operands.weight[0, 20] = torch.inf
    assert isinstance(call, TransposedCall)
    assert call.plan.pack is not None
    assert call.plan.pack(operands.weight) is not None
    output = call(operands.input, operands.weight, operands.bias, None)
    found = judge(problem, "aten", output.numpy(), operands, named("aten").error_bound(problem))
    assert found.verdict, found.verdict.reason


def test_a_weight_is_packed_whole_where_it_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_weights, "MAX_REPACKED_BYTES", 0)  # it counts as large
    problem = PROBLEMS["convolution"]
    call, operands = call_of(problem, "winograd4", NCHW), operands_of(problem, NCHW)
    assert isinstance(call, Plan)
    with of_changing_weights():
        for _ in range(2):
            call(operands.input, operands.weight, operands.bias, None)
    assert packed_bytes() == call.packed_bytes


def test_groups_are_not_divided() -> None:
    problem = parse("64x9x11 80@3x3 p1 g2")
    call = call_of(problem, "winograd4", NCHW)
    assert isinstance(call, Plan)
    assert call.blocks_of_filters == ()


@pytest.mark.parametrize(
    ("text", "equal"),
    [("64x9x11 80@3x3 p1 bfloat16", None), ("32x64x2x2 80@9x9 p4", "32x64x2x2 80@3x3 p1")],
)
def test_a_weight_that_is_widened_or_cropped_first_is_not_divided(
    text: str, equal: str | None
) -> None:
    problem = parse(text)
    plan = kernel_named("winograd4").plan(problem, contiguous(problem, NCHW))
    assert plan.blocks_of_filters == ()
    operands = random_operands(problem)
    with of_changing_weights():
        output = plan(operands.input, operands.weight, operands.bias)
    if equal is not None:  # the taps that reach the input
        weight = operands.weight[:, :, 3:6, 3:6]
        problem, operands = parse(equal), Operands(operands.input, weight, operands.bias)
    bound = named("winograd4").error_bound(problem)
    found = judge(problem, "winograd4", output.float().numpy(), operands, bound)
    assert found.verdict, found.verdict.reason
