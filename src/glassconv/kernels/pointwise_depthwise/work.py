"""What the kernel does for a pair, counted from its blocks, and whether that takes less time."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf

from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels import depthwise as depthwise_kernel
from glassconv.kernels import implicit_gemm
from glassconv.kernels.depthwise_parts import nhwc
from glassconv.kernels.depthwise_parts.nhwc import input_access_of, tap_pattern_in
from glassconv.kernels.depthwise_parts.work import phases_nhwc
from glassconv.kernels.pointwise_depthwise.blocks import blocking
from glassconv.kernels.pointwise_depthwise.plan import max_threads, tasks_of
from glassconv.kernels.runtime.cost_model import Phase, Stream, Work, product_loops, seconds
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NHWC, contiguous
from glassconv.reports.machine import Machine


def pays(pointwise: ConvProblem, depthwise: ConvProblem, target: Target, machine: Machine) -> bool:
    """Return whether one kernel is predicted to take less time for a pair than two kernels."""
    threads = machine.threads
    layouts = [contiguous(each, NHWC) for each in (pointwise, depthwise)]
    product = implicit_gemm.work(pointwise, layouts[0], target, threads)
    # The last of its phases is the product: a plan has packed the weights before.
    apart = (
        replace(product, phases=product.phases[-1:]),
        depthwise_kernel.work(depthwise, layouts[1], target, threads),
    )
    together = seconds_together(pointwise, depthwise, target, machine)
    return together < sum(seconds(each, _of_plans(machine), NHWC) for each in apart)


def seconds_together(
    pointwise: ConvProblem, depthwise: ConvProblem, target: Target, machine: Machine
) -> float:
    """Return the predicted time of the kernel in a plan."""
    return seconds(work(pointwise, depthwise, target, machine.threads), _of_plans(machine), NHWC)


def _of_plans(machine: Machine) -> Machine:
    """Return a machine whose calls take no time: a plan makes none for a kernel."""
    return replace(machine, call=0.0, dispatch=0.0)


def work(pointwise: ConvProblem, depthwise: ConvProblem, target: Target, threads: int) -> Work:
    """Return what the kernel does for a supported pair."""
    blocks, lanes = blocking(depthwise, target, threads), target.lanes(depthwise.dtype)
    element = ELEMENT_BYTES[depthwise.dtype]
    rows, columns = depthwise.axes
    tasks, chunks = tasks_of(depthwise, blocks), ceil(blocks.strip_rows / blocks.chunk_rows)
    # Rows that the next chunk reads again are not computed again, those of the next strip are.
    between = (blocks.strip_rows - 1) * rows.stride + rows.kernel_size
    between = min(between, rows.input_size)
    pixels = between * columns.input_size
    product = product_loops(
        ceil(pixels / chunks), blocks.unit_channels, pointwise.in_channels, tasks * chunks,
        target.tile(), lanes, tall=target.has_spare_row(), has_wide=target.has_mask_registers,
    )  # fmt: skip
    written = tasks * pixels * blocks.unit_channels * element
    layout = contiguous(depthwise, NHWC)
    parameters, _ = nhwc.parameters_of(
        depthwise, layout, target, nhwc.blocking(depthwise, layout, target, tasks)
    )
    access = input_access_of(depthwise, lanes)
    *_, tiles = phases_nhwc(depthwise, target, parameters, tap_pattern_in(depthwise), access)
    units = depthwise.out_channels // blocks.unit_channels
    footprint = pointwise.input_bytes + depthwise.output_bytes
    phases = (
        Phase(
            tuple(product),
            (
                Stream(pointwise.weight_bytes + depthwise.weight_bytes, inf),
                Stream(pointwise.input_bytes, footprint),
                Stream((units - 1) * pointwise.input_bytes, pointwise.input_bytes),
                Stream(2 * written, blocks.workspace_bytes),
            ),
        ),
        Phase(
            tiles.loops,
            (
                Stream(written, blocks.workspace_bytes),
                Stream(2 * depthwise.output_bytes, footprint),
            ),
        ),
    )
    return Work(phases, tasks, min(threads, max_threads(pointwise, depthwise, tasks)))
