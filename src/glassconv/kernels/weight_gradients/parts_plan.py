"""The plan of a gradient in parts, each computed by tasks of its own and then added in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads as available_threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import words_of
from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.plan import workspace
from glassconv.kernels.weight_gradients.gemm_parts.sums import emit_task_sums
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout


@dataclass(frozen=True)
class Round:
    """The parts that are computed at once, and then added to the gradient."""

    parameters: Any  # packed
    sum_parameters: Any
    tasks: int


@dataclass(frozen=True)
class PartsPlan(GradientPlan):
    """The kernel of the parts and that of their addition. Call it with the arrays."""

    problem: ConvProblem
    layout: Layout
    kernel: Compiled
    add_parts: Compiled
    rounds: dict[bool, tuple[Round, ...]]  # by whether the bias's gradient is computed
    sum_tasks: int
    max_threads: int
    sums_elements: int
    workspace_bytes: int  # per thread
    loops: tuple[str, ...]  # a description of the loop nest, one line per loop

    def compute(self, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the gradients of weight and, unless it is None, of the bias to these arrays."""
        num_threads, with_bias = min(available_threads(), self.max_threads), bias is not None
        sums_bytes = round_up(self.sums_elements * self.problem.format.bytes, CACHE_LINE)
        memory = workspace(sums_bytes + num_threads * self.workspace_bytes)
        arrays = words_of(
            input.data_ptr(),
            grad.data_ptr(),
            self.zeros.data_ptr(),
            memory,
            memory + sums_bytes,
        )
        address = weight.data_ptr()
        sums = words_of(memory, address, address if bias is None else bias.data_ptr())
        for each in self.rounds[with_bias]:
            self.kernel.call(each.parameters, arrays, each.tasks, num_threads)
            self.add_parts.call(each.sum_parameters, sums, self.sum_tasks, num_threads)

    def empty_weight(self, input: Tensor) -> Tensor:
        """Return memory for the weight's gradient, which has channels last if the input has."""
        if self.layout.name == NCHW:
            return super().empty_weight(input)
        filters, channels, *kernel_size = self.problem.weight_shape
        return input.new_empty(filters, *kernel_size, channels).movedim(-1, 1)

    @cached_property
    def zeros(self) -> Tensor:
        """Return zeros, [out_channels / groups], which sums start from."""
        return torch.zeros(self.problem.gemm.m, dtype=getattr(torch, self.problem.dtype))


@cache
def compile_sums(dtype: str, target: Target) -> Compiled:
    """Return the kernel that adds parts."""
    module = Module("add_parts", dtype, target)
    in_parallel(module, emit_task_sums(module))
    return compiled(module, "add_parts")
