"""A call: planned once for its shapes and arguments, then looked up; refusals stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import glassconv
from glassconv.algorithms import ALGORITHMS
from glassconv.codegen.target import host
from glassconv.dispatch import dispatch, select
from glassconv.dispatch.compiled_call import AlgorithmCall, TransposedCall, UnbatchedCall
from glassconv.dispatch.select import choose
from glassconv.errors import ArgumentTypeError, ShapeError
from glassconv.kernels import KERNELS, TRANSPOSED_KERNELS
from glassconv.kernels.runtime.filter_rows import RowPacking
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem.operands import Operands, to_numpy
from glassconv.problem.problem import Arguments, parse_problem
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import parse_transposed
from glassconv.reports.verdict import Verdict
from glassconv.verification.verify import judge
from support.cases import TRANSPOSED_CASES
from support.memory_layouts import channels_last
from support.references import whole_numbers

PROBLEM = parse("3x9x8 4@3x3")


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    dispatch.forget()
    yield
    dispatch.forget()


def planned() -> int:
    """Return how many calls were planned."""
    return dispatch.compile_call.cache_info().misses


def call(**options: Any) -> Tensor:
    given = whole_numbers(PROBLEM)
    output: Tensor = glassconv.conv2d(given.input, given.weight, given.bias, **options)
    return output


# -- what is remembered -------------------------------------------------------------------------


@pytest.mark.parametrize("requires_grad", [False, True])
def test_each_of_600_shapes_is_planned_once(requires_grad: bool) -> None:
    weight = torch.ones(1, 1, 1, 1, requires_grad=requires_grad)
    inputs = [torch.ones(1, 1, 1 + number // 30, 1 + number % 30) for number in range(600)]
    for _ in range(3):
        for input in inputs:
            glassconv.conv2d(input, weight, algorithm="aten")
    # A call with gradients is PyTorch's own, whatever its shape: nothing is planned for it.
    assert planned() == (0 if requires_grad else 600)


def test_at_least_1024_calls_are_remembered_and_the_oldest_is_forgotten_first() -> None:
    assert (dispatch.compile_call.cache_parameters()["maxsize"] or 0) >= 1024


@pytest.mark.parametrize(
    "same",
    [[2, 1], torch.Size([2, 1]), (np.int64(2), 1), [torch.tensor(2), 1]],
    ids=lambda same: type(same).__name__,
)
def test_a_sequence_of_any_kind_is_the_call_of_its_tuple(same: Any) -> None:
    expected = call(stride=(2, 1))
    assert torch.equal(call(stride=same), expected)
    assert planned() == 1


@pytest.mark.parametrize("argument", ["stride", "padding", "dilation", "groups"])
@pytest.mark.parametrize("equal_to_one", [True, 1.0, b"\x01", (True, True), (1.0, 1)], ids=repr)
def test_what_equals_a_remembered_size_is_refused_before_as_after(
    argument: str, equal_to_one: Any
) -> None:
    refusals = []
    for _ in range(2):
        with pytest.raises(ArgumentTypeError, match=f"{argument} must be a whole number") as no:
            call(**{argument: equal_to_one})
        refusals.append(str(no.value))
        call(**{argument: 1})
    assert refusals[0] == refusals[1]
    assert "input [1, 3, 9, 8], weight [4, 3, 3, 3]" in refusals[0]


def test_a_tensor_among_the_arguments_is_read_at_each_call() -> None:
    stride = torch.tensor(1)
    assert torch.equal(call(stride=stride), call(stride=1))
    stride.fill_(2)
    assert torch.equal(call(stride=stride), call(stride=2))


def test_the_number_of_threads_is_part_of_every_key() -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            call()
        assert planned() == 2
        assert select._chosen.cache_info().misses == 2
    finally:
        torch.set_num_threads(before)


def test_each_candidate_of_auto_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(name: str) -> Any:
        supports = ALGORITHMS[name].supports

        def answer(problem: Any) -> Verdict:
            asked.append(name)
            return supports(problem)

        return answer

    registry = {
        name: replace(algorithm, supports=counted(name)) for name, algorithm in ALGORITHMS.items()
    }
    monkeypatch.setattr("glassconv.dispatch.select.ALGORITHMS", registry)
    call()
    call()
    compiled = {name for name, each in ALGORITHMS.items() if each.seconds is not None}
    ordered = {name for name, each in ALGORITHMS.items() if each.published_order}
    assert sorted(asked) == sorted({*compiled, *KERNELS, *TRANSPOSED_KERNELS} - ordered)


# -- what is called -----------------------------------------------------------------------------


def compiled(arguments: Arguments, input: Tensor, weight: Tensor, *, plain: bool = True) -> Any:
    return dispatch.compile_call(
        arguments,
        (input.shape, input.stride(), input.dtype),
        (weight.shape, weight.stride(), weight.dtype),
        None,
        None,
        plain,
        "cpu",
        torch.get_num_threads(),
    )


@pytest.mark.skipif(host() is None, reason="no kernel runs on this processor")
def test_a_hit_is_one_object_that_says_what_it_does() -> None:
    forward = Arguments(2, False, 1, 0, 1, 1, 0, "implicit_gemm", "default", None)
    backward = forward._replace(transposed=True)
    batch, weight = torch.ones(1, 3, 9, 8), torch.ones(3, 3, 3, 3)
    assert isinstance(compiled(forward, batch, weight), Plan)
    assert isinstance(compiled(forward, batch[0], weight), UnbatchedCall)
    assert isinstance(compiled(forward, batch, weight, plain=False), AlgorithmCall)
    assert isinstance(compiled(backward, batch, weight), TransposedCall)
    assert "im2col" in repr(compiled(forward._replace(algorithm="im2col"), batch, weight))


# -- transposed ---------------------------------------------------------------------------------

ORDERS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": Tensor.contiguous,
    "channels last": channels_last,
}
TORCH = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
OURS = (glassconv.conv_transpose1d, glassconv.conv_transpose2d, glassconv.conv_transpose3d)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("text", TRANSPOSED_CASES)
def test_every_algorithm_computes_transposed_convolutions(
    text: str, order: Callable[[Tensor], Tensor]
) -> None:
    """In whole numbers every plain sum is exact; the transforms are within their bounds."""
    problem = parse_transposed(text)
    given = whole_numbers(problem)
    input = order(given.input)
    options: dict[str, Any] = {
        "stride": problem.stride,
        "padding": [before for before, _ in problem.padding],
        "output_padding": problem.output_padding,
        "groups": problem.groups,
        "dilation": problem.dilation,
    }
    expected = TORCH[problem.ndim - 1](input, given.weight, given.bias, **options)
    convolve, arrays = OURS[problem.ndim - 1], (input, given.weight, given.bias)
    assert torch.equal(convolve(*arrays, **options, accuracy="strict"), expected)
    tried = 0
    for name, algorithm in ALGORITHMS.items():
        if not algorithm.supports(problem):
            continue
        output = convolve(*arrays, **options, algorithm=name, accuracy="any")
        assert output.shape == expected.shape
        bound = algorithm.error_bound(problem)
        if not problem.is_cut:
            same = Operands(*problem.convolution_arrays(input, given.weight, given.bias))
            checked = judge(problem.convolution, name, to_numpy(output), same, bound)
            assert checked.verdict, (name, checked.verdict.reason)
        if bound.magnitude is None:  # plain sums, which are exact here
            assert torch.equal(output, expected), name
        tried += 1
    assert tried > 3


@pytest.mark.parametrize("algorithm", ["auto", "aten", "implicit_gemm", "im2col"])
@pytest.mark.parametrize("activation", [None, "relu", "relu6"])
def test_transposed_takes_activation_and_residual(algorithm: str, activation: str | None) -> None:
    problem = parse_transposed("2x4x5x6 6@3x3 s2 p1 transposed o1")
    given = whole_numbers(problem)
    residual = torch.arange(float(np.prod(problem.output_shape))).reshape(problem.output_shape) % 5
    options: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1}
    output = glassconv.conv_transpose2d(
        given.input,
        given.weight,
        given.bias,
        **options,
        algorithm=algorithm,
        activation=activation,
        residual=residual,
    )
    expected = F.conv_transpose2d(given.input, given.weight, given.bias, **options) + residual
    if activation is not None:
        expected = getattr(F, activation)(expected)
    assert torch.equal(output, expected)
    with pytest.raises(ShapeError, match="the residual must have the output's shape"):
        glassconv.conv_transpose2d(given.input, given.weight, residual=residual[..., 1:])


def test_a_transposed_call_is_remembered_as_any_other() -> None:
    problem = parse_transposed("4x8x8 4@3x3 s2 p1 g4 transposed o1")
    given = whole_numbers(problem)
    for stride in (2, [2, 2], (2, 2)):
        glassconv.conv_transpose2d(given.input, given.weight, None, stride, 1, 1, 4)
    assert planned() == 2


@pytest.mark.skipif(host() is None, reason="no kernel runs on this processor")
def test_a_transposed_weight_is_flipped_and_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[int] = []
    pack = RowPacking.pack

    def counted(self: RowPacking, weight: int, *others: Any) -> None:
        packed.append(weight)
        pack(self, weight, *others)

    monkeypatch.setattr(RowPacking, "pack", counted)
    weight = torch.ones(16, 8, 3, 3)
    for size in (8, 8, 9, 8):
        input = torch.ones(1, 16, size, size)
        glassconv.conv_transpose2d(input, weight, stride=2, algorithm="implicit_gemm")
    assert packed == [weight.data_ptr()]
    weight.add_(1)
    glassconv.conv_transpose2d(torch.ones(1, 16, 8, 8), weight, stride=2, algorithm="implicit_gemm")
    assert packed == [weight.data_ptr()] * 2


def test_choose_and_the_shorthand_take_transposed_problems() -> None:
    problem = parse_problem("4x8x8 4@3x3 s2 p1 g4 transposed o1")
    assert str(problem) == "1x4x8x8 4@3x3 s2 p1 g4 transposed o1"
    assert parse_problem(str(problem)) == problem
    choice = choose(problem)
    assert choice.problem == problem
    assert choice.algorithm in {each.name for each in choice.candidates if each.verdict}
