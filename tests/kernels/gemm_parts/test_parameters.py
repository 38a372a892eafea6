"""Which inputs are read in place, and which filters are packed by tasks."""

from __future__ import annotations

import pytest

from glassconv.codegen.target import named
from glassconv.kernels.gemm_parts.parameters import is_packed_by_tasks, is_read_in_place
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from glassconv.problem.shorthand import parse


@pytest.mark.parametrize(
    ("problem", "nchw", "nhwc"),
    [
        ("64x14x14 96@1x1", True, True),
        ("256x14x14 96@1x1", True, True),
        ("256x14x14 256@1x1", False, True),  # a large weight reads aligned rows
        ("256x28x28 256@1x1", True, True),  # as they are in planes of whole cache lines
        ("1024x14x14 1024@1x1 g8", True, True),
        ("2048x14x14 63@1x1", True, True),  # few filters
        ("30x32x32 96@1x1", True, True),
        ("256x32x32 96@1x1", False, True),  # all planes in a few sets of L2
        ("64x14x14 96@1x1 s2", False, False),
        ("64x14x14 96@1x1 p1", False, False),
        ("64x14x14 96@3x3", False, False),
        ("64x2x3 96@1x1", False, True),  # no whole vector
    ],
)
def test_an_input_that_is_the_matrix_is_read_in_place(problem: str, nchw: bool, nhwc: bool) -> None:
    parsed, target = parse(problem), named("avx2")
    for name, expected in ((NCHW, nchw), (NHWC, nhwc)):
        layout = contiguous(parsed, name)
        assert is_read_in_place(parsed, layout, target, pixel_block=112) == expected


def test_a_last_block_without_a_whole_vector_is_not_read_in_place() -> None:
    problem, target = parse("64x14x14 96@1x1"), named("avx2")
    layout = contiguous(problem, NCHW)
    assert not is_read_in_place(problem, layout, target, pixel_block=64)  # 196 = 3 · 64 + 4


def test_tasks_pack_filters_without_taps_in_nhwc() -> None:
    for text, expected in (("64x14x14 96@1x1", True), ("64x14x14 96@1x3", False)):
        problem = parse(text)
        assert is_packed_by_tasks(problem, contiguous(problem, NHWC)) == expected
        assert not is_packed_by_tasks(problem, contiguous(problem, NCHW))
