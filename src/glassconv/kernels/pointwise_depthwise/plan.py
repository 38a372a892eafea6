"""The plan of a pair: whether the kernel supports it, its time, and its compiled code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import Target
from glassconv.kernels.depthwise_parts.nhwc import InputAccess, input_access_of, tap_pattern_in
from glassconv.kernels.depthwise_parts.register_tile import TapPattern
from glassconv.kernels.gemm_parts.blocking import panel_width
from glassconv.kernels.gemm_parts.parameters import MAX_K_BLOCK
from glassconv.kernels.pointwise_depthwise.blocks import PairBlocking, blocking, parameters_of
from glassconv.kernels.pointwise_depthwise.task import emit_task
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.reports.verdict import Verdict

NAME = "pointwise_depthwise"
MIN_MACS_PER_TASK = 500_000


def supports(pointwise: ConvProblem, depthwise: ConvProblem, target: Target) -> Verdict:
    """Return whether the kernel computes two convolutions, of which the second reads the first."""
    if not supports_common(depthwise) or depthwise.ndim != 2:
        return Verdict(False, "requires two spatial axes, and float32 or float64")
    lanes = target.lanes(depthwise.dtype)
    steps = {*pointwise.kernel_size, *pointwise.stride, pointwise.groups}
    if pointwise.output_shape != depthwise.input_shape or steps != {1} or pointwise.is_padded:
        return Verdict(False, "requires a 1 × 1 convolution with stride 1, without padding")
    if pointwise.in_channels > MAX_K_BLOCK:
        return Verdict(False, f"requires an input of at most {MAX_K_BLOCK} channels")
    is_depthwise = depthwise.groups == depthwise.in_channels == depthwise.out_channels
    if not is_depthwise or {*depthwise.dilation} != {1}:
        cause = "requires a depthwise convolution with a filter for each channel, without dilation"
        return Verdict(False, cause)
    if depthwise.out_channels % lanes or input_access_of(depthwise, lanes).is_copied:
        return Verdict(False, "requires whole vectors of channels, and a common depthwise kernel")
    return Verdict(True, "rows of the 1 × 1 convolution stay in L2 for the depthwise one")


@dataclass(frozen=True)
class PairPlan:
    """A compiled kernel with its parameters, for arrays in NHWC without gaps."""

    kernel: Compiled
    parameters: Any  # the kernel's structs, packed
    tasks: int
    max_threads: int  # more threads would cost more time than they save
    blocking: PairBlocking
    panel_width: int  # filters of a panel

    def pack(
        self, pointwise: Tensor, pointwise_bias: Tensor, depthwise: Tensor, depthwise_bias: Tensor
    ) -> Tensor:
        """Return the weights of both as the kernel reads them, [unit, elements of a unit].

        A unit has the panels of its filters of 1 × 1, [panel, k, filter], their bias, its depthwise
        filters, [tap, channel], and their bias.
        """
        unit, width = self.blocking.unit_channels, self.panel_width
        filters = pointwise.reshape(-1, unit, pointwise.shape[1])
        padded = F.pad(filters, (0, 0, 0, -unit % width))
        panels = padded.reshape(len(filters), -1, width, pointwise.shape[1])
        taps = depthwise.reshape(-1, unit, prod(depthwise.shape[1:]))
        parts = (
            panels.transpose(2, 3),
            pointwise_bias.reshape(-1, unit),
            taps.transpose(1, 2),
            depthwise_bias.reshape(-1, unit),
        )
        return torch.cat([each.flatten(1) for each in parts], 1)


def plan(
    pointwise: ConvProblem,
    depthwise: ConvProblem,
    target: Target,
    threads: int,
    first: Epilogue,
    second: Epilogue,
) -> PairPlan:
    """Plan a supported pair; first, second: the activation behind each convolution."""
    blocks, lanes = blocking(depthwise, target, threads), target.lanes(depthwise.dtype)
    parameters, of_depthwise = parameters_of(pointwise.in_channels, depthwise, target, blocks)
    pattern, access = tap_pattern_in(depthwise), input_access_of(depthwise, lanes)
    tasks = tasks_of(depthwise, blocks)
    return PairPlan(
        _compile(depthwise.dtype, pattern, access, target, first, second),
        pack(parameters, of_depthwise),
        tasks,
        max_threads(pointwise, depthwise, tasks),
        blocks,
        panel_width=panel_width(depthwise.dtype, target),
    )


def max_threads(pointwise: ConvProblem, depthwise: ConvProblem, tasks: int) -> int:
    """Return how many threads so many tasks are worth."""
    return max(1, min(tasks, (pointwise.macs + depthwise.macs) // MIN_MACS_PER_TASK))


def tasks_of(depthwise: ConvProblem, blocks: PairBlocking) -> int:
    """Return how many tasks a pair is."""
    units = depthwise.out_channels // blocks.unit_channels
    return depthwise.batch * units * ceil(depthwise.output_size[0] / blocks.strip_rows)


@cache
def _compile(
    dtype: str,
    pattern: TapPattern,
    access: InputAccess,
    target: Target,
    first: Epilogue,
    second: Epilogue,
) -> Compiled:
    module = Module(NAME, dtype, target)
    in_parallel(module, emit_task(module, pattern, access, first, second))
    return compiled(module, NAME)
