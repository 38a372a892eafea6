"""Compiled weight gradient in the published order: the same bits for any threads, layout, vectors.

The order is that of algorithms/parts/ordered_gradients.py. The register tile of gemm.py has it
if a block of pixels is one of the order, and if parts are whole images, or blocks of a single one.
Depthwise convolutions have filters in the lanes. Three spatial axes, and more taps than gemm.py
takes, are computed by the definition, compiled.

Padding is multiplied as zero, which changes no bit of a sum if the output's gradient is finite
(docs/reproducible.md). Other output gradients are left to the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from torch import Tensor

from glassconv.algorithms.ordered import BLOCK
from glassconv.algorithms.parts.ordered_gradients import sum_over_pixels
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.gemm_parts.parameters import segments_of
from glassconv.kernels.weight_gradients import gemm
from glassconv.kernels.weight_gradients.gemm_parts.blocking import (
    ROWS_AT_ONCE,
    GradientBlocking,
    blocking_of,
    channel_block_of,
    parts_wanted,
)
from glassconv.kernels.weight_gradients.ordered_parts.definition import definition_plan
from glassconv.kernels.weight_gradients.ordered_parts.filters_in_lanes import lanes_plan
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout, contiguous
from glassconv.problem.operands import is_finite

DEFINITION, LANES, PRODUCT = "definition", "filters in lanes", "product"


@dataclass(frozen=True)
class OrderedGradientPlan(GradientPlan):
    """The plans of the gradients of weight and bias, in one published order."""

    problem: ConvProblem
    layout: Layout
    target: Target
    way: str
    of_weight: GradientPlan
    otherwise: GradientPlan | None  # for output gradients that are not finite
    loops: tuple[str, ...]

    def empty_weight(self, input: Tensor) -> Tensor:
        """Return memory for the weight's gradient, in the layout in which it is written."""
        return self.of_weight.empty_weight(input)

    def compute(self, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the gradients of weight and, unless it is None, of the bias to these arrays."""
        if self.otherwise is not None and not is_finite(grad):
            self.otherwise.compute(input, grad, weight, None)
        elif self.way == PRODUCT:
            self.of_weight.compute(input, grad, weight, bias)
            return
        else:
            self.of_weight.compute(input, grad, weight, None)
        if bias is not None:
            ones = grad.new_ones(self.of_bias.problem.input_shape)
            self.of_bias.compute(ones, grad, bias, None)

    @cached_property
    def of_bias(self) -> GradientPlan:
        """Return the plan of the bias's gradient: that of a weight which multiplies ones."""
        ones = sum_over_pixels(self.problem)
        layout, target = contiguous(ones, self.layout.name), self.target
        return gemm.plan_of(ones, layout, target, blocking(ones, layout, target))


def plan(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> OrderedGradientPlan:
    """Plan a problem of float32 or float64, for contiguous arrays in this layout."""
    way, otherwise = _way(problem, layout, target), definition_plan(problem, layout, target)
    of_weight: GradientPlan = otherwise
    if way == LANES:
        of_weight = lanes_plan(problem, layout, target)
    elif way == PRODUCT:
        of_weight = gemm.plan_of(problem, layout, target, blocking(problem, layout, target))
    return OrderedGradientPlan(
        problem,
        layout,
        target,
        way,
        of_weight,
        otherwise if problem.is_padded and way != DEFINITION else None,
        of_weight.loops,
    )


def blocking(problem: ConvProblem, layout: Layout, target: Target) -> GradientBlocking:
    """Return the blocks of matrix products: a block of pixels is one of the published order.

    The sums of an image begin at +0, so a part is an image. If an image is a single block, or the
    only image, its sum may be part of a longer one.
    """
    rows = ROWS_AT_ONCE * ELEMENT_BYTES["float32"] // ELEMENT_BYTES[problem.dtype]
    rows = max(rows, segments_of(problem, layout).length)
    channel_block = channel_block_of(problem, layout, rows)
    pixels = prod(problem.output_size)
    blocks_per_image = ceil(pixels / BLOCK)
    parts = parts_wanted(problem, layout, target, channel_block)
    if parts == 1 and 1 in (blocks_per_image, problem.batch):
        blocks_per_part = problem.batch * blocks_per_image
    else:
        blocks_per_part = 1 if problem.batch == 1 else blocks_per_image
    return blocking_of(
        problem, layout, target, channel_block, min(pixels, BLOCK), 1,
        blocks_per_part=blocks_per_part, parts_at_once=parts,
    )  # fmt: skip


def _way(problem: ConvProblem, layout: Layout, target: Target) -> str:
    """Return which of the tasks a problem takes."""
    if problem.ndim == 3 or prod(problem.kernel_size) > gemm.MAX_TAPS:
        return DEFINITION
    is_depthwise = problem.weight_shape[1] == 1 and problem.groups > 1
    most_filters = target.lanes(problem.dtype) // 2 if layout.name == NCHW else 1
    if is_depthwise and problem.gemm.m <= most_filters:
        return LANES
    return PRODUCT
