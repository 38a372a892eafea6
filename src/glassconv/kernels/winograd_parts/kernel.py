"""Compiled Winograd convolution: input transform, matrix products and output transform in cache.

    V[element, tile, channel] = Bᵀ d B      U[element, channel, filter] = G g Gᵀ, once per weight
    M[element, tile, filter] = V · U        output tile = Aᵀ M A + bias

V and U are scaled by powers of two, which keep small numbers from underflow
(algorithms/parts/winograd_scale.py); the output transform undoes them as it adds the bias.

A task computes a block of tiles × a block of filters of one group. It transforms the input tiles of
all channels, or reuses those that the previous task of its thread has left in the workspace. It
then processes the filters in parts, so that M is still in L2 when it is transformed.

The modules in order of execution: packing with filter_transform, once per weight; strips,
input_transform, microkernel/matrix_product, output_transform. Tiles whose outputs the transforms
may not keep within their bound are found in the input transform (flatness) and computed directly in
the output transform (direct).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import ceil, prod

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack as pack_parameters
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.epilogue import emit_epilogue
from glassconv.kernels.microkernel.matrix_product import product
from glassconv.kernels.runtime.blocking import round_up, tasks_wanted
from glassconv.kernels.runtime.cost_model import Work
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.kernels.runtime.plan import Plan, filters_at_once
from glassconv.kernels.runtime.support import supports_common
from glassconv.kernels.winograd_parts.input_transform import emit_input_transform
from glassconv.kernels.winograd_parts.loop_text import describe_loops
from glassconv.kernels.winograd_parts.output_transform import emit_output_transform
from glassconv.kernels.winograd_parts.packing import PACKING_CALLS, packing
from glassconv.kernels.winograd_parts.parameters import (
    KERNEL_SIZE,
    MAX_K_BLOCK,
    WinogradBlocking,
    WinogradParameters,
    parameters_of,
    size_of_tile,
)
from glassconv.kernels.winograd_parts.work import packing_phases, phases_of
from glassconv.mathematics.decomposed import decomposed
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import Layout
from glassconv.reports.verdict import Verdict

# Fewer tiles per task keep V and M in L2, but U is reread for each task.
MAX_TILES_PER_TASK, MAX_TILES_PER_TASK_LARGE_U = 36, 54
LARGE_U_BYTES = 10 << 20  # larger than the last-level cache
FILTERS_PER_OUTPUT_TRANSFORM = 64  # so that M stays in L2
# Splitting over filters repeats the input transform per thread; over tiles, each thread reads U.
MAX_FILTERS_PER_TILE = 4  # beyond this ratio, rereading U is more expensive


def supports(problem: ConvProblem, stride: int = 1) -> Verdict:
    """Return whether the problem is 2D with 3×3 kernels, this stride and dilation 1."""
    if problem.ndim != 2:
        return Verdict(False, f"requires a 2D convolution, got {problem.ndim}D")
    if set(problem.kernel_size) != {KERNEL_SIZE}:
        size = "×".join(map(str, problem.kernel_size))
        return Verdict(False, f"requires kernel size 3×3, got {size}")
    if {*problem.stride} != {stride} or {*problem.dilation} != {1}:
        got, dilation = ("×".join(map(str, n)) for n in (problem.stride, problem.dilation))
        reason = (
            f"requires stride {stride} and dilation 1, got stride {got} and dilation {dilation}"
        )
        return Verdict(False, reason)
    common = supports_common(problem)
    if not common:
        return common
    return Verdict(True, "Winograd with register-tiled matrix products")


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue,
    tile_outputs: int,
    min_macs_per_task: int,
) -> Plan:
    """Plan a supported problem, for inputs in the given memory layout.

    tile_outputs: outputs of a tile along each axis. min_macs_per_task: with fewer multiply-adds of
    direct convolution, a task is not worth another thread.
    """
    blocks = blocking(problem, layout, target, threads, tile_outputs, min_macs_per_task)
    parameters = parameters_of(problem, layout, target, tile_outputs, blocks)
    tasks = problem.groups * parameters.tile_blocks * parameters.filter_blocks

    def plan_of_filters(count: int) -> Plan:
        few = replace(problem, out_channels=count)
        slice_of = replace(layout, output=(parameters.output_stride_n, parameters.output_stride_w))
        return plan(few, slice_of, target, threads, epilogue, tile_outputs, min_macs_per_task)

    return Plan(
        problem,
        layout,
        _compile(tile_outputs, problem.stride[0], problem.dtype, layout.name, target, epilogue),
        blocks,
        pack_parameters(parameters),
        tasks,
        parameters.workspace_bytes,
        max_threads=max(1, min(tasks, problem.macs // min_macs_per_task)),
        pack=packing(problem, tile_outputs, target),
        loops=describe_loops(problem, parameters, target, tile_outputs),
        plan_of_filters=plan_of_filters if problem.groups == 1 else None,
    )


def work(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    tile_outputs: int,
    min_macs_per_task: int,
) -> Work:
    """Return what the kernel does for a problem; parameters as those of `plan`."""
    blocks = blocking(problem, layout, target, threads, tile_outputs, min_macs_per_task)
    parameters = parameters_of(problem, layout, target, tile_outputs, blocks)
    tasks = problem.groups * parameters.tile_blocks * parameters.filter_blocks
    team = min(threads, max(1, min(tasks, problem.macs // min_macs_per_task)))
    phases = phases_of(problem, layout, target, tile_outputs, parameters, team)
    packed_bytes = packing(problem, tile_outputs, target).elements * problem.format.bytes
    at_once = filters_at_once(problem.out_channels, packed_bytes)
    times = ceil(problem.out_channels / at_once) if problem.groups == 1 else 1
    # Where the weight has changed, the input is transformed again for each block of filters.
    transformed_again = phases[:1] * (times - 1)
    return Work(
        phases,
        tasks,
        team,
        checked_bytes=problem.weight_bytes,
        packing=(*packing_phases(problem, tile_outputs, target, parameters), *transformed_again),
        packing_calls=times * PACKING_CALLS,
    )


def blocking(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    tile_outputs: int,
    min_macs_per_task: int,
) -> WinogradBlocking:
    """Return the blocks of a problem."""
    element, lanes = ELEMENT_BYTES[problem.dtype], target.lanes(problem.dtype)
    rows, width = target.tile()[0], target.tile()[1] * lanes
    tile_elements = size_of_tile(tile_outputs, problem.stride[0]) ** 2
    tiles = _tiles(problem, tile_outputs)
    target_tasks = ceil(tasks_wanted(problem, threads, min_macs_per_task) / problem.groups)
    channels = problem.weight_shape[1]
    padded_filters = round_up(problem.gemm.m, width)
    u_bytes = tile_elements * padded_filters * channels * element
    max_tiles = MAX_TILES_PER_TASK if u_bytes <= LARGE_U_BYTES else MAX_TILES_PER_TASK_LARGE_U
    tile_blocks = max(1, ceil(tiles / max_tiles))
    num_threads = min(threads, target_tasks)
    if problem.gemm.m <= MAX_FILTERS_PER_TILE * tiles and tiles >= 2 * rows * num_threads:
        tile_blocks = round_up(tile_blocks, 2 * num_threads)
    panels = padded_filters // width
    filter_blocks = (
        1 if tile_blocks >= num_threads else min(panels, ceil(target_tasks / tile_blocks))
    )
    filter_block = ceil(panels / filter_blocks) * width
    panel_bytes = min(channels, MAX_K_BLOCK) * width * element
    return WinogradBlocking(
        tile_block=max(1, ceil(tiles / tile_blocks)),
        filter_block=filter_block,
        filters_per_output_transform=min(filter_block, max(width, FILTERS_PER_OUTPUT_TRANSFORM)),
        filters_in_l1=width * max(1, target.l1 // 2 // panel_bytes),
    )


def _tiles(problem: ConvProblem, tile_outputs: int) -> int:
    return problem.batch * prod(ceil(size / tile_outputs) for size in problem.output_size)


# -- in machine code --------------------------------------------------------------------------


@cache
def _compile(
    tile_outputs: int, stride: int, dtype: str, layout: str, target: Target, epilogue: Epilogue
) -> Compiled:
    name = f"winograd{tile_outputs}" if stride == 1 else "winograd_pieces"
    module = Module(name, dtype, target)
    in_parallel(module, _emit_task(module, layout, tile_outputs, stride, epilogue))
    return compiled(module, module.name)


def _emit_task(
    module: Module, layout: str, tile_outputs: int, stride: int, epilogue: Epilogue
) -> Function:
    """Emit the task function for a block of tiles and a block of filters."""
    matrices = decomposed(tile_outputs, KERNEL_SIZE, stride)
    transform_input = emit_input_transform(module, layout, matrices.input, tile_outputs, stride)
    fused = emit_epilogue(module, epilogue)
    transform_output = emit_output_transform(module, layout, matrices.output, stride, fused)
    multiply = _emit_products(module, len(matrices.input) ** 2)

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
        input, offset = arrays.input, residual_offset(arrays)
        v = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        m, uneven, result = v + p.m_offset, v + p.uneven_offset, v + p.result_offset
        block, filter = number // p.filter_blocks, number % p.filter_blocks * p.filter_block
        group, first_tile = block // p.tile_blocks, block % p.tile_blocks * p.tile_block
        tiles = (p.tiles - first_tile).minimum(p.tile_block)
        group_input = input + group * p.channels * p.input_stride_c
        # Not a valid block if the thread has done no task before.
        previous_block = previous // p.filter_blocks
        with code.if_((previous_block < block) | (previous_block > block)):
            transform_input.call(
                parameters=p,
                input=group_input,
                strip_buffer=v + p.strip_offset,
                sums=v + p.sums_offset,
                slack=weight + p.slack_offset,
                test_buffer=result,
                v=v,
                uneven=uneven,
                first_tile=first_tile,
                tiles=tiles,
            )
        stop = (filter + p.filter_block).minimum(p.filters)
        u = weight + group * p.u_group_stride
        group_weight = weight + (p.weight_offset + group * p.weight_group_stride)
        undo = weight + (p.undo_offset + group * p.undo_group_stride)
        with code.loop(filter, stop, p.filters_per_output_transform) as f:
            filters = (stop - f).minimum(p.filters_per_output_transform)
            multiply.call(
                parameters=p, v=v, u=u + f * p.channels, m=m, tiles=tiles, filters=filters
            )
            first_filter = group * p.filters + f
            transform_output.call(
                parameters=p,
                input=group_input,
                m=m,
                uneven=uneven,
                buffer=result,
                weight=group_weight + f * (p.channels * KERNEL_SIZE**2),
                undo=undo + f,
                bias=bias + first_filter,
                output=output + first_filter * p.output_stride_c,
                first_tile=first_tile,
                tiles=tiles,
                filters=filters,
                residual_offset=offset,
            )

    return task


def _emit_products(module: Module, tile_elements: int) -> Function:
    """Emit the function that computes M = V · U for every element of a tile."""
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

        def offset_of_u(element: Value, channel: Value, f: Value) -> Value:
            return element * p.u_element_stride + channel * width + f * p.channels

        with (
            code.loop(0, tile_elements) as element,
            code.loop(0, p.channels, p.k_block) as channel,
            code.loop(0, filters, p.filters_in_l1) as f,
        ):
            panels = ((filters - f).minimum(p.filters_in_l1) + (width - 1)) // width
            start = offset_of_u(element, channel, f)
            last_panel = start + (panels - 1) * (p.channels * width)
            # In the order of the loops; nothing follows the last element.
            next_f, next_channel = f + p.filters_in_l1, channel + p.k_block
            following = code.select(
                element + 1 < tile_elements,
                offset_of_u(element + 1, code.value(0), code.value(0)),
                last_panel,
            )
            following = code.select(
                next_channel < p.channels,
                offset_of_u(element, next_channel, code.value(0)),
                following,
            )
            following = code.select(
                next_f < filters, offset_of_u(element, channel, next_f), following
            )
            multiply.call(
                a=v + (element * p.v_element_stride + channel),
                b=u + start,
                c=m + (element * p.m_element_stride + f),
                bias=v,  # unused: no bias
                m=tiles,
                n=panels * width,
                k=(p.channels - channel).minimum(p.k_block),
                a_stride=p.v_tile_stride,
                b_panel_stride=p.channels * width,
                b_row_stride=width,
                c_stride=p.m_tile_stride,
                first=channel.equals(0).as_int(),
                b_next=following - last_panel,
            )

    return products
