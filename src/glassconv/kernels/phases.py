"""Compiled transposed convolution by phases: a few convolutions with stride 1, then interleaving.

Phases with equal windows are one convolution, with every filter once for each phase
(`problem/phases.py`): with a kernel of twice the stride, all of them. implicit_gemm computes these
convolutions into buffers; a second pass writes each phase to its outputs and applies bias and
epilogue. Images and groups that do not fit in cache together are computed one after another.

    buffer[b, (phase, f), q] = Σ_(t, c) w[c, f, tap t of the phase] · x[b, c, q + t]
    output[b, f, phase + stride · q] = activation(buffer[b, (phase, f), q] + bias[f] + residual)

Where a group is one channel and one filter, each output adds the products of its taps instead
(phases_parts/depthwise.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, product
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads as available_threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import Target
from glassconv.kernels import implicit_gemm
from glassconv.kernels.gemm_parts.blocking import panel_width
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.phases_parts import depthwise, depthwise_task, pieces
from glassconv.kernels.phases_parts import work as interleaving
from glassconv.kernels.phases_parts.interleave import (
    ENTRY_WORDS,
    InterleaveParameters,
    emit_task_nchw,
    emit_task_nhwc,
)
from glassconv.kernels.phases_parts.packing import packing
from glassconv.kernels.phases_parts.pieces import Piece, piece_of, pieces_of
from glassconv.kernels.runtime.blocking import TASKS_PER_THREAD, Blocking, round_up
from glassconv.kernels.runtime.cost_model import Work
from glassconv.kernels.runtime.parameters import Arrays, pack_arrays
from glassconv.kernels.runtime.plan import Launch, Plan, workspace
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout, output_strides
from glassconv.problem.phases import PhaseGroup, phase_groups
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.verdict import Verdict

TRANSPOSED = True  # the functions below take the transposed problem itself
MAX_PHASES = 2**14  # the table of phases must stay in L2
KEPT_BYTES = 2**26  # buffers larger than this are freed after the call


def supports(problem: Problem, layout: str) -> Verdict:
    """Return whether the problem is transposed, 1D or 2D, in float32 or float64."""
    if not isinstance(problem, TransposedProblem):
        return Verdict(False, "phases computes transposed convolutions, this is a convolution")
    common = supports_common(problem.convolution)
    if not common:
        return common
    number = prod(min(pair) for pair in zip(problem.kernel_size, problem.stride, strict=True))
    if number > MAX_PHASES:
        return Verdict(False, f"at most {MAX_PHASES:,} phases are supported, got {number:,}")
    if prod(problem.kernel_size) // number > implicit_gemm.MAX_TAPS:
        return Verdict(False, f"a phase must not exceed {implicit_gemm.MAX_TAPS:,} taps")
    return Verdict(True, "implicit GEMM of every group of phases, then interleaving")


@dataclass(frozen=True)
class PhasesBlocking(Blocking):
    """The convolutions of a problem, and the blocks of their interleaving."""

    convolutions: int
    phases: int
    planes_per_task: int  # planes of the output that a task interleaves (NCHW)
    rows_per_task: int  # rows of each of them
    buffer_bytes: int  # all phases


@dataclass(frozen=True)
class _Part:
    """One group of phases: the plan of its convolution, and where its arrays are, in bytes."""

    group: PhaseGroup
    plan: Plan
    input_offset: int
    weight_offset: int  # from the start of the packed weight
    weight_bytes: int  # from one piece to the next
    buffer_offset: int


@dataclass(frozen=True)
class PhasesPlan(Plan):
    """The plan of a transposed convolution. The fields of `Plan` are those of its interleaving."""

    parts: tuple[_Part, ...] = ()
    pieces: tuple[Piece, ...] = ()
    buffer_bytes: int = 0  # all phases of a piece

    def compute(
        self, input: Tensor, packed: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output for a packed weight, in the input's memory layout."""
        output = self._empty_output(input)
        bias = self.zero_bias if bias is None else bias.contiguous()
        threads = available_threads()
        kept = self.kept_workspace(threads)
        if kept:
            buffer = workspace(kept)
        else:
            own_buffer = torch.empty(self.workspace_size(threads), dtype=torch.uint8)
            buffer = own_buffer.data_ptr()
        address = output.data_ptr()
        arrays = Arrays(
            input=input.data_ptr(),
            weight=packed.data_ptr(),
            bias=bias.data_ptr(),
            output=address,
            workspace=buffer,
            residual=address if residual is None else residual.data_ptr(),
        )
        for each in self.launches(arrays):
            used = min(threads, each.max_threads)
            each.kernel.call(each.parameters, pack_arrays(**vars(each.arrays)), each.tasks, used)
        return output

    def launches(self, arrays: Arrays[Any]) -> tuple[Launch[Any], ...]:
        """Return the convolutions of each piece, into the workspace, and their interleaving."""
        return tuple(chain.from_iterable(self._of_piece(each, arrays) for each in self.pieces))

    def _of_piece(self, piece: Piece, arrays: Arrays[Any]) -> Iterator[Launch[Any]]:
        for part in self.parts:
            start = arrays.workspace + part.buffer_offset
            convolved = Arrays(
                input=arrays.input + (part.input_offset + piece.input_offset),
                weight=arrays.weight + (part.weight_offset + piece.number * part.weight_bytes),
                bias=part.plan.zero_bias.data_ptr(),
                output=start,
                workspace=arrays.workspace + self.buffer_bytes,
                residual=start,
            )
            plan = part.plan
            yield Launch(plan.kernel, plan.parameters, convolved, plan.tasks, plan.max_threads)
        interleaved = replace(
            arrays,
            input=arrays.workspace,
            bias=arrays.bias + piece.bias_offset,
            output=arrays.output + piece.output_offset,
            residual=arrays.residual + piece.output_offset,
        )
        yield Launch(self.kernel, self.parameters, interleaved, self.tasks, self.max_threads)

    def workspace_size(self, threads: int) -> int:
        """Return the bytes of all phases of a piece and of the workspaces of their kernels."""
        needed = [threads * part.plan.workspace_bytes for part in self.parts]
        return self.buffer_bytes + max(needed, default=0)

    def kept_workspace(self, threads: int) -> int:
        """Return how many bytes of `workspace` so many threads use: a large one is not kept."""
        size = self.workspace_size(threads)
        return size if size <= KEPT_BYTES else 0

    @property
    def main_kernel(self) -> Compiled:
        """Return the kernel of the convolutions."""
        return self.parts[0].plan.kernel if self.parts else self.kernel


def plan(
    problem: TransposedProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a supported problem, for inputs in the given memory layout."""
    if depthwise.is_supported(problem, target):
        return _depthwise_plan(problem, layout, target, threads, epilogue)
    plane = problem.as_2d()
    piece = piece_of(plane, layout, target, threads)
    parts = _parts(piece, plane.groups, layout, target, threads)
    blocks = _blocking(piece, layout, parts, threads)
    strides = output_strides(plane, layout)
    parameters = _parameters(piece, layout, strides, parts, blocks)
    tasks = ceil(parameters.planes / parameters.planes_per_task) * parameters.row_blocks
    width = None if layout.name == NCHW else panel_width(plane.dtype, target)
    weight_bytes = plane.groups // max(piece.groups, 1) * sum(part.weight_bytes for part in parts)
    elements = max(weight_bytes // plane.format.bytes, 1)
    return PhasesPlan(
        problem,
        layout,
        _compile(problem.dtype, layout.name, target, epilogue),
        blocks,
        pack(parameters, _table(piece, layout, parts)),
        tasks,
        workspace_bytes=0,
        max_threads=max(1, min(tasks, prod(piece.output_shape) // pieces.MIN_ELEMENTS_PER_TASK)),
        pack=packing(plane, elements, width, target),
        loops=_loops(parts),
        hot_function=parts[0].plan.hot_function if parts else "",
        parts=parts,
        pieces=pieces_of(plane, piece, layout, strides),
        buffer_bytes=round_up(blocks.buffer_bytes, CACHE_LINE),
    )


def _depthwise_plan(
    problem: TransposedProblem, layout: Layout, target: Target, threads: int, epilogue: Epilogue
) -> Plan:
    """Plan a problem whose groups are one channel and one filter."""
    plane = problem.as_2d()
    blocks = depthwise.blocking(plane, layout, target, threads)
    parameters, table = depthwise.parameters_of(plane, layout, target, blocks)
    tasks = ceil(parameters.units / blocks.units_per_task)
    lanes = target.lanes(plane.dtype)
    return Plan(
        problem,
        layout,
        _compile_depthwise(problem.dtype, layout.name, target, epilogue),
        blocks,
        pack(parameters, table),
        tasks,
        blocks.workspace_bytes,
        max_threads=depthwise.max_threads(plane, tasks),
        pack=None,
        loops=depthwise.describe_loops(plane, layout, blocks, parameters.units, lanes),
    )


def work(problem: TransposedProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    plane = problem.as_2d()
    if depthwise.is_supported(problem, target):
        return depthwise.work(plane, layout, target, threads)
    return interleaving.work(plane, layout, target, threads)


def blocking(problem: TransposedProblem, layout: Layout, target: Target, threads: int) -> Blocking:
    """Return the blocks of a problem."""
    plane = problem.as_2d()
    if depthwise.is_supported(problem, target):
        return depthwise.blocking(plane, layout, target, threads)
    piece = piece_of(plane, layout, target, threads)
    return _blocking(piece, layout, _parts(piece, plane.groups, layout, target, threads), threads)


def _blocking(
    plane: TransposedProblem, layout: Layout, parts: tuple[_Part, ...], threads: int
) -> PhasesBlocking:
    rows = plane.output_size[0]
    images = plane.batch * (plane.out_channels if layout.name == NCHW else 1)
    elements = prod(plane.output_shape)
    wanted = max(1, min(TASKS_PER_THREAD * threads, elements // pieces.MIN_ELEMENTS_PER_TASK))
    row_blocks = min(rows, ceil(wanted / max(images, 1)))
    return PhasesBlocking(
        convolutions=len(parts),
        phases=sum(len(part.group.phases) for part in parts),
        rows_per_task=ceil(rows / row_blocks),
        planes_per_task=max(1, ceil(images / wanted)) if layout.name == NCHW else 1,
        buffer_bytes=sum(part.plan.problem.output_bytes for part in parts),
    )


def _parts(
    plane: TransposedProblem, groups: int, layout: Layout, target: Target, threads: int
) -> tuple[_Part, ...]:
    """Return the convolutions of a piece of a problem, their arrays one after another.

    groups: of the whole problem.
    """
    element, parts = plane.format.bytes, []
    weight_offset = buffer_offset = 0
    layout = replace(layout, output=None)  # each has a buffer of its own
    for group in phase_groups(plane):
        part = implicit_gemm.plan(group.convolution, layout, target, threads)
        first_input = sum(
            axis.inputs.start * stride
            for axis, stride in zip(group.axes, layout.strides[2:], strict=True)
        )
        weight_bytes = part.packed_bytes
        parts.append(
            _Part(group, part, first_input * element, weight_offset, weight_bytes, buffer_offset)
        )
        weight_offset += weight_bytes * (groups // plane.groups)
        buffer_offset += group.convolution.output_bytes
    return tuple(parts)


def _parameters(
    plane: TransposedProblem,
    layout: Layout,
    strides: tuple[int, ...],
    parts: tuple[_Part, ...],
    blocks: PhasesBlocking,
) -> InterleaveParameters[int]:
    """Return the parameters of the interleaving of a piece; strides: of the whole output."""
    rows, columns = plane.output_size
    output_n, output_c, output_h, output_w = strides
    adjacent = columns if layout.name != NCHW and output_w == plane.out_channels else 1
    covered = sum(
        prod(len(axis.outputs) for axis in phase) for part in parts for phase in part.group.phases
    )
    return InterleaveParameters(
        filters=plane.out_channels // plane.groups,
        groups=plane.groups,
        rows=rows,
        columns=columns,
        stride_h=plane.stride[0],
        stride_w=plane.stride[1],
        column_phases=len(_column_phases(parts)),
        rows_per_task=blocks.rows_per_task,
        row_blocks=ceil(rows / blocks.rows_per_task),
        planes=plane.batch * (plane.out_channels if layout.name == NCHW else 1),
        planes_per_task=blocks.planes_per_task,
        has_gaps=int(covered < rows * columns),
        output_stride_n=output_n,
        output_stride_c=output_c,
        output_stride_h=output_h,
        output_stride_w=output_w,
        runs=columns // adjacent,
        run_length=adjacent * plane.out_channels,
    )


def _column_phases(parts: tuple[_Part, ...]) -> list[int]:
    """Return the first column of each phase of the columns, in order."""
    return sorted({phase.outputs.start for part in parts for phase in part.group.axes[1].phases})


def _table(plane: TransposedProblem, layout: Layout, parts: tuple[_Part, ...]) -> tuple[int, ...]:
    """Return the entries of all phases, by the first row and the first column of their outputs."""
    filters, element = plane.out_channels // plane.groups, plane.format.bytes
    rows = range(min(plane.stride[0], plane.output_size[0]))
    entries: dict[tuple[int, int], tuple[int, ...]]
    entries = dict.fromkeys(product(rows, _column_phases(parts)), (0,) * ENTRY_WORDS)
    for part in parts:
        group = part.group
        strides = part.plan.output_strides
        for number, (phase, shifts) in enumerate(
            zip(group.phases, product(*(axis.shifts for axis in group.axes)), strict=True)
        ):
            start = part.buffer_offset // element + number * filters * strides[1]
            start += sum(shift * stride for shift, stride in zip(shifts, strides[2:], strict=True))
            of_group = len(group.phases) * filters * strides[1]
            row, column = (along.outputs for along in phase)
            entries[row.start, column.start] = (
                start,
                strides[0],
                of_group,
                *strides[1:],
                column.start,
                len(column),
            )
    return tuple(word for entry in entries.values() for word in entry)


def _loops(parts: tuple[_Part, ...]) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    lines = []
    for part in parts:
        lines.append(f"the convolution {part.group.convolution}:")
        lines += [f"  {line}" for line in part.plan.loops]
    return (*lines, "for rows of the output: interleave the phases, add the bias")


@cache
def _compile(dtype: str, layout: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("interleave", dtype, target)
    emit_task = emit_task_nchw if layout == NCHW else emit_task_nhwc
    in_parallel(module, emit_task(module, epilogue))
    return compiled(module, "interleave")


@cache
def _compile_depthwise(dtype: str, layout: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("transposed_depthwise", dtype, target)
    in_parallel(module, depthwise_task.emit_task(module, layout, epilogue))
    return compiled(module, "transposed_depthwise")
