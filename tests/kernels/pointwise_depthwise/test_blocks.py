"""The blocks of a pair cover it, fit in L2, and leave little to compute twice."""

from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from glassconv.codegen.target import named
from glassconv.kernels.pointwise_depthwise.blocks import blocking
from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse

AVX512 = named("avx512")
WIDE = parse("96x112x112 96@3x3 s2 p1 g96")


def depthwise(channels: int, size: int, kernel: int, stride: int, batch: int) -> ConvProblem:
    """Return a depthwise convolution."""
    pad = kernel // 2
    return ConvProblem(
        batch, channels, channels, (size, size), (kernel, kernel), (stride, stride),
        ((pad, pad), (pad, pad)), (1, 1), groups=channels,
    )  # fmt: skip


@given(
    vectors=st.integers(1, 80), size=st.integers(14, 230), kernel=st.sampled_from((3, 5, 7)),
    stride=st.sampled_from((1, 2)), batch=st.integers(0, 4), threads=st.integers(1, 8),
)  # fmt: skip
def test_they_cover_the_outputs_and_fit(
    vectors: int, size: int, kernel: int, stride: int, batch: int, threads: int
) -> None:
    problem = depthwise(16 * vectors, size, kernel, stride, batch)
    found = blocking(problem, AVX512, threads)
    height = problem.output_size[0]
    assert problem.out_channels % found.unit_channels == found.unit_channels % 16 == 0
    assert 1 <= found.chunk_rows <= found.strip_rows <= height
    assert found.buffer_rows == (found.chunk_rows - 1) * stride + kernel
    row = size * found.unit_channels * 4
    assert found.workspace_bytes >= (found.buffer_rows + 1) * row
    assert found.buffer_rows * row <= AVX512.l2 / 2 or found.chunk_rows == 1
    if threads == 1:
        assert found.strip_rows == height


def test_each_thread_has_as_much_to_do() -> None:
    found = blocking(WIDE, AVX512, 2)
    strips = ceil(56 / found.strip_rows)
    assert WIDE.out_channels // found.unit_channels * strips % 2 == 0
