"""Winograd's convolution, compiled: tiles are transformed, multiplied, transformed back in cache.

    V[element, tile, channel] = Bᵀ d B      U[element, channel, filter] = G g Gᵀ, once for a weight
    M[element, tile, filter] = V · U        output tile = Aᵀ M A + bias

A task is a block of tiles and a block of filters of one group. It transforms its tiles of all
channels, unless the task that its thread did before has left them in the workspace, and then takes
the filters part by part, so that M is still in L2 when it is transformed back.

The files in the order of the work: strips, input_transform, microkernel/matrix_product,
output_transform.
"""

from __future__ import annotations

from functools import cache
from math import ceil, prod

import torch
from torch import Tensor

from glassconv.algorithms.parts.winograd import along
from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack as pack_parameters
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.epilogue import epilogue_function
from glassconv.kernels.microkernel.matrix_product import product
from glassconv.kernels.runtime.blocking import round_up, tasks_wanted
from glassconv.kernels.runtime.packed_weights import Pack
from glassconv.kernels.runtime.parameters import Arrays, residual_distance
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.kernels.winograd_parts.input_transform import input_transform_function
from glassconv.kernels.winograd_parts.loop_text import loops
from glassconv.kernels.winograd_parts.output_transform import output_transform_function
from glassconv.kernels.winograd_parts.parameters import (
    LONGEST_K,
    TAPS,
    WinogradBlocking,
    WinogradParameters,
    parameters_of,
)
from glassconv.mathematics.cook_toom import Matrix, cook_toom
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

# Tiles of a task: with few of them V and M stay in L2, but U is read again for each task.
MOST_TILES, MOST_TILES_OF_LARGE_U = 36, 54
LARGE_U = 10 << 20  # bytes, which the last cache does not hold
MOST_FILTERS = 64  # transformed back together, while their products are in L2
# Threads that share tiles each transform them, threads that share filters each read U.
FILTERS_PER_TILE = 4  # where there are more, reading U costs more


def supports(problem: ConvProblem) -> Verdict:
    """Accept 3×3 filters at stride and dilation 1, in float32 or float64."""
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


def seconds(problem: ConvProblem, layout: str, outputs: int) -> float:
    """Return the predicted time: by rates measured on two AVX2 cores, in float32."""
    elements = (outputs + TAPS - 1) ** 2
    tiles = _tiles(problem, outputs)
    channels, filters = problem.weight_shape[1], problem.gemm.m
    width = ELEMENT_BYTES[problem.dtype] // ELEMENT_BYTES["float32"]
    m_elements = problem.groups * elements * tiles * round_up(filters, 16 // width)
    v_elements = elements * tiles * problem.in_channels
    return (
        1e-4
        + width * m_elements * channels / 62e9
        + width * m_elements / 2.8e9
        + width * v_elements / (4.6e9 if layout == NCHW else 36e9)
        + problem.weight_bytes * elements / TAPS**2 / 20e9
    )


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue,
    outputs: int,
    smallest_task: int,
) -> Plan:
    """Plan a problem that `supports` accepts, for inputs in this memory layout.

    outputs: of a tile, along each axis. smallest_task: multiply-adds of the definition that are
    worth another thread.
    """
    cut = blocking(problem, layout, target, threads, outputs, smallest_task)
    parameters = parameters_of(problem, layout, target, outputs, cut)
    tasks = problem.groups * parameters.tile_blocks * parameters.filter_blocks
    return Plan(
        problem,
        layout,
        _kernel(outputs, problem.dtype, layout.name, target, epilogue),
        cut,
        pack_parameters(parameters),
        tasks,
        parameters.workspace_bytes,
        most_threads=max(1, min(tasks, problem.macs // smallest_task)),
        pack=_packing(outputs, problem.groups, target.tile()[1] * target.lanes(problem.dtype)),
        loops=loops(problem, parameters, target, outputs),
    )


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
    elements, tiles = (outputs + TAPS - 1) ** 2, _tiles(problem, outputs)
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
    panel_bytes = min(channels, LONGEST_K) * width * element
    return WinogradBlocking(
        tile_block=max(1, ceil(tiles / tile_blocks)),
        filter_block=filter_block,
        filter_part=min(filter_block, max(width, MOST_FILTERS)),
        filters_in_l1=width * max(1, target.l1 // 2 // panel_bytes),
    )


def _tiles(problem: ConvProblem, outputs: int) -> int:
    return problem.batch * prod(ceil(size / outputs) for size in problem.output_size)


# -- in machine code --------------------------------------------------------------------------


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
    module = Module(f"winograd{outputs}", dtype, target)
    in_parallel(module, _task(module, layout, outputs, epilogue))
    return compiled(module, module.name)


def _task(module: Module, layout: str, outputs: int, epilogue: Epilogue) -> Function:
    """Write the task: all transforms and products of a block of tiles and a block of filters."""
    matrices = cook_toom(outputs, TAPS)
    transform = input_transform_function(module, layout, matrices.input, outputs)
    fused = epilogue_function(module, epilogue)
    transform_back = output_transform_function(module, layout, matrices.output, fused)
    multiply = _products(module, len(matrices.input) ** 2)

    @function(module)
    def task(
        code: Code,
        parameters: WinogradParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
        previous: Value,
    ) -> None:
        p, weight, bias, output = parameters, arrays.weight, arrays.bias, arrays.output
        input, distance = arrays.input, residual_distance(arrays)
        v = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        m, strip, result = v + p.m_offset, v + p.strip_offset, v + p.result_offset
        block, filter = number // p.filter_blocks, number % p.filter_blocks * p.filter_block
        group, first = block // p.tile_blocks, block % p.tile_blocks * p.tile_block
        tiles = (p.tiles - first).minimum(p.tile_block)
        group_input = input + group * p.channels * p.input_stride_c
        # A number that no block has, where the thread did no task before.
        block_in_workspace = previous // p.filter_blocks
        with code.if_((block_in_workspace < block) | (block_in_workspace > block)):
            transform.call(
                parameters=p, input=group_input, strip_buffer=strip, v=v, first=first, tiles=tiles
            )
        stop = (filter + p.filter_block).minimum(p.filters)
        u = weight + group * p.u_group_stride
        with code.loop(filter, stop, p.filter_part) as f:
            filters = (stop - f).minimum(p.filter_part)
            multiply.call(
                parameters=p, v=v, u=u + f * p.channels, m=m, tiles=tiles, filters=filters
            )
            first_filter = group * p.filters + f
            transform_back.call(
                parameters=p,
                input=group_input,
                m=m,
                buffer=result,
                weight=weight + (p.raw_weight_offset + first_filter * p.channels * TAPS**2),
                bias=bias + first_filter,
                output=output + first_filter * p.output_stride_c,
                first=first,
                tiles=tiles,
                filters=filters,
                residual_distance=distance,
            )

    return task


def _products(module: Module, elements: int) -> Function:
    """Write the function that computes M = V · U for every element of a tile."""
    multiply = product(module, None)
    width = multiply.width

    @function(module)
    def products(
        code: Code,
        parameters: WinogradParameters[Value],
        v: Pointer,
        u: Pointer,
        m: Pointer,
        tiles: Value,
        filters: Value,
    ) -> None:
        p = parameters
        with (
            code.loop(0, elements) as element,
            code.loop(0, p.channels, p.k_block) as channel,
            code.loop(0, filters, p.filters_in_l1) as f,
        ):
            together = (filters - f).minimum(p.filters_in_l1)
            multiply.function.call(
                a=v + (element * p.v_element_stride + channel),
                b=u + (element * p.u_element_stride + f * p.channels + channel * width),
                c=m + (element * p.m_element_stride + f),
                bias=v,  # is not read
                m=tiles,
                n=(together + (width - 1)) // width * width,
                k=(p.channels - channel).minimum(p.k_block),
                a_stride=p.v_tile_stride,
                b_panel_stride=p.channels * width,
                b_row_stride=width,
                c_stride=p.m_tile_stride,
                first=channel.equals(0).as_int(),
            )

    return products
