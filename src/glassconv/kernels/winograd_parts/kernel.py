"""Winograd's convolution, compiled: tiles are transformed, multiplied, transformed back in cache.

    V[element, tile, channel] = Bᵀ d B      U[element, channel, filter] = G g Gᵀ, once for a weight
    M[element, tile, filter] = V · U        output tile = Aᵀ M A + bias

A task is a block of tiles and a block of filters of one group. It transforms its tiles of all
channels, unless the task that its thread did before has left them in the workspace, and then takes
the filters part by part, so that what is transformed back has not left the second cache.

The files, in the order of the work: winograd_strips, winograd_input, product, winograd_output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor

from glassconv.algorithms.parts.winograd import along
from glassconv.codegen.ir import INT, POINTER, Code, Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.legacy import LegacyCode, Sizes, addresses, to_residual
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import words_of
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.epilogue import finisher
from glassconv.kernels.microkernel.matrix_product import product
from glassconv.kernels.runtime.blocking import Blocking, round_up, tasks_wanted
from glassconv.kernels.runtime.packed_weights import Pack
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.kernels.winograd_parts.input_transform import input_transform
from glassconv.kernels.winograd_parts.loop_text import loops
from glassconv.kernels.winograd_parts.output_transform import output_transform
from glassconv.kernels.winograd_parts.strips import NAMES
from glassconv.mathematics.cook_toom import Matrix, cook_toom
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

TAPS = 3  # of a filter, along each axis
# Tiles of a task: with few V and M lie near, but U is read again for each task.
MOST_TILES, MOST_TILES_OF_LARGE_U = 36, 54
LARGE_U = 10 << 20  # bytes, which the last cache does not keep
MOST_FILTERS = 64  # transformed back together, while their products lie in the second cache
# Threads that share tiles transform them again each, threads that share filters read U again each.
FILTERS_PER_TILE = 4  # where there are more, to read U is dearer
LONGEST_K = 512  # of a block: a panel of U as long, 16 floats wide, fills a first cache
LINE = 64  # bytes of a cache line


def supports(problem: ConvProblem) -> Verdict:
    """3×3 filters at stride and dilation 1, in float32 or float64."""
    if problem.ndim != 2:
        return Verdict(False, f"the kernel has two spatial axes, this has {problem.ndim}")
    if set(problem.kernel_size) != {TAPS}:
        size = "×".join(map(str, problem.kernel_size))
        return Verdict(False, f"the kernel has 3×3 taps, this has {size}")
    if {*problem.stride, *problem.dilation} != {1}:
        return Verdict(False, "the kernel needs stride 1 and dilation 1")
    common = supports_common(problem)
    if not common:
        return common
    return Verdict(True, "transforms tiles, multiplies in register tiles, transforms back")


@dataclass(frozen=True)
class WinogradBlocking(Blocking):
    """The blocks of a problem."""

    tile_block: int  # tiles of a task
    filter_block: int  # filters of a task
    filter_part: int  # filters that are multiplied, then transformed back, while M is in L2
    filters_in_l1: int  # filters whose U for a block of channels fits half of L1


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue,
    outputs: int,
    smallest_task: int,
) -> Plan:
    """Choose the blocks of a problem that `supports` accepts, for inputs in this memory layout.

    smallest_task: multiply-adds of the definition that are worth another thread.
    """
    cut = blocking(problem, layout, target, threads, outputs, smallest_task)
    size = _sizes(problem, layout, target, outputs, cut)
    width = target.tile()[1] * target.lanes(problem.dtype)
    tasks = problem.groups * size["tile_blocks"] * size["filter_blocks"]
    return Plan(
        problem,
        layout,
        _kernel(outputs, problem.dtype, layout.name, target, epilogue),
        cut,
        words_of(*(size[name] for name in NAMES)),
        tasks,
        size["workspace"],
        max(1, min(tasks, problem.macs // smallest_task)),
        _packing(outputs, problem.groups, width),
        loops(problem, size, target, outputs, TAPS),
    )


def _sizes(
    problem: ConvProblem, layout: Layout, target: Target, outputs: int, cut: WinogradBlocking
) -> dict[str, int]:
    """Return every number that the kernel reads."""
    element, lanes = ELEMENT_BYTES[problem.dtype], target.lanes(problem.dtype)
    width = target.tile()[1] * lanes
    side = outputs + TAPS - 1
    elements, line = side**2, LINE // element
    channels, filters = problem.weight_shape[1], problem.gemm.m
    (out_h, out_w), (in_h, in_w) = problem.output_size, problem.input_size
    of_batch, of_channel, of_row, of_column = layout.strides
    plane = out_h * out_w
    to_planes = layout.name == NCHW
    tiles_h, tiles_w = ceil(out_h / outputs), ceil(out_w / outputs)
    tiles = problem.batch * tiles_h * tiles_w
    whole_filters = round_up(filters, width)
    row_v = round_up(channels, lanes) + line  # one line more: rows spread over the sets of a cache

    tile_block, filter_block, filter_part = cut.tile_block, cut.filter_block, cut.filter_part
    strip = min(tiles_w, 16 if to_planes else 4)
    channel_part = min(round_up(channels, lanes), line if to_planes else 4 * line)
    strip_row = round_up(strip * outputs + TAPS - 1, lanes) * channel_part + line
    row_m = filter_part + line
    element_v, element_m = (_odd_lines(tile_block * row, line) for row in (row_v, row_m))
    result = (outputs * side + outputs * strip * outputs + outputs * lanes) * lanes
    strip_at = elements * element_v
    m_at = strip_at + round_up(side * strip_row, line)
    result_at = m_at + elements * element_m
    return {
        "channels": channels,
        "filters": filters,
        "in_h": in_h,
        "in_w": in_w,
        "out_h": out_h,
        "out_w": out_w,
        "padding_h": problem.padding[0][0],
        "padding_w": problem.padding[1][0],
        "input_n": of_batch,
        "input_c": of_channel,
        "input_h": of_row,
        "input_w": of_column,
        "output_n": problem.out_channels * plane,
        "output_c": plane if to_planes else 1,
        "output_h": out_w if to_planes else out_w * problem.out_channels,
        "output_w": 1 if to_planes else problem.out_channels,
        "tiles_h": tiles_h,
        "tiles_w": tiles_w,
        "tiles": tiles,
        "tile_block": tile_block,
        "tile_blocks": ceil(tiles / tile_block),
        "strip": strip,
        "filter_block": filter_block,
        "filter_blocks": ceil(whole_filters / filter_block),
        "filter_part": filter_part,
        "filters_near": cut.filters_in_l1,
        "k_block": LONGEST_K,
        "channel_part": channel_part,
        "strip_row": strip_row,
        "filter_u": whole_filters * channels,
        "group_u": elements * whole_filters * channels,
        "raw": problem.groups * elements * whole_filters * channels,
        "row_v": row_v,
        "element_v": element_v,
        "row_m": row_m,
        "element_m": element_m,
        "strip_at": strip_at,
        "m_at": m_at,
        "result_at": result_at,
        "workspace": round_up((result_at + result) * element, LINE),
    }


def _odd_lines(number: int, line: int) -> int:
    """Return an odd number of whole lines: what lies so far apart spreads over a cache's sets."""
    lines = ceil(number / line)
    return (lines + (lines % 2 == 0)) * line


def blocking(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    outputs: int,
    smallest_task: int,
) -> WinogradBlocking:
    """Return the blocks of a problem."""
    element, lanes = ELEMENT_BYTES[problem.dtype], target.lanes(problem.dtype)
    rows, width = target.tile()[0], target.tile()[1] * lanes
    elements = (outputs + TAPS - 1) ** 2
    tiles = problem.batch * prod(ceil(size / outputs) for size in problem.output_size)
    wanted = ceil(tasks_wanted(problem, threads, smallest_task) / problem.groups)
    channels = problem.weight_shape[1]
    whole_filters = round_up(problem.gemm.m, width)
    u_bytes = elements * whole_filters * channels * element
    most = MOST_TILES if u_bytes <= LARGE_U else MOST_TILES_OF_LARGE_U
    tile_blocks = max(1, ceil(tiles / most))
    team = min(threads, wanted)
    if problem.gemm.m <= FILTERS_PER_TILE * tiles and tiles >= 2 * rows * team:
        tile_blocks = round_up(tile_blocks, 2 * team)
    panels = whole_filters // width
    filter_blocks = 1 if tile_blocks >= team else min(panels, ceil(wanted / tile_blocks))
    filter_block = ceil(panels / filter_blocks) * width
    k = min(channels, LONGEST_K)
    return WinogradBlocking(
        tile_block=max(1, ceil(tiles / tile_blocks)),
        filter_block=filter_block,
        filter_part=min(filter_block, max(width, MOST_FILTERS)),
        filters_in_l1=width * max(1, target.l1 // 2 // element // (k * width)),
    )


def seconds(problem: ConvProblem, layout: str, outputs: int) -> float:
    """Return the time it takes by the rates that were seen on two AVX2 cores, in float32."""
    elements = (outputs + TAPS - 1) ** 2
    tiles = problem.batch * prod(ceil(size / outputs) for size in problem.output_size)
    channels, filters = problem.weight_shape[1], problem.gemm.m
    width = ELEMENT_BYTES[problem.dtype] // ELEMENT_BYTES["float32"]
    made = problem.groups * elements * tiles * round_up(filters, 16 // width)  # elements of M
    read = elements * tiles * problem.in_channels  # elements of V
    return (
        1e-4
        + width * made * channels / 62e9
        + width * made / 2.8e9
        + width * read / (4.6e9 if layout == NCHW else 36e9)
        + problem.weight_bytes * elements / TAPS**2 / 20e9
    )


@cache
def _packing(outputs: int, groups: int, width: int) -> Pack:
    """Return the packing [group, element, panel, channel, filter of the panel], and the weight."""
    matrix: Matrix = cook_toom(outputs, TAPS).filter

    def pack(weight: Tensor) -> Tensor:
        transformed = along(-1, matrix, along(-2, matrix, weight.double())).to(weight.dtype)
        filters, channels = weight.shape[0] // groups, weight.shape[1]
        by_element = transformed.reshape(groups, filters, channels, -1).permute(0, 3, 1, 2)
        whole = torch.nn.functional.pad(by_element, (0, 0, 0, -filters % width))
        panels = whole.reshape(groups, whole.shape[1], -1, width, channels).transpose(3, 4)
        return torch.cat([panels.reshape(-1), weight.reshape(-1)])

    return pack


@cache
def _kernel(outputs: int, dtype: str, layout: str, target: Target, epilogue: Epilogue) -> Compiled:
    name = f"winograd{outputs}"
    module = Module(name, dtype, target)
    in_parallel(module, _task(module, layout, outputs, epilogue))
    return compiled(module, name)


def _task(module: Module, layout: str, outputs: int, epilogue: Epilogue) -> Any:
    """Write the task: all transforms and products of a block of tiles and a block of filters."""
    matrices = cook_toom(outputs, TAPS)
    elements = len(matrices.input) ** 2
    forward = input_transform(module, layout, matrices.input, outputs)
    back = output_transform(module, layout, matrices.output, TAPS, finisher(module, epilogue))
    multiply = _products(module, elements)
    code = LegacyCode(module, "task", [POINTER] * 2 + [INT] * 3)
    plan, arrays, number, thread, before = code.arguments()
    size = Sizes(code, plan, NAMES)
    input, weight, bias, output, workspace = addresses(code, arrays)
    v = workspace.add_bytes(thread * size.workspace)
    m, strip, result = v + size.m_at, v + size.strip_at, v + size.result_at
    block, filter = number // size.filter_blocks, number % size.filter_blocks * size.filter_block
    group, first = block // size.tile_blocks, block % size.tile_blocks * size.tile_block
    tiles = (size.tiles - first).minimum(size.tile_block)
    pixels = input + group * size.channels * size.input_c
    there = before // size.filter_blocks  # a number that no block has, where there was no task
    with code.when((there < block) | (there > block)):
        code.call_function(forward, plan, pixels, strip, v, first, tiles)
    stop = (filter + size.filter_block).minimum(size.filters)
    transformed = weight + group * size.group_u
    with code.loop(filter, stop, size.filter_part) as f:
        filters = (stop - f).minimum(size.filter_part)
        code.call_function(multiply, plan, v, transformed + f * size.channels, m, tiles, filters)
        own = group * size.filters + f
        as_it_lies = weight + (size.raw + own * size.channels * TAPS**2)
        code.call_function(
            back, plan, pixels, m, result, as_it_lies, bias + own, output + own * size.output_c,
            first, tiles, filters, to_residual(code, arrays),
        )  # fmt: skip
    code.finish()
    return code


def _products(module: Module, elements: int) -> Code:
    """Write the function of M = V · U for every element: (plan, V, U, M, tiles, filters)."""
    multiply = product(module, None)
    code = LegacyCode(module, "products", [POINTER] * 4 + [INT] * 2)
    plan, v, u, m, tiles, filters = code.arguments()
    size = Sizes(code, plan, NAMES)
    width = multiply.width
    with (
        code.loop(0, elements) as element,
        code.loop(0, size.channels, size.k_block) as channel,
        code.loop(0, filters, size.filters_near) as f,
    ):
        channels = (size.channels - channel).minimum(size.k_block)
        near = (filters - f).minimum(size.filters_near)
        code.call_function(
            multiply.function,
            v + (element * size.element_v + channel),
            u + (element * size.filter_u + f * size.channels + channel * width),
            m + (element * size.element_m + f),
            v,  # there is no bias
            tiles, (near + (width - 1)) // width * width, channels,
            size.row_v, size.channels * width, width, size.row_m, channel.equals(0).as_int(),
        )  # fmt: skip
    code.finish()
    return code
