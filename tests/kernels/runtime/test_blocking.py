"""Blocking is a pure function of the problem, the memory layout, the target and the threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import pytest
import torch

from glassconv.codegen.target import TARGETS, Target
from glassconv.kernels import KERNELS, Kernel, depthwise, direct, implicit_gemm, pointwise
from glassconv.kernels.gemm_parts.blocking import FILTER_UNIT
from glassconv.kernels.gemm_parts.parameters import MAX_K_BLOCK, is_by_rows
from glassconv.kernels.runtime.blocking import Blocking, round_up, tasks_wanted
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout, contiguous, layout_of
from glassconv.problem.shorthand import parse

PROBLEMS = [
    parse(text)
    for text in (
        "64x56x56 64@3x3 p1",
        "3x224x224 64@7x7 s2 p3",
        "2x24x30x31 40@3x3 s2 p1",
        "2x512x7x7 2048@1x1",
        "4x96x14x14 96@5x5 p2 g96",
        "2x16x20x21 24@3x3 p1 g2 float64",
        "8x100 12@9 p4",
        "3x480x1x1 130@1x1 g2",
    )
]
TARGET = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def supported(kernel: Kernel | None = None) -> Iterator[tuple[Kernel, ConvProblem, Layout]]:
    """Yield kernels with each problem and memory layout that they support."""
    for problem in PROBLEMS:
        for memory_format in (torch.contiguous_format, torch.channels_last)[: problem.ndim]:
            input = torch.empty(problem.input_shape).contiguous(memory_format=memory_format)
            layout = layout_of(input)
            assert layout is not None
            for each in [kernel] if kernel else KERNELS.values():
                if each.supports(problem, layout.name):
                    yield each, problem, layout


@TARGET
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_it_depends_on_its_arguments_alone(kernel: Kernel, target: Target) -> None:
    tried = 0
    for _, problem, layout in supported(kernel):
        for threads in (1, 2, 64):
            blocking = kernel.blocking(problem, layout, target, threads)
            before = torch.get_num_threads()
            torch.set_num_threads(3)
            try:
                again = kernel.blocking(problem, layout, target, threads)
            finally:
                torch.set_num_threads(before)
            assert isinstance(blocking, Blocking)
            assert hash(blocking) == hash(again)
            assert blocking == again
            assert all(number >= 0 for _, number in blocking.items())
            tried += 1
    assert tried


def test_a_plan_holds_its_blocking() -> None:
    target = TARGETS["avx2"]
    for kernel, problem, layout in supported():
        plan = kernel.plan_for(problem, layout, target, 2)
        assert plan.blocking == kernel.blocking(problem, layout, target, 2)


@TARGET
@pytest.mark.parametrize("threads", [1, 2, 64])
def test_a_buffer_of_implicit_gemm_fits_its_cache(target: Target, threads: int) -> None:
    for _, problem, layout in supported(KERNELS["implicit_gemm"]):
        blocks = implicit_gemm.blocking(problem, layout, target, threads)
        rows, vectors = target.tile()
        width = vectors * target.lanes(problem.dtype)
        by_rows = is_by_rows(problem, layout, target)
        # Beside the least that is lowered, NCHW has room for a vector and an odd number of panels.
        least = blocks.k_block * 3 * width if layout.name == NCHW else blocks.buffer_stride * width
        buffer_bytes = blocks.workspace_bytes - blocks.packed_elements * problem.format.bytes
        assert by_rows or buffer_bytes <= target.l2 // 2 + least * problem.format.bytes
        assert buffer_bytes <= target.l2
        filter_unit = FILTER_UNIT if layout.name == NCHW else width
        assert blocks.filter_block % filter_unit == 0
        if by_rows:
            assert blocks.pixel_block % problem.output_size[-1] == 0
            assert blocks.k_block == problem.gemm.k
        else:
            assert blocks.pixel_block % (width if layout.name == NCHW else rows) == 0
            assert 1 <= blocks.k_block <= max(2 * MAX_K_BLOCK, prod(problem.kernel_size))
        assert blocks.filters_in_l2 <= blocks.filter_block


@TARGET
@pytest.mark.parametrize("threads", [1, 2, 64])
@pytest.mark.parametrize(
    "text", ["512x17x17 3@3x3 p1", "1x200000 4@9 p4", "64x56x56 64@3x3 p1", "1x9x300 1@1x100 d2"]
)
def test_a_block_of_direct_is_a_vector_wide_and_fits_in_l2(
    target: Target, threads: int, text: str
) -> None:
    problem = parse(text)
    blocks = direct.blocking(problem, contiguous(problem), target, threads)
    assert target.lanes(problem.dtype) <= blocks.column_block <= problem.output_size[-1]
    assert 1 <= blocks.row_block <= problem.as_2d().output_size[0]
    assert blocks.workspace_bytes <= target.l2


def test_more_threads_get_more_tasks() -> None:
    problem, target = parse("64x56x56 64@3x3 p1"), TARGETS["avx2"]
    layout = Layout(NCHW, (64 * 56 * 56, 56 * 56, 56, 1))
    for kernel in (implicit_gemm, direct):
        one, many = (kernel.plan(problem, layout, target, threads) for threads in (1, 16))
        assert many.tasks > one.tasks
        assert many.max_threads >= 16
    plane = parse("64x56x56 64@3x3 p1 g64")
    one, many = (depthwise.plan(plane, layout, target, threads) for threads in (1, 16))
    assert many.tasks > one.tasks
    pixel, single = parse("2048x1x1 2048@1x1"), Layout(NCHW, (2048, 1, 1, 1))
    blocks = [pointwise.blocking(pixel, single, target, threads) for threads in (1, 4)]
    assert blocks[0].filter_block == 4 * blocks[1].filter_block


def test_small_problems_are_one_task() -> None:
    problem = parse("3x8x8 4@3x3")
    assert tasks_wanted(problem, threads=64, min_macs_per_task=problem.macs + 1) == 1
    assert tasks_wanted(problem, threads=2, min_macs_per_task=1) == 8
    assert tasks_wanted(replace(problem, batch=0), threads=2, min_macs_per_task=1) == 1
    assert round_up(0, 8) == 0
