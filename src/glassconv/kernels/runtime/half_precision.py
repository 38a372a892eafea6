"""bfloat16 and float16: computed by the float32 kernels, and rounded once.

    output = round(kernel(widen(input), pack(widen(weight)), widen(bias), widen(residual)))

Each number of 16 bits is a number of float32, so widening is exact. Products, sums, residual and
activation are those of float32, and the output is rounded to the nearest number of 16 bits, the
even one of two. NaN and infinity stay what they are. The weight is widened as it is packed, so a
call widens the input and rounds the output, at the bandwidth of caches or memory
(docs/adr/0018 has the alternatives).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from math import inf, prod

import torch
from torch import Tensor

from glassconv.codegen.jit import Compiled
from glassconv.kernels.runtime.cost_model import activation_bytes
from glassconv.kernels.runtime.packed_weights import Packing
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem.problem import Problem
from glassconv.reports.machine import Machine


@dataclass(frozen=True)
class HalfPrecisionPlan(Plan):
    """A plan for arrays of 16 bits. The fields of `Plan` are those of the plan in float32."""

    in_float32: Plan | None = None

    def compute(
        self, input: Tensor, packed: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output for a weight that is widened and packed."""
        assert self.in_float32 is not None
        output = self.in_float32.compute(
            self._widened(input),  # which is freed before memory is taken for the result
            packed,
            None if bias is None else bias.float(),
            None if residual is None else residual.float(),
        )
        return output.to(input.dtype)

    def _widened(self, input: Tensor) -> Tensor:
        """Return the input in float32, without gaps between its elements."""
        if input.stride() == self.strides:
            return input.float()
        return torch.empty_strided(input.shape, self.strides, dtype=torch.float32).copy_(input)

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Return the strides of the input in float32."""
        if self.problem.ndim == 3:
            sizes = self.problem.input_shape
            return tuple(prod(sizes[axis + 1 :]) for axis in range(len(sizes)))
        batch, channel, *pixels = self.layout.strides
        return (batch, channel, *pixels[-self.problem.ndim :])

    def kept_workspace(self, threads: int) -> int:
        """Return how many bytes of `workspace` so many threads use, in float32."""
        assert self.in_float32 is not None
        return self.in_float32.kept_workspace(threads)

    @property
    def main_kernel(self) -> Compiled:
        """Return the kernel that multiplies, in float32."""
        assert self.in_float32 is not None
        return self.in_float32.main_kernel


def half_precision_plan(problem: Problem, in_float32: Plan) -> HalfPrecisionPlan:
    """Return the plan of a problem in 16 bits, from that of the same problem in float32.

    in_float32: for inputs without gaps between their elements.
    """
    given = {field.name: getattr(in_float32, field.name) for field in fields(Plan)}
    given["problem"] = problem
    given["loops"] = (
        "the input in float32",
        *in_float32.loops,
        f"the output rounded to {problem.dtype}",
    )
    given["pack"] = WidenAndPack(in_float32.pack, in_float32.packed_elements)
    given["plan_of_filters"] = None  # all filters are widened and packed together
    if isinstance(in_float32.otherwise, Plan):
        given["otherwise"] = half_precision_plan(problem, in_float32.otherwise)
    return HalfPrecisionPlan(**given, in_float32=in_float32)


@dataclass(frozen=True)
class WidenAndPack:
    """The packing of a weight of 16 bits: widened, then packed for the kernel."""

    pack: Packing | None
    elements: int  # of the packed weight

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor | None:
        """Return the weight as the kernel in float32 reads it, None where that refuses it."""
        widened = weight.float()
        return widened.contiguous() if self.pack is None else self.pack(widened, memory)


def conversion_seconds(problem: Problem, machine: Machine) -> float:
    """Return how long it takes to widen the input and to round the output.

    Each takes the time of a small call of PyTorch's. The arrays in float32 are new, so they are not
    in a cache.
    """
    moved = activation_bytes(problem) + activation_bytes(problem.widened())
    bytes_per_second = machine.threads * machine.bandwidth(inf, machine.threads)
    return 2 * (machine.pytorch.call + machine.region) + moved / bytes_per_second
