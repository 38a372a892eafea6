"""depthwise for NCHW: lanes are pixels of a row, a tile is some rows high.

A unit of work is a block of a plane: its window is copied into the thread's workspace with its
padding, then shifted, scaled and added from there. Small planes are copied several at a time: what
was stored just now is read slowly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, prod

from glassconv.codegen.ir import INT, POINTER, Code, Module, Pointer, Value
from glassconv.codegen.legacy import LegacyCode, Sizes, addresses, to_residual
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.padded_copy import plane_copier
from glassconv.kernels.depthwise_parts.register_tile import (
    HEIGHT,
    Line,
    Steps,
    add_line,
    cover,
    heights,
)
from glassconv.kernels.depthwise_parts.windows import Span, block_of
from glassconv.kernels.microkernel.epilogue import finished
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import Layout

NAMES = (
    *("units", "group", "planes", "channels", "multiplier", "taps"),
    *("in_h", "in_w", "stride_h", "stride_w", "padding_h", "padding_w"),
    *("input_n", "input_c", "input_h", "output_n", "output_c", "out_w"),
    *("block_h", "last_h", "block_w", "blocks_w", "last_w", "valid", "wide"),
    *("row_pieces", "row_members", "row_piece_step", "row_member_step"),
    *("column_pieces", "column_members", "column_piece_step", "column_member_step"),
    *("line", "window", "windows", "workspace"),
    *("kernel_h", "kernel_w", "tap_step", "output_step", "runs", "run_last"),
)
MOST_WINDOWS = 8
NO_LIMIT = 2**62


def sizes(problem: ConvProblem, layout: Layout, target: Target) -> tuple[dict[str, int], list[int]]:
    """Return the kernel's numbers but for the group, and the positions of the taps of a row."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    rows, columns = problem.axes
    out_h, out_w = problem.output_size
    most = target.l1 // 2 // element
    block = block_of(problem, lanes, most)
    down, across = block.row_span, block.column_span
    line = across.length
    window = down.length * line
    blocks_h, blocks_w = ceil(out_h / block.rows), ceil(out_w / block.columns)
    planes = problem.batch * problem.in_channels
    windows = max(1, min(MOST_WINDOWS, most // window)) if blocks_h * blocks_w == 1 else 1
    of_batch, of_channel, of_row, _ = layout.strides
    size = {
        "units": planes * blocks_h * blocks_w,
        "planes": planes,
        "channels": problem.in_channels,
        "multiplier": problem.gemm.m,
        "taps": prod(problem.kernel_size),
        "in_h": rows.input_size,
        "in_w": columns.input_size,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "padding_h": rows.padding[0],
        "padding_w": columns.padding[0],
        "input_n": of_batch,
        "input_c": of_channel,
        "input_h": of_row,
        "output_n": prod(problem.output_shape[1:]),
        "output_c": out_h * out_w,
        "out_w": out_w,
        "block_h": block.rows,
        "last_h": out_h - block.rows,
        "block_w": block.columns,
        "blocks_w": blocks_w,
        "last_w": out_w - block.columns,
        "valid": min(out_w, lanes),
        "wide": out_w >= lanes,
        "line": line,
        "window": window,
        "windows": windows,
        "workspace": ceil((windows * window + lanes) * element / 64) * 64,
        "kernel_h": rows.kernel_size,
        "kernel_w": columns.kernel_size,
        "tap_step": down.tap_step * line,
        "output_step": down.output_step * line,
        "runs": ceil(block.columns / lanes),
        "run_last": max(block.columns - lanes, 0),
    }
    size |= _numbers("row", down) | _numbers("column", across)
    return size, list(across.taps)


def group(size: dict[str, int], tasks: int) -> int:
    """Return how many units a task has."""
    return max(1, size["units"] // tasks)


def loops(problem: ConvProblem, size: dict[str, int], lanes: int) -> tuple[str, ...]:
    """Return what the kernel does with these sizes, a line for each loop."""
    kernel_h, kernel_w = problem.kernel_size
    block = f"{size['block_h']} × {size['block_w']}"
    together = at_a_time(size["group"], "of them", size["windows"])
    return describe_loop_nest(
        f"for {size['units']:,} blocks of {block} outputs of a plane, {size['group']:,} in a task",
        f"for {together}",
        [
            "copy what they read, with its padding, to the workspace",
            f"for {at_a_time(size['block_h'], 'rows of outputs', HEIGHT)}",
        ],
        f"for {at_a_time(size['block_w'], 'columns', lanes)}",
        f"for {kernel_w} columns of {kernel_h} taps: the register tile, one vector wide",
    )


def _numbers(axis: str, span: Span) -> dict[str, int]:
    return {
        f"{axis}_pieces": span.pieces,
        f"{axis}_members": span.members,
        f"{axis}_piece_step": span.piece_step,
        f"{axis}_member_step": span.member_step,
    }


def task(module: Module, steps: Steps, epilogue: Epilogue) -> Code:
    """Write the task: a group of units, first those of the same block of all planes.

    Their padding is the same, so windows are cleared for the first of them only.
    """
    copy, add = _copy(module), _add(module, steps, epilogue)
    code = LegacyCode(module, "task", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, thread = code.arguments()
    size = Sizes(code, plan, NAMES)
    planes, windows, window = size.planes, size.windows, size.window
    workspace = addresses(code, arrays)[-1].add_bytes(thread * size.workspace)
    start = number * size.group
    stop = (start + size.group).minimum(size.units)
    with code.loop(start, stop, windows) as first:
        plane, block = first % planes, first // planes
        fresh = first.equals(start) | plane.equals(0)
        with code.when(fresh), code.loop(0, windows * window, code.lanes) as e:
            workspace[e] = code.zeros()
        count = (stop - first).minimum(windows)
        for function in (copy, add):
            code.call_function(function, plan, arrays, workspace, plane, count, block)
    code.finish()
    return code


def _copy(module: Module) -> Code:
    """Write the function that copies the same block's window of some planes.

    It takes (plan, arrays, windows, first plane, planes, block).
    """
    copy = plane_copier(module, NAMES)
    code = LegacyCode(module, "copy_units", [POINTER] * 3 + [INT] * 3)
    plan, arrays, windows, first, planes, block = code.arguments()
    size = Sizes(code, plan, NAMES)
    input = addresses(code, arrays)[0]
    i, j = _begin(size, block)
    top, left = i * size.stride_h - size.padding_h, j * size.stride_w - size.padding_w
    with _each(code, size, first, planes) as (number, batch, channel):
        plane = input + (batch * size.input_n + channel * size.input_c)
        code.call_function(copy, plan, plane, windows + number * size.window, top, left)
    code.finish()
    return code


def _add(module: Module, steps: Steps, epilogue: Epilogue) -> Code:
    """Write the function that computes the same block of the filters of some planes.

    It takes (plan, arrays, windows, first plane, planes, block).
    """
    made = {height: _tiles(module, steps, height, epilogue) for height in heights(HEIGHT)}
    code = LegacyCode(module, "add_units", [POINTER] * 3 + [INT] * 3)
    plan, arrays, windows, number, planes, block = code.arguments()
    size = Sizes(code, plan, NAMES)
    _, weight, bias, output, _ = addresses(code, arrays)
    distance = to_residual(code, arrays)
    i, j = _begin(size, block)
    end = size.block_h * size.out_w
    with _each(code, size, number, planes) as (number, batch, channel):
        window, first = windows + number * size.window, channel * size.multiplier
        with code.loop(first, first + size.multiplier) as filter:
            place = batch * size.output_n + filter * size.output_c + i * size.out_w + j
            weights, result = weight + filter * size.taps, output + place

            def call(
                _: int,
                tiles: Code,
                row: Value,
                window: Pointer = window,
                weights: Pointer = weights,
                filter: Value = filter,
                result: Pointer = result,
            ) -> None:
                start = row * size.out_w
                limit = code.select(size.wide.equals(1), code.value(NO_LIMIT), end - start)
                source = window + row * size.output_step
                code.call_function(
                    tiles, plan, source, weights, bias + filter, result + start, limit, distance
                )

            cover(code, size.block_h, made, call)
    code.finish()
    return code


@contextmanager
def _each(
    code: Code, size: Sizes, first: Value, planes: Value
) -> Iterator[tuple[Value, Value, Value]]:
    """Do what is written within for some planes, given number, picture and channel of each."""
    batch, channel = code.variable(first // size.channels), code.variable(first % size.channels)
    with code.loop(0, planes) as number:
        yield number, batch.get(), channel.get()
        last = (channel.get() + 1).equals(size.channels)
        batch.set(batch.get() + last.as_int())
        channel.set(code.select(last, code.value(0), channel.get() + 1))


def _begin(size: Sizes, block: Value) -> tuple[Value, Value]:
    """Return a block's first row and column; the last block starts as late as it fits."""
    i, j = block // size.blocks_w, block % size.blocks_w
    return (i * size.block_h).minimum(size.last_h), (j * size.block_w).minimum(size.last_w)


def _tiles(module: Module, steps: Steps, height: int, epilogue: Epilogue) -> Code:
    """Write a row of tiles, side by side, `height` rows of one vector each.

    It takes (plan, window, weights, bias, output, limit, distance to the residual). A whole vector
    is stored where it ends at or before the limit, counted from output, for what lies beyond is
    written later; otherwise only its valid lanes. Behind the plan's numbers stand the positions of
    the taps of a row.
    """
    code = LegacyCode(module, f"tiles_{height}", [POINTER] * 5 + [INT] * 2)
    plan, window, weights, bias, output, limit, distance = code.arguments()
    size = Sizes(code, plan, NAMES)
    positions = Pointer(code, plan.raw, INT) + len(NAMES)
    kernel_h, kernel_w, out_w = size.kernel_h, size.kernel_w, size.out_w
    tap_step, output_step = size.tap_step, size.output_step
    start = code.spread(bias[0])
    with code.loop(0, size.runs) as run:
        column = (run * code.lanes).minimum(size.run_last)
        totals = [code.variable(start) for _ in range(height)]
        with code.loop(0, kernel_w) as v:
            line = Line(
                taps=kernel_h,
                weights=weights + v,
                weight_step=kernel_w,
                pixels=window + (column + positions[v]),
                tap_step=tap_step,
                output_step=output_step,
            )
            add_line(
                code,
                totals,
                steps,
                line,
                weight=lambda place: code.spread(place[0]),
                pixel=lambda place, _: place.vector(),
            )
        place = column
        for total in totals:
            with code.either(place + code.lanes <= limit) as (whole, narrow):
                with whole:
                    to = output + place
                    to[0] = finished(code, epilogue, total.get(), to, distance)
                with narrow:
                    to, mask = output + place, code.first_lanes(size.valid)
                    kept = finished(code, epilogue, total.get(), to, distance, mask)
                    to.store_masked(mask, kept)
            place = place + out_w
    code.finish()
    return code
