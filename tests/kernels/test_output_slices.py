"""Every kernel writes an output that is a slice of a larger array: the same bits, and no gap.

Each buffer is beside a guard page, and what is between the output's elements holds NaN before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor

from glassconv.codegen.openmp import threads
from glassconv.kernels import KERNELS, TRANSPOSED_KERNELS, Kernel
from glassconv.kernels.runtime.parameters import Arrays, pack_arrays
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NCHW, NHWC, Layout, contiguous
from glassconv.problem.operands import Operands, random_operands
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import parse_transposed
from support.compile_function import this_machine
from support.guard_pages import SIDES, guarded
from support.kernel_problems import PROBLEMS, TRANSPOSED_DEPTHWISE, TRANSPOSED_EDGES

EPILOGUES = (Epilogue(), Epilogue("relu", residual=True))
CASES: list[Any] = [
    *(
        (each, name, problem)
        for each in KERNELS.values()
        for name, problem in PROBLEMS.items()
        if problem.dtype == "float32"
    ),
    *(
        (each, text, parse_transposed(text))
        for each in TRANSPOSED_KERNELS.values()
        for text in (*TRANSPOSED_EDGES, *TRANSPOSED_DEPTHWISE)
    ),
]
ABLE = pytest.mark.parametrize(
    ("kernel", "problem"),
    [
        pytest.param(kernel, problem, id=f"{kernel.name}-{name}")
        for kernel, name, problem in CASES
        if kernel.supports(problem, NCHW) or kernel.supports(problem, NHWC)
    ],
)


def sliced(problem: Problem, layout: Layout) -> Layout:
    """Return a layout whose output has gaps, after each image and, in NHWC, after each pixel."""
    channels, pixels = problem.out_channels, prod(problem.output_size)
    pitch = 1 if layout.name == NCHW else channels + 3
    image = pixels * (channels if layout.name == NCHW else pitch) + 5
    return replace(layout, output=(image, pitch))


def computed(plan: Plan, operands: Operands, residual: Tensor, side: str) -> tuple[Tensor, Tensor]:
    """Return the output of a plan, and its memory with NaN in the places of the elements."""
    weight = operands.weight.contiguous() if plan.pack is None else plan.pack(operands.weight)
    assert weight is not None, "the kernel refuses this weight"
    bias = plan.zero_bias if operands.bias is None else operands.bias
    strides, shape = plan.output_strides, plan.output_shape
    span = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    nan = torch.full((max(span, 1),), torch.nan, dtype=operands.input.dtype)
    whole = guarded(nan, side)
    output = whole.as_strided(shape, strides)
    added = guarded(nan, side).as_strided(shape, strides).copy_(residual)
    space = torch.full((plan.workspace_size(threads()),), 0xFF, dtype=torch.uint8)
    addresses = Arrays(
        input=operands.input.data_ptr(),
        weight=weight.data_ptr(),
        bias=bias.data_ptr(),
        output=output.data_ptr(),
        workspace=space.data_ptr(),
        residual=added.data_ptr(),
    )
    for each in plan.launches(addresses):
        team = min(threads(), each.max_threads)
        each.kernel.call(each.parameters, pack_arrays(**vars(each.arrays)), each.tasks, team)
    result = output.clone()
    output.fill_(torch.nan)
    return result, whole


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@ABLE
@pytest.mark.parametrize("epilogue", EPILOGUES, ids=["plain", "residual and relu"])
def test_a_slice_has_the_same_bits_and_its_gaps_stay(
    kernel: Kernel, problem: Problem, epilogue: Epilogue, two_threads: None
) -> None:
    drawn, tried = random_operands(problem), 0
    residual = torch.randn(problem.output_shape).to(drawn.input.dtype)
    target = this_machine(l2=2**14)  # many blocks
    for name in (NCHW, NHWC):
        if not kernel.supports(problem, name):
            continue
        layout = contiguous(problem, name)
        input = drawn.input.contiguous()
        if name == NHWC:
            input = input.movedim(1, -1).contiguous().movedim(-1, 1)
        operands = Operands(input, drawn.weight, drawn.bias)
        dense = kernel.plan_for(problem, layout, target, 2, epilogue)
        gapped = kernel.plan_for(problem, sliced(problem, layout), target, 2, epilogue)
        expected, _ = computed(dense, operands, residual, "after")
        assert not expected.isnan().any()
        for side in SIDES:
            found, rest = computed(gapped, operands, residual, side)
            assert torch.equal(found, expected), f"{name}, page {side}"
            assert rest.isnan().all(), f"{name}, page {side}"
        tried += 1
    assert tried
