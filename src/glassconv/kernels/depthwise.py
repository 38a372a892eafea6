"""depthwise, compiled: a block's window is copied with its padding, then shifted, scaled, added.

    NCHW   lanes are pixels of a row, a tile is some rows high, a weight is in every lane
    NHWC   lanes are channels, a tile is some pixels of a row, weights lie [tap][channel]

A unit of work is a block of one plane (NCHW) or of a vector or two of channels (NHWC). Weights are
read where they lie, by NHWC transposed for each unit: they are few, so nothing has to be kept, and
nothing that was kept can be out of date.
"""

from __future__ import annotations

from functools import cache
from math import ceil

import torch

from glassconv.codegen.ir import INT, POINTER, Code, Module, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, threads
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_blocks import HEIGHT, NAMES, sizes
from glassconv.kernels.depthwise_copy import pixels_copier, plane_copier, weights_packer
from glassconv.kernels.depthwise_tile import ANY, Kind, cover, heights, tiles
from glassconv.kernels.fields import Sizes, addresses, words
from glassconv.kernels.plan import Plan, as_plane
from glassconv.layout import NCHW, Layout
from glassconv.problem import ConvProblem
from glassconv.report import Verdict

UNROLLED = (3, 5, 7)
STRIDES = (1, 2)
TASKS = 8  # for each thread: a core that is taken away leaves its share to the others
SMALLEST_TASK = 300_000  # multiply-adds
NO_LIMIT = 2**62


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """One input channel per group, in one or two dimensions, of float32 or float64."""
    channels = problem.weight_shape[1]
    if channels != 1:
        return Verdict(False, f"needs one input channel per group, got {channels}")
    if problem.ndim == 3:
        return Verdict(False, "the kernel has one or two spatial axes, this has 3")
    if problem.dtype not in ELEMENT_BYTES:
        return Verdict(False, f"the kernel computes in float32 or float64, not {problem.dtype}")
    return Verdict(True, "copies blocks with their padding, then shifts, scales and adds")


def throughput(problem: ConvProblem, layout: str) -> float:
    """Return the multiply-adds a second seen on two AVX2 cores."""
    return 20e9 if problem.dtype == "float32" else 10e9


def plan(problem: ConvProblem, layout: Layout, target: Target) -> Plan:
    """Choose the blocks of a problem that `supports` accepts, for pictures that lie so."""
    flat = as_plane(problem)
    size, positions = sizes(flat, layout, target)
    wanted = max(1, min(TASKS * threads(), problem.macs // SMALLEST_TASK))
    size["group"] = max(1, ceil(size["units"] / wanted))
    tasks = ceil(size["units"] / size["group"])
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, kind_of(flat, layout), target),
        words([*(size[name] for name in NAMES), *positions]),
        tasks,
        workspace_bytes=size["workspace"],
        most_threads=max(1, min(tasks, wanted)),
        pack=None,
        no_bias=torch.zeros(problem.out_channels, dtype=getattr(torch, problem.dtype)),
    )


def kind_of(problem: ConvProblem, layout: Layout) -> Kind:
    """Return what the tile of a problem of two axes is compiled for."""
    lanes_are_pixels = layout.name == NCHW
    along = problem.axes[0 if lanes_are_pixels else 1]
    shared = along.kernel_size in UNROLLED and along.stride in STRIDES and along.dilation == 1
    if shared:
        return Kind(along.kernel_size, along.stride, lanes_are_pixels)
    return Kind(ANY, ANY, lanes_are_pixels)


@cache
def _kernel(dtype: str, kind: Kind, target: Target) -> Compiled:
    return compiled(module_of(dtype, kind, target), "depthwise")


def module_of(dtype: str, kind: Kind, target: Target) -> Module:
    """Return the kernel's module, not yet compiled."""
    module = Module("depthwise", dtype, target)
    made = {height: tiles(module, NAMES, kind, height) for height in heights(HEIGHT)}
    unit = _unit_nchw(module, made) if kind.one_weight else _unit_nhwc(module, made)
    in_parallel(module, _task(module, unit), "depthwise")
    return module


def _task(module: Module, unit: Code) -> Code:
    """Write the task: a group of units, one after the other."""
    code = Code(module, "task", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, thread = code.arguments()
    size = Sizes(code, plan, NAMES)
    group = size.group
    with code.loop(number * group, ((number + 1) * group).minimum(size.units)) as each:
        code.call_function(unit, plan, arrays, each, thread)
    code.finish()
    return code


def _unit_nchw(module: Module, made: dict[int, Code]) -> Code:
    """Write the unit: a block of the planes of one channel's filters."""
    copy = plane_copier(module)
    code = Code(module, "unit", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, thread = code.arguments()
    size = Sizes(code, plan, NAMES)
    input, weight, bias, output, workspace = addresses(code, arrays)
    i, j, number = _block(size, number)
    channel, batch = number % size.channels, number // size.channels
    window = workspace.bytes(thread * size.workspace)
    plane = input + (batch * size.input_n + channel * size.input_c)
    code.call_function(copy, plan, plane, window, *_corner(size, i, j))
    first = channel * size.multiplier
    with code.loop(first, first + size.multiplier) as filter:
        result = output + (batch * size.output_n + filter * size.output_c + i * size.output_h + j)
        weights, end = weight + filter * size.taps, size.block_h * size.output_h

        def call(tiles: Code, row: Value) -> None:
            start = row * size.tile_output
            code.call_function(
                tiles, plan, window + row * size.tile_source, weights, bias + filter,
                result + start, code.select(size.wide.equals(1), code.value(NO_LIMIT), end - start),
            )  # fmt: skip

        cover(code, size.block_h, made, call)
    code.finish()
    return code


def _unit_nhwc(module: Module, made: dict[int, Code]) -> Code:
    """Write the unit: a block of the pixels of a block of filters."""
    copy, pack = pixels_copier(module), weights_packer(module)
    code = Code(module, "unit", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, thread = code.arguments()
    size = Sizes(code, plan, NAMES)
    input, weight, bias, output, workspace = addresses(code, arrays)
    filter, number = number % size.blocks_c, number // size.blocks_c
    filter = (filter * size.block_c).minimum(size.last_c)
    i, j, batch = _block(size, number)
    weights = workspace.bytes(thread * size.workspace)
    biases = weights + size.weight_rows * size.block_c
    window = biases + size.block_c
    code.call_function(pack, plan, weight, bias, weights, filter)
    picture = input + batch * size.input_n
    code.call_function(copy, plan, picture, window, *_corner(size, i, j), filter)
    result = output + (batch * size.output_n + i * size.output_h + j * size.output_w + filter)
    limit = code.select(size.wide.equals(1), code.value(NO_LIMIT), 0)
    with code.loop(0, size.block_c, code.lanes) as lane:

        def call(tiles: Code, column: Value) -> None:
            code.call_function(
                tiles, plan, window + (column * size.tile_source + lane), weights + lane,
                biases + lane, result + (column * size.tile_output + lane), limit,
            )  # fmt: skip

        cover(code, size.block_w, made, call)
    code.finish()
    return code


def _block(size: Sizes, number: Value) -> tuple[Value, Value, Value]:
    """Return a block's first row and column, and what is left of its number."""
    j, number = number % size.blocks_w, number // size.blocks_w
    i, number = number % size.blocks_h, number // size.blocks_h
    i, j = (i * size.block_h).minimum(size.last_h), (j * size.block_w).minimum(size.last_w)
    return i, j, number


def _corner(size: Sizes, i: Value, j: Value) -> tuple[Value, Value]:
    """Return the picture's row and column that the window of outputs from (i, j) begins at."""
    return i * size.stride_h - size.padding_h, j * size.stride_w - size.padding_w
