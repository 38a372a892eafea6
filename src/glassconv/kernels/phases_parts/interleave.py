"""Interleaving: the phases' outputs, each in a buffer without gaps, become the output.

    NCHW   output[b, f, r + s · q] = phase r [b, f, q] + bias[f]
    NHWC   output[b, r + s · q, f] = phase r [b, q, f] + bias[f]

A task does some rows. Where outputs have no tap, a row is first filled with the bias. Then each
phase of its columns is written to its places, and the epilogue is applied while the row is in L1.

Where the stride or the number of groups is at least a vector, adjacent outputs are of different
phases or groups. Blocks of lanes × lanes are then transposed in registers and stored as vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.ir import INT, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct, table_after
from glassconv.kernels.microkernel.contiguous_copy import emit_contiguous_copy
from glassconv.kernels.microkernel.epilogue import emit_epilogue
from glassconv.kernels.phases_parts.interleaved_rows import (
    emit_add,
    emit_fill,
    emit_insert_zeros,
    emit_join,
    emit_store_strided,
    emit_transpose_groups,
    emit_transpose_phases,
)
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import Epilogue


@dataclass(frozen=True)
class InterleaveParameters(Struct[N]):
    """The output, and the table of phases after it: `row_phases` × `column_phases` × `PhaseEntry`.

    Row i of the output is of row phase i % stride_h.
    """

    filters: N  # of a group
    groups: N
    rows: N
    columns: N
    stride_h: N
    stride_w: N
    column_phases: N
    rows_per_task: N
    row_blocks: N
    planes: N  # of all images and channels (NCHW)
    planes_per_task: N
    has_gaps: N  # whether some outputs have no product
    output_stride_n: N
    output_stride_c: N  # NCHW
    output_stride_h: N
    output_stride_w: N  # NHWC
    runs: N  # of adjacent elements of an output row (NHWC)
    run_length: N


@dataclass(frozen=True)
class PhaseEntry(Struct[N]):
    """One phase: where its outputs are in the buffers, in elements, and in a row of the output."""

    offset: N
    stride_n: N
    stride_group: N
    stride_c: N  # NCHW
    stride_h: N
    stride_w: N
    first: N  # column of the output
    count: N  # columns


ENTRY_WORDS = 8


def emit_task_nchw(module: Module, epilogue: Epilogue) -> Function:
    """Emit the task function: some planes, or some rows of one."""
    store_strided, fill = emit_store_strided(module), emit_fill(module)
    join, insert_zeros = emit_join(module), emit_insert_zeros(module)
    transpose_phases = emit_transpose_phases(module)
    finish = emit_epilogue(module, epilogue)

    @function(module)
    def task(
        code: Code,
        parameters: InterleaveParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, channels = parameters, parameters.groups * parameters.filters
        table, sources = table_after(p), code.allocate(code.lanes)
        first_row = number % p.row_blocks * p.rows_per_task
        first_plane = number // p.row_blocks * p.planes_per_task
        planes = (first_plane, (first_plane + p.planes_per_task).minimum(p.planes))
        with (
            code.loop(*planes) as plane,
            code.loop(first_row, (first_row + p.rows_per_task).minimum(p.rows)) as row,
        ):
            channel, image = plane % channels, plane // channels
            group, filter = channel // p.filters, channel % p.filters
            dst = arrays.output + (
                image * p.output_stride_n + channel * p.output_stride_c + row * p.output_stride_h
            )
            with code.if_(p.has_gaps.equals(1)):
                fill.call(dst=dst, value=arrays.bias + channel, count=p.columns)
            phase_row = row // p.stride_h
            first = row % p.stride_h * p.column_phases

            def source(entry: PhaseEntry[Value]) -> Pointer:
                return arrays.input + (
                    entry.offset
                    + image * entry.stride_n
                    + group * entry.stride_group
                    + filter * entry.stride_c
                    + phase_row * entry.stride_h
                )

            done = code.variable(0)  # outputs of each phase that are written
            has_every_phase = p.column_phases.equals(p.stride_w)
            with code.if_(has_every_phase & (p.stride_w >= code.lanes)):
                fewest = _entry(table, first + (p.column_phases - 1)).count
                done.set(fewest - fewest % code.lanes)
                with code.loop(0, p.stride_w, code.lanes) as first_phase:
                    phase = first_phase.minimum(p.stride_w - code.lanes)
                    for lane in range(code.lanes):
                        sources[lane] = source(_entry(table, first + phase + lane)).as_int()
                    transpose_phases.call(
                        dst=dst + phase,
                        sources=sources,
                        bias=arrays.bias + channel,
                        count=done.get(),
                        step=p.stride_w,
                    )
            with code.if_(has_every_phase & p.stride_w.equals(2)):
                even, odd = _entry(table, first), _entry(table, first + 1)
                done.set(even.count.minimum(odd.count))
                join.call(
                    dst=dst,
                    even=source(even),
                    odd=source(odd),
                    bias=arrays.bias + channel,
                    count=done.get(),
                )
            with code.if_(p.column_phases.equals(1) & p.stride_w.equals(2)):
                entry = _entry(table, first)
                done.set(entry.count.minimum((p.columns - entry.first) // 2))
                insert_zeros.call(
                    dst=dst + entry.first,
                    src=source(entry),
                    bias=arrays.bias + channel,
                    count=done.get(),
                )
            with code.loop(first, first + p.column_phases) as phase:
                entry = _entry(table, phase)
                store_strided.call(
                    dst=dst + (entry.first + done.get() * p.stride_w),
                    src=source(entry) + done.get(),
                    bias=arrays.bias + channel,
                    step=p.stride_w,
                    count=entry.count - done.get(),
                )
            if finish:
                finish.call(
                    sums=dst,
                    runs=1,
                    stride=p.output_stride_h,
                    length=p.columns,
                    residual_offset=residual_offset(arrays),
                )

    return task


def emit_task_nhwc(module: Module, epilogue: Epilogue) -> Function:
    """Emit the task function: some rows of one image, all channels."""
    add, fill, transpose_groups = (
        emit_add(module),
        emit_contiguous_copy(module),
        emit_transpose_groups(module),
    )
    finish = emit_epilogue(module, epilogue)

    @function(module)
    def task(
        code: Code,
        parameters: InterleaveParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        block, image = number % p.row_blocks, number // p.row_blocks
        channels = p.groups * p.filters
        table = table_after(p)
        start = block * p.rows_per_task
        with code.loop(start, (start + p.rows_per_task).minimum(p.rows)) as row:
            dst = arrays.output + (image * p.output_stride_n + row * p.output_stride_h)
            with code.if_(p.has_gaps.equals(1)), code.loop(0, p.columns) as column:
                fill.call(dst=dst + column * p.output_stride_w, src=arrays.bias, length=channels)
            phase_row = row // p.stride_h
            first = row % p.stride_h * p.column_phases

            def source(entry: PhaseEntry[Value]) -> Pointer:
                return arrays.input + (
                    entry.offset + image * entry.stride_n + phase_row * entry.stride_h
                )

            done = code.variable(0)  # outputs of each phase that are written
            adjacent = code.variable(p.column_phases >= code.lanes)
            with code.loop(1, p.column_phases) as phase:
                before, entry = _entry(table, first + phase - 1), _entry(table, first + phase)
                adjacent.set(adjacent.get() & entry.offset.equals(before.offset + 1))
            with code.if_(adjacent.get() & p.filters.equals(1) & (p.groups >= code.lanes)):
                entry = _entry(table, first)
                done.set(_entry(table, first + (p.column_phases - 1)).count)
                transpose_groups.call(
                    dst=dst,
                    src=source(entry),
                    bias=arrays.bias,
                    phases=p.column_phases,
                    groups=p.groups,
                    count=done.get(),
                    dst_stride=p.stride_w * p.output_stride_w,
                    phase_stride=p.output_stride_w,
                    src_stride=entry.stride_w,
                    stride_group=entry.stride_group,
                )
            with code.loop(first, first + p.column_phases) as phase:
                entry = _entry(table, phase)
                with code.loop(0, p.groups) as group:
                    add.call(
                        dst=dst
                        + (
                            (entry.first + done.get() * p.stride_w) * p.output_stride_w
                            + group * p.filters
                        ),
                        src=source(entry)
                        + (group * entry.stride_group + done.get() * entry.stride_w),
                        bias=arrays.bias + group * p.filters,
                        length=p.filters,
                        count=entry.count - done.get(),
                        dst_stride=p.stride_w * p.output_stride_w,
                        src_stride=entry.stride_w,
                    )
            if finish:
                finish.call(
                    sums=dst,
                    runs=p.runs,
                    stride=p.output_stride_w,
                    length=p.run_length,
                    residual_offset=residual_offset(arrays),
                )

    return task


def _entry(table: Pointer, number: Value) -> PhaseEntry[Value]:
    """Return the entry of a phase, whose fields are loaded when they are read."""
    words = table.cast(INT) + number * ENTRY_WORDS
    return PhaseEntry(*(words[place] for place in range(ENTRY_WORDS)))
