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
from glassconv.kernels.microkernel.epilogue import emit_epilogue
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
    """Emit the task function: some rows of one channel of one image."""
    store_strided, join, fill = _emit_store_strided(module), _emit_join(module), _emit_fill(module)
    transpose_phases = _emit_transpose_phases(module)
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
        block, number = number % p.row_blocks, number // p.row_blocks
        channel, image = number % (p.groups * p.filters), number // (p.groups * p.filters)
        group, filter = channel // p.filters, channel % p.filters
        table, sources = table_after(p), code.allocate(code.lanes)
        start = block * p.rows_per_task
        plane = arrays.output + (image * p.output_stride_n + channel * p.output_stride_c)
        with code.loop(start, (start + p.rows_per_task).minimum(p.rows)) as row:
            dst = plane + row * p.output_stride_h
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
                with code.loop(0, p.stride_w, code.lanes) as number:
                    phase = number.minimum(p.stride_w - code.lanes)
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
        _emit_add(module),
        _emit_copy(module),
        _emit_transpose_groups(module),
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


def _emit_store_strided(module: Module) -> Function:
    """Emit the function that stores dst[q · step] = src[q] + bias[0] for each q below `count`."""

    @function(module)
    def store_strided(
        code: Code, dst: Pointer, src: Pointer, bias: Pointer, step: Value, count: Value
    ) -> None:
        added, lanes = bias[0], code.lanes
        with code.if_(step.equals(1)):
            vector_stop = count - count % lanes
            with code.loop(0, vector_stop, lanes) as q:
                dst[q] = src.vector(q) + code.broadcast(added)
            with code.loop(vector_stop, count) as q:
                dst[q] = src[q] + added
        with code.else_(), code.loop(0, count) as q:
            dst[q * step] = src[q] + added

    return store_strided


def _emit_join(module: Module) -> Function:
    """Emit the function that stores even[0], odd[0], even[1], odd[1], …, plus bias[0]."""

    @function(module)
    def join(
        code: Code, dst: Pointer, even: Pointer, odd: Pointer, bias: Pointer, count: Value
    ) -> None:
        lanes, added = code.lanes, bias[0]
        every = code.broadcast(added)
        vector_stop = count - count % lanes
        with code.loop(0, vector_stop, lanes) as q:
            pair = even.vector(q) + every, odd.vector(q) + every
            for half in (0, 1):
                start = half * (lanes // 2)
                order = [lane + lanes * side for lane in range(start, start + lanes // 2)
                         for side in (0, 1)]  # fmt: skip
                dst[q * 2 + half * lanes] = code.shuffle(*pair, order)
        with code.loop(vector_stop, count) as q:
            dst[q * 2], dst[q * 2 + 1] = even[q] + added, odd[q] + added

    return join


def _emit_transpose_phases(module: Module) -> Function:
    """Emit the function that stores dst[q · step + lane] = source lane [q] + bias[0].

    `count` is a multiple of the vector length.
    """

    @function(module)
    def transpose_phases(
        code: Code, dst: Pointer, sources: Pointer, bias: Pointer, count: Value, step: Value
    ) -> None:
        added = code.broadcast(bias[0])
        with code.loop(0, count, code.lanes) as q:
            vectors = [sources.load_pointer(lane).vector(q) for lane in range(code.lanes)]
            dst_ptr = dst + q * step
            for vector in code.transpose(vectors):
                dst_ptr[0] = vector + added
                dst_ptr = dst_ptr + step

    return transpose_phases


def _emit_transpose_groups(module: Module) -> Function:
    """Emit the function that stores dst[q, phase, group] = src[q, group, phase] + bias[group].

    There are at least as many phases and groups as lanes; the last blocks of them overlap others.
    """

    @function(module)
    def transpose_groups(
        code: Code,
        dst: Pointer,
        src: Pointer,
        bias: Pointer,
        phases: Value,
        groups: Value,
        count: Value,
        dst_stride: Value,
        phase_stride: Value,
        src_stride: Value,
        stride_group: Value,
    ) -> None:
        lanes = code.lanes
        with code.loop(0, count) as q, code.loop(0, groups, lanes) as first_group:
            group = first_group.minimum(groups - lanes)
            block = src + (q * src_stride + group * stride_group)
            with code.loop(0, phases, lanes) as first_phase:
                phase = first_phase.minimum(phases - lanes)
                vectors, src_ptr = [], block + phase
                for _ in range(lanes):
                    vectors.append(src_ptr.vector())
                    src_ptr = src_ptr + stride_group
                dst_ptr = dst + (q * dst_stride + phase * phase_stride + group)
                for vector in code.transpose(vectors):
                    dst_ptr[0] = vector + bias.vector(group)
                    dst_ptr = dst_ptr + phase_stride

    return transpose_groups


def _emit_fill(module: Module) -> Function:
    """Emit the function that stores one value `count` times."""

    @function(module)
    def fill(code: Code, dst: Pointer, value: Pointer, count: Value) -> None:
        vector_stop, single = count - count % code.lanes, value[0]
        with code.loop(0, vector_stop, code.lanes) as e:
            dst[e] = code.broadcast(single)
        with code.loop(vector_stop, count) as e:
            dst[e] = single

    return fill


def _emit_copy(module: Module) -> Function:
    """Emit the function that copies `length` elements."""

    @function(module)
    def copy(code: Code, dst: Pointer, src: Pointer, length: Value) -> None:
        vector_stop = length - length % code.lanes
        with code.loop(0, vector_stop, code.lanes) as e:
            dst[e] = src.vector(e)
        with code.loop(vector_stop, length) as e:
            dst[e] = src[e]

    return copy


def _emit_add(module: Module) -> Function:
    """Emit the function that stores dst = src + bias for `count` runs of `length` channels."""

    @function(module)
    def add(
        code: Code,
        dst: Pointer,
        src: Pointer,
        bias: Pointer,
        length: Value,
        count: Value,
        dst_stride: Value,
        src_stride: Value,
    ) -> None:
        lanes = code.lanes
        with code.loop(0, count) as run:
            to, source = dst + run * dst_stride, src + run * src_stride
            with code.if_(length >= lanes), code.loop(0, length, lanes) as number:
                e = number.minimum(length - lanes)  # the last vector may overlap another
                to[e] = source.vector(e) + bias.vector(e)
            with code.else_(), code.loop(0, length) as e:
                to[e] = source[e] + bias[e]

    return add
