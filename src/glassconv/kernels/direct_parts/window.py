"""The parameters of the direct kernel, and the window that a block of outputs reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassconv.codegen.struct import N, Struct
from glassconv.problem import ConvProblem


@dataclass(frozen=True)
class DirectParameters(Struct[N]):
    """The kernel's parameters. A table of the offsets of all k in the window follows them."""

    channels: N  # of a group
    filters: N  # of a group
    input_height: N
    input_width: N
    output_height: N
    output_width: N
    k: N
    extent_h: N
    stride_h: N
    stride_w: N
    padding_h: N
    padding_w: N
    input_stride_n: N
    input_stride_c: N
    input_stride_h: N
    output_stride_n: N
    output_stride_c: N
    groups: N
    row_block: N
    row_blocks: N
    column_block: N
    column_blocks: N
    vectors_per_row: N
    needs_copy: N  # 0 if the input is its own window
    phases: N
    phase_length: N
    window_stride_c: N
    window_stride_h: N
    workspace_bytes: N  # per thread


@dataclass(frozen=True)
class Window:
    """The copy of the input that a block of outputs reads: [channel, row, phase, element]."""

    channels: int
    rows: int
    phases: int
    phase_length: int

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return self.channels * self.rows * self.phases * self.phase_length


def window_of(problem: ConvProblem, output_rows: int, output_columns: int) -> Window:
    """Return the window of a block of outputs."""
    rows, columns = problem.as_2d().axes
    return Window(
        channels=problem.weight_shape[1],
        rows=(output_rows - 1) * rows.stride + rows.extent,
        phases=min(columns.stride, columns.extent),
        phase_length=output_columns + (columns.extent - 1) // columns.stride,
    )


def offsets_of(problem: ConvProblem, p: DirectParameters[int]) -> tuple[int, ...]:
    """Return the offset in the window of each k = (channel, u, v)."""
    rows, columns = problem.as_2d().axes
    u, v = (np.arange(axis.kernel_size) * axis.dilation for axis in (rows, columns))
    by_channel = np.arange(p.channels) * p.window_stride_c
    by_column = v % p.stride_w * p.phase_length + v // p.stride_w
    offsets = np.add.outer(np.add.outer(by_channel, u * p.window_stride_h), by_column)
    return tuple(offsets.ravel().tolist())
