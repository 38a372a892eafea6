"""Every derived fact against a second way to find it: counting, PyTorch, the algorithm's file."""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from glassconv.algorithms import ALGORITHMS, named
from glassconv.dispatch import select
from glassconv.dispatch.memory import MemoryLimit
from glassconv.dispatch.select import choose, predict
from glassconv.explanation.facts import derive
from glassconv.problem import ConvProblem
from glassconv.problem.axis import PADDING, Axis
from glassconv.problem.shorthand import parse
from glassconv.reports.explanation import AlgorithmFacts
from support.cases import CASES
from support.random_problems import axes
from support.references import by_torch, meta_operands

CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
ENORMOUS = parse("4096x4096x4096 4096@3x3")


# -- sizes --------------------------------------------------------------------------------------


@given(axes())
def test_unread_and_leftover_positions_are_those_that_counting_finds(axis: Axis) -> None:
    problem = ConvProblem(
        1, 1, 1, (axis.input_size,), (axis.kernel_size,), (axis.stride,), (axis.padding,),
        (axis.dilation,),
    )  # fmt: skip
    [facts] = derive(problem).axes
    assert facts.unread_input == (axis.copies() == 0).sum()
    last_window_ends = (axis.output_size - 1) * axis.stride + axis.extent
    left_over = range(last_window_ends, axis.padded_size)
    of_the_input = range(axis.padding[0], axis.padding[0] + axis.input_size)
    assert facts.leftover == len(left_over)
    assert facts.leftover_input == len(set(left_over) & set(of_the_input))


@pytest.mark.parametrize("kernel", ["4x2 d1", "3x3 d1", "2x3 d3x2", "1x1 d1"])
def test_same_is_what_pytorch_adds(kernel: str) -> None:
    size, dilation = kernel.split()
    padded = parse(f"2x9x9 1@{size} {dilation} psame")
    assert tuple(axis.same for axis in derive(padded).axes) == padded.padding
    unpadded = parse(f"2x9x9 1@{size} {dilation}")
    assert tuple(axis.same for axis in derive(unpadded).axes) == padded.padding


def test_axes_are_named() -> None:
    for text, names in (
        ("1x9 1@3", ["length"]),
        ("1x9x9 1@3x3", ["height", "width"]),
        ("1x9x9x9 1@3x3x3", ["depth", "height", "width"]),
    ):
        assert [axis.name for axis in derive(parse(text)).axes] == names


# -- counts -------------------------------------------------------------------------------------


@CASE
def test_products_with_padding_are_those_the_tap_map_has(problem: ConvProblem) -> None:
    facts = derive(problem).arithmetic
    inside = prod(int((axis.tap_map() != PADDING).sum()) for axis in problem.axes)
    each_way = problem.batch * problem.out_channels * problem.weight_shape[1]
    assert facts.macs - facts.padding_macs == each_way * inside
    if problem.batch:
        assert facts.padding_share == facts.padding_macs / facts.macs


@CASE
def test_the_product_is_that_of_the_matrices(problem: ConvProblem) -> None:
    facts = derive(problem)
    product, gemm = facts.product, facts.product.gemm
    assert gemm.groups * gemm.m * gemm.n * gemm.k == facts.arithmetic.macs
    assert gemm.groups * product.rows_bytes == problem.weight_bytes
    assert gemm.groups * product.columns_bytes == problem.im2col_bytes
    assert product.rows_bytes == prod(product.rows_shape) * problem.format.bytes
    assert product.columns_bytes == prod(product.columns_shape) * problem.format.bytes


@CASE
@pytest.mark.parametrize("of", ["input", "weight"])
def test_pytorch_counts_what_is_said_of_it(problem: ConvProblem, of: str) -> None:
    """Run PyTorch's counter over tensors that have shapes and no numbers."""
    operands = meta_operands(problem)
    wanted: Tensor = getattr(operands, of)
    wanted.requires_grad_()
    counter = FlopCounterMode(display=False)
    with counter:
        torch.autograd.grad(by_torch(problem, operands).sum(), wanted)
    counted = counter.get_flop_counts()["Global"]
    facts = derive(problem).arithmetic
    gradient = facts.torch.input_gradient if of == "input" else facts.torch.weight_gradient
    assert counted[torch.ops.aten.convolution] == facts.torch.forward
    assert counted[torch.ops.aten.convolution_backward] == gradient


@CASE
def test_pytorchs_count_is_ours_but_for_the_weights_gradient_of_groups(
    problem: ConvProblem,
) -> None:
    facts = derive(problem).arithmetic
    assert facts.torch.forward == facts.flops
    assert facts.torch.input_gradient == facts.input_gradient_flops
    assert facts.torch.weight_gradient == facts.weight_gradient_flops * problem.groups


# -- memory -------------------------------------------------------------------------------------


@CASE
def test_autograd_keeps_input_and_weight(problem: ConvProblem) -> None:
    if any(before != after for before, after in problem.padding):
        problem = replace(problem, padding=((1, 1),) * problem.ndim)  # lest F.pad keeps a copy
    operands = meta_operands(problem)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[id(tensor)] = tensor.nbytes
        return tensor

    convolve = (F.conv1d, F.conv2d, F.conv3d)[problem.ndim - 1]
    before = tuple(pair[0] for pair in problem.padding)
    steps: Any = (problem.stride, before, problem.dilation, problem.groups)
    operands.input.requires_grad_()
    operands.weight.requires_grad_()
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = convolve(operands.input, operands.weight, operands.bias, *steps)
    memory = derive(problem).memory
    assert sum(kept.values()) == memory.saved_bytes
    arrays = [operands.input, operands.weight, output]
    arrays += [] if operands.bias is None else [operands.bias]
    assert sum(array.nbytes for array in arrays) == memory.forward_bytes == memory.gradient_bytes
    assert memory.backward_bytes == memory.saved_bytes + memory.gradient_bytes


# -- algorithms ---------------------------------------------------------------------------------


@CASE
def test_every_algorithm_stands_as_its_file_and_choose_say(problem: ConvProblem) -> None:
    facts, choice = derive(problem), choose(problem)
    assert facts.chosen == choice.algorithm
    assert [each.name for each in facts.algorithms] == list(ALGORITHMS)
    for each, candidate in zip(facts.algorithms, choice.candidates, strict=True):
        algorithm = named(each.name)
        assert each.idea == algorithm.idea
        assert each.supported == algorithm.supports(problem)
        assert each.runs == candidate.verdict
        if not each.supported:
            assert (each.cost, each.bound, each.prediction) == (None, None, None)
            continue
        bound = algorithm.error_bound(problem)
        assert each.cost == algorithm.cost(problem)
        assert each.prediction == predict(each.cost)
        assert each.bound is not None
        assert (each.bound.factor, each.bound.measure) == (bound.max_factor, bound.reference)


def test_no_promise_is_said_by_none(monkeypatch: pytest.MonkeyPatch) -> None:
    direct = named("direct")
    careless = replace(
        direct, error_bound=lambda problem: replace(direct.error_bound(problem), max_factor=inf)
    )
    registry = {"aten": named("aten"), "direct": careless}
    monkeypatch.setattr("glassconv.dispatch.select.ALGORITHMS", registry)
    select.forget()
    bounds = [each.bound for each in derive(CASES["padding"]).algorithms if each.bound]
    select.forget()
    assert [bound.factor is None for bound in bounds] == [False, True]


def test_what_fits_nowhere_is_explained_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(2**34))
    facts = derive(ENORMOUS)
    assert facts.chosen is None
    assert not any(each.runs for each in facts.algorithms)
    assert facts.arithmetic.macs == ENORMOUS.macs
    [aten] = [each for each in facts.algorithms if each.name == "aten"]
    assert stands(aten)
    assert aten.runs.reason == "needs 512 GiB of memory, this machine has 16"


def stands(algorithm: AlgorithmFacts) -> bool:
    return None not in (algorithm.cost, algorithm.bound, algorithm.prediction)
