"""implicit_gemm, compiled: windows are lowered a block at a time, and register tiles multiply them.

    NCHW   output[filter, pixel] = weight[filter, k] · lowered[k, pixel]    weights as they lie
    NHWC   output[pixel, filter] = lowered[pixel, k] · packed[k, filter]    weights packed once

A task is a block of pixels and a block of filters of one picture and group. For each block of k it
lowers the windows of its pixels into a buffer that fits the second cache, and adds a product.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import ceil, prod

import torch
from torch import Tensor

from glassconv.codegen.ir import INT, POINTER, Code, Module, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, threads
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.epilogue import finisher
from glassconv.kernels.microkernel.lowering import by_pixel, by_tap
from glassconv.kernels.microkernel.matrix_product import COLUMNS, ROWS, product
from glassconv.kernels.runtime.loop_text import at_a_time, blocks, height_of, nest, pictures
from glassconv.kernels.runtime.packed_weights import Pack
from glassconv.kernels.runtime.parameters import Sizes, addresses, packed, to_residual
from glassconv.kernels.runtime.plan import Plan, as_plane
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

NAMES = (
    *("channels", "filters", "in_h", "in_w", "kernel_h", "kernel_w", "out_w"),
    *("stride_h", "stride_w", "padding_h", "padding_w", "dilation_h", "dilation_w", "k"),
    *("input_n", "input_c", "input_h", "input_w", "output_n", "output_c", "output_w"),
    *("groups", "pixels", "pixel_block", "pixel_blocks", "filter_block", "filter_blocks"),
    *("pieces", "piece_block", "piece_length", "piece_taps", "buffer_row", "workspace", "lowered"),
    "filters_near",
)
LONGEST_K = 256  # of a block: a panel of B as long, 16 floats wide, half fills a first cache
MOST_TAPS = 4096  # a block of k holds all taps of a channel
TASKS = 4  # for each thread: a core that is taken away leaves its share to the others
SMALLEST_TASK = 500_000  # multiply-adds
FEW_FILTERS = 16
NARROWEST = 4  # panels of pixels in a task, where there are as many


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Plain sums in one or two dimensions, of float32 or float64."""
    if problem.ndim == 3:
        return Verdict(False, "the kernel has one or two spatial axes, this has 3")
    if problem.dtype not in ELEMENT_BYTES:
        return Verdict(False, f"the kernel computes in float32 or float64, not {problem.dtype}")
    if prod(problem.kernel_size) > MOST_TAPS:
        return Verdict(False, f"the kernel lowers up to {MOST_TAPS} taps at a time")
    return Verdict(True, "lowers block by block and multiplies in register tiles")


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the time it takes by the rates that were seen on two AVX2 cores, in float32."""
    to_planes = layout == NCHW
    width = ELEMENT_BYTES[problem.dtype] / ELEMENT_BYTES["float32"]
    moved = problem.input_bytes + problem.output_bytes
    lowered = problem.macs / max(problem.gemm.m, 1)
    return (
        3e-5
        + width * problem.macs / (62e9 if to_planes else 71e9)
        + width * lowered / (5e9 if to_planes else 10e9)
        + moved / (46e9 if to_planes else 31e9)
        + problem.weight_bytes / 8.5e9
    )


def plan(
    problem: ConvProblem, layout: Layout, target: Target, epilogue: Epilogue = NOTHING
) -> Plan:
    """Choose the blocks of a problem that `supports` accepts, for pictures that lie so."""
    size = _sizes(problem, layout)
    taps = size["kernel_h"] * size["kernel_w"]
    rows, vectors = target.tile()
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    width = vectors * lanes
    # What few filters read again and again must be near; what many do may be a block farther.
    near = size["filters"] <= FEW_FILTERS
    budget = (target.l1 if near else target.l2 // 2) // element  # elements of a buffer
    wanted = max(1, min(TASKS * threads(), problem.macs // SMALLEST_TASK))
    pictures = problem.batch * problem.groups
    in_picture = ceil(wanted / max(pictures, 1))
    if layout.name == NCHW:
        # A block of k is some channels with all their taps.
        size["piece_block"] = min(size["channels"], max(1, LONGEST_K // taps))
        size["pieces"], size["piece_length"] = size["channels"], taps
        k = size["piece_block"] * taps
        pixels = _block(size["pixels"], budget // k, width, in_picture)
        size["buffer_row"] = pixels + width * (pixels // width % 2 == 0)  # odd: spreads over sets
        buffer = k * size["buffer_row"]
    else:
        together = size["dilation_w"] == 1 and size["input_w"] == size["channels"]
        size["piece_taps"] = size["kernel_w"] if together else 1
        size["piece_length"] = size["piece_taps"] * size["channels"]
        size["pieces"] = taps // size["piece_taps"]
        size["piece_block"] = min(size["pieces"], max(1, LONGEST_K // size["piece_length"]))
        size["lowered"] = not _is_matrix(size)
        if not size["lowered"]:
            # The picture is the matrix already: a block of k is a part of the channels.
            size["pieces"], size["piece_length"] = size["channels"], 1
            size["piece_block"] = min(size["channels"], LONGEST_K)
        size["buffer_row"] = size["piece_block"] * size["piece_length"] + lanes
        pixels = _block(size["pixels"], budget // size["buffer_row"], rows, in_picture)
        buffer = pixels * size["buffer_row"]
    size["pixel_block"] = pixels
    size["pixel_blocks"] = ceil(size["pixels"] / pixels)
    pictures *= size["pixel_blocks"]
    # Each block of filters lowers the same pixels again, so there are no more than threads need.
    more = ceil(min(wanted, 2 * threads()) / max(pictures, 1))
    size["filter_block"] = _filters(size["filters"], more, width)
    size["filter_blocks"] = ceil(size["filters"] / size["filter_block"])
    # Packed weights that a block of pixels reads again and again stay in the second cache.
    k = size["piece_block"] * size["piece_length"]
    size["filters_near"] = _block(size["filter_block"], target.l2 // 2 // element // k, width, 1)
    size["workspace"] = -(-(buffer + width) * element // 64) * 64
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, layout.name, target, epilogue),
        packed(NAMES, size),
        pictures * size["filter_blocks"],
        size["workspace"],
        max(1, min(pictures * size["filter_blocks"], problem.macs // SMALLEST_TASK)),
        None if layout.name == NCHW else _packing(problem.groups, width),
        torch.zeros(problem.out_channels, dtype=getattr(torch, problem.dtype)),
        _loops(problem, size, layout, target),
        _hottest(size, layout, target, lanes),
    )


def _hottest(size: dict[str, int], layout: Layout, target: Target, lanes: int) -> str:
    """Return the name of the function that computes most of the product."""
    pixels = min(size["pixel_block"], size["pixels"])
    filters = min(size["filter_block"], size["filters"])
    tall, wide = (filters, pixels) if layout.name == NCHW else (pixels, filters)
    rows, vectors = target.tile()
    rows, parts = height_of(tall, rows), ceil(wide / lanes)
    return f"tiles_{rows}x{vectors}" if wide >= vectors * lanes else f"end_{rows}x{parts}"


def _loops(
    problem: ConvProblem, size: dict[str, int], layout: Layout, target: Target
) -> tuple[str, ...]:
    """Return what the kernel does with these sizes, a line for each loop."""
    rows, vectors = target.tile()
    width = vectors * target.lanes(problem.dtype)
    pixels, filters = (min(size[f"{of}_block"], size[f"{of}s"]) for of in ("pixel", "filter"))
    k = min(size["piece_block"], size["pieces"]) * size["piece_length"]
    tall, wide = (filters, "filters"), (pixels, "pixels")
    within = []
    if layout.name != NCHW:
        tall, wide = wide, tall
        if filters > size["filters_near"]:
            within.append(f"for {at_a_time(*wide, size['filters_near'])}")
            wide = (size["filters_near"], "filters")
    rows = height_of(tall[0], rows)
    within.append(f"for {at_a_time(*tall, rows)}")
    lowering = f"lower windows: a buffer of {k:,} products × {pixels:,} pixels"
    return nest(
        f"for {pictures(problem.batch, problem.groups)}, "
        f"{blocks(size['filters'], size['filter_block'], 'filters')}",
        f"for {blocks(size['pixels'], size['pixel_block'], 'pixels')}: a task",
        f"for {at_a_time(size['k'], 'products of each output', k)}",
        *([[lowering, within[0]], *within[1:]] if size["lowered"] else within),
        f"for {at_a_time(*wide, width)}",
        f"for {k:,} steps: the register tile, {rows} × {vectors} vectors",
    )


def _sizes(problem: ConvProblem, layout: Layout) -> dict[str, int]:
    """Return the problem's sizes as of two axes, a plane that is read point by point as one row."""
    plane = as_plane(problem)
    of_batch, of_channel, of_row, of_column = layout.strides
    pointwise = {*plane.kernel_size, *plane.stride} == {1} and plane.input_size == plane.output_size
    if pointwise and of_row == plane.input_size[1] * of_column:
        plane = replace(plane, input_size=(1, prod(plane.input_size)))
    rows, columns = plane.axes
    return {
        "channels": problem.in_channels // problem.groups,
        "filters": problem.gemm.m,
        "in_h": rows.input_size,
        "in_w": columns.input_size,
        "kernel_h": rows.kernel_size,
        "kernel_w": columns.kernel_size,
        "out_w": columns.output_size,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "padding_h": rows.padding[0],
        "padding_w": columns.padding[0],
        "dilation_h": rows.dilation,
        "dilation_w": columns.dilation,
        "k": problem.gemm.k,
        "input_n": of_batch,
        "input_c": of_channel,
        "input_h": of_row,
        "input_w": of_column,
        "output_n": prod(problem.output_shape[1:]),
        "output_c": prod(problem.output_size),
        "output_w": problem.out_channels,
        "groups": problem.groups,
        "pixels": prod(problem.output_size),
        "piece_taps": 1,
        "lowered": 1,
        "filters_near": 1,
    }


def _is_matrix(size: dict[str, int]) -> bool:
    """Return whether pixel p's channels lie at p · input_w: nothing has to be lowered."""
    one_row = size["in_h"] == 1 and size["pixels"] == size["in_w"] and size["padding_h"] == 0
    return one_row and size["kernel_h"] * size["kernel_w"] == 1 and size["stride_w"] == 1


def _block(pixels: int, most: int, width: int, tasks: int) -> int:
    """Return the size of equal blocks of at most so many pixels, a multiple of the tile's width."""
    most = max(most // width, 1)
    panels = ceil(pixels / width)
    blocks = max(ceil(panels / most), min(tasks, panels // NARROWEST))
    return ceil(panels / blocks) * width


def _filters(filters: int, tasks: int, width: int) -> int:
    """Return how many filters a task computes: all, unless pixels alone make too few tasks."""
    panels = ceil(filters / width)
    return ceil(panels / min(tasks, panels)) * width


@cache
def _packing(groups: int, width: int) -> Pack:
    """Return the packing [groups, panel, k = (u, v, c), filter of the panel]."""

    def pack(weight: Tensor) -> Tensor:
        taps_first = weight.movedim(1, -1).reshape(groups, weight.shape[0] // groups, -1)
        whole = torch.nn.functional.pad(taps_first, (0, 0, 0, -taps_first.shape[1] % width))
        panels = whole.reshape(groups, -1, width, whole.shape[2])
        return panels.transpose(2, 3).contiguous()

    return pack


@cache
def _kernel(dtype: str, layout: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("implicit_gemm", dtype, target)
    finish = finisher(module, epilogue)
    task = _task_nchw(module, finish) if layout == NCHW else _task_nhwc(module, finish)
    in_parallel(module, task, "implicit_gemm")
    return compiled(module, "implicit_gemm")


def _task_nchw(module: Module, finish: Code | None) -> Code:
    """Write the task: output[filters, pixels] = weight[filters, k] · lowered[k, pixels]."""
    lower, multiply = by_tap(module, NAMES), product(module, ROWS)
    code = Code(module, "task", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, thread = code.arguments()
    size = Sizes(code, plan, NAMES)
    input, weight, bias, output, workspace = addresses(code, arrays)
    batch, group, pixel, filter = _place(size, number)
    buffer = workspace.bytes(thread * size.workspace)
    pixels = (size.pixels - pixel).minimum(size.pixel_block)
    filters = (size.filters - filter).minimum(size.filter_block)
    picture = input + (batch * size.input_n + group * size.channels * size.input_c)
    first = group * size.filters + filter
    result = output + (batch * size.output_n + first * size.output_c + pixel)
    with code.loop(0, size.pieces, size.piece_block) as piece:
        pieces = (size.pieces - piece).minimum(size.piece_block)
        code.call_function(lower, plan, picture, buffer, piece, pieces, pixel, pixels)
        start = piece * size.piece_length
        code.call_function(
            multiply.code, weight + (first * size.k + start), buffer, result, bias + first,
            filters, pixels, pieces * size.piece_length,
            size.k, multiply.width, size.buffer_row, size.output_c, piece.equals(0).widen(),
        )  # fmt: skip
    if finish:
        distance = to_residual(code, arrays)
        code.call_function(finish, result, filters, size.output_c, pixels, distance)
    code.finish()
    return code


def _task_nhwc(module: Module, finish: Code | None) -> Code:
    """Write the task: output[pixels, filters] = lowered[pixels, k] · packed[k, filters]."""
    lower, multiply = by_pixel(module, NAMES), product(module, COLUMNS)
    code = Code(module, "task", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, thread = code.arguments()
    size = Sizes(code, plan, NAMES)
    input, weight, bias, output, workspace = addresses(code, arrays)
    batch, group, pixel, filter = _place(size, number)
    buffer = workspace.bytes(thread * size.workspace)
    pixels = (size.pixels - pixel).minimum(size.pixel_block)
    filters = (size.filters - filter).minimum(size.filter_block)
    picture = input + (batch * size.input_n + group * size.channels)
    first = group * size.filters + filter
    result = output + (batch * size.output_n + pixel * size.output_w + first)
    panel = size.k * multiply.width
    panels = (size.filters + (multiply.width - 1)) // multiply.width
    weights = weight + (group * panels * panel + filter * size.k)
    with code.loop(0, size.pieces, size.piece_block) as piece:
        pieces = (size.pieces - piece).minimum(size.piece_block)
        start = piece * size.piece_length
        with code.when(size.lowered.equals(1)):
            code.call_function(lower, plan, picture, buffer, piece, pieces, pixel, pixels)
        rows = code.select_pointer(
            size.lowered.equals(1), buffer, picture + (pixel * size.input_w + start)
        )
        row = code.select(size.lowered.equals(1), size.buffer_row, size.input_w)
        with code.loop(0, filters, size.filters_near) as f:
            near = (filters - f).minimum(size.filters_near)
            code.call_function(
                multiply.code, rows, weights + (f * size.k + start * multiply.width), result + f,
                bias + (first + f), pixels, near, pieces * size.piece_length,
                row, panel, multiply.width, size.output_w, piece.equals(0).widen(),
            )  # fmt: skip
    if finish:
        distance = to_residual(code, arrays)
        code.call_function(finish, result, pixels, size.output_w, filters, distance)
    code.finish()
    return code


def _place(size: Sizes, number: Value) -> tuple[Value, Value, Value, Value]:
    """Return a task's picture, group, first pixel and first filter; pixels go round fastest."""
    pixel, number = number % size.pixel_blocks, number // size.pixel_blocks
    filter, number = number % size.filter_blocks, number // size.filter_blocks
    group, batch = number % size.groups, number // size.groups
    return batch, group, pixel * size.pixel_block, filter * size.filter_block
