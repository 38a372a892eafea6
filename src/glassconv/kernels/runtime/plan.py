"""The execution plan: everything that is determined before the values of tensors are known."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, prod
from typing import Any, Generic

import torch
from torch import Tensor

from glassconv.codegen.jit import Compiled
from glassconv.codegen.openmp import threads
from glassconv.codegen.pages import HUGE_PAGE, WORTHWHILE_BYTES, ask_for_huge_pages
from glassconv.codegen.struct import N
from glassconv.kernels.runtime.blocking import Blocking, round_up
from glassconv.kernels.runtime.packed_weights import (
    NOT_KEPT,
    DivisiblePacking,
    Packing,
    packed_once,
)
from glassconv.kernels.runtime.parameters import Arrays, pack_arrays
from glassconv.problem.memory_layout import Layout, output_strides
from glassconv.problem.problem import Problem

# A packed weight that is not kept and would be larger is packed by blocks of filters.
MAX_TEMPORARY_BYTES = 24 << 20
FILTERS_PER_PANEL = 32  # at most, of the targets' panels: fewer would be packed with padding


@dataclass(frozen=True)
class Launch(Generic[N]):
    """A kernel with its parameters and the addresses of its arrays: what one node of a program is.

    An address is a number, or stands for memory that is not there yet (`N` of `Arrays`).
    """

    kernel: Compiled
    parameters: Any
    arrays: Arrays[N]
    tasks: int
    max_threads: int  # more threads would cost more time than they save


@dataclass(frozen=True)
class Plan:
    """A compiled kernel with its parameters for one problem. Call it with the problem's tensors."""

    problem: Problem
    layout: Layout  # of the input
    kernel: Compiled
    blocking: Blocking
    parameters: Any  # the kernel's struct, packed
    tasks: int
    workspace_bytes: int  # per thread
    max_threads: int  # more threads would cost more time than they save
    pack: Packing | None  # packs the weight, or refuses it with None; None: it is used unpacked
    loops: tuple[str, ...] = ()  # a description of the loop nest, one line per loop
    hot_function: str = ""  # the generated function that takes most of the time, if known
    otherwise: Callable[..., Tensor] | None = None  # the call for weights that `pack` refuses
    # Plans a number of the filters, whose outputs are a slice of the output of all.
    plan_of_filters: Callable[[int], Plan] | None = None

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None = None
    ) -> Tensor:
        """Return the output in the input's memory layout; a residual needs the output's strides.

        Shapes are the problem's: input [batch, in_channels, *input_size] with the strides of
        `layout`, weight [out_channels, in_channels / groups, *kernel_size], bias [out_channels],
        residual and output [batch, out_channels, *output_size].
        """
        if self.pack is None:
            return self.compute(input, weight.contiguous(), bias, residual)
        packed = packed_once(weight, self.pack)
        if packed is NOT_KEPT:
            output = self._compute_packing(input, weight.detach(), bias, residual)
        else:
            output = None if packed is None else self.compute(input, packed, bias, residual)
        if output is None:
            assert self.otherwise is not None, "a plan whose `pack` refuses weights has `otherwise`"
            return self.otherwise(input, weight, bias, residual)
        return output

    def _compute_packing(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor | None:
        """Return the output for a weight whose packed form is not kept; None if it is refused."""
        if self.blocks_of_filters:
            return self._compute_by_blocks(input, weight, bias, residual)
        packed = self._packed_behind_workspace(weight)
        return None if packed is None else self.compute(input, packed, bias, residual)

    def _compute_by_blocks(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor | None:
        """Return the output, of some filters after the others; None if some are refused."""
        assert isinstance(self.pack, DivisiblePacking), "it has blocks of filters"
        output = self._empty_output(input)
        for filters, plan in self.blocks_of_filters:
            packed = plan._packed_behind_workspace(self.pack.filters(weight, filters))
            if packed is None:
                return None
            their_bias = None if bias is None else bias[filters]
            added = None if residual is None else residual[:, filters]
            plan._compute_into(output[:, filters], input, packed, their_bias, added)
        return output

    def _packed_behind_workspace(self, weight: Tensor) -> Tensor | None:
        """Return the packed weight in memory that the next call in this thread overwrites."""
        assert self.pack is not None, "only packed weights are kept or not"
        start = round_up(self.kept_workspace(threads()), HUGE_PAGE)
        return self.pack(weight, part_of_workspace(start, *self.packed_array))

    def compute(
        self, input: Tensor, packed: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output for a weight as the kernel reads it."""
        output = self._empty_output(input)
        self._compute_into(output, input, packed, bias, residual)
        return output

    def _empty_output(self, input: Tensor) -> Tensor:
        output = input.new_empty_strided(self.output_shape, self.output_strides)
        if self.has_huge_pages:
            ask_for_huge_pages(output.data_ptr(), output.nbytes)
        return output

    def _compute_into(
        self,
        output: Tensor,
        input: Tensor,
        packed: Tensor,
        bias: Tensor | None,
        residual: Tensor | None,
    ) -> None:
        """Write the output, whose strides are those of the plan."""
        bias = self.zero_bias if bias is None else bias.contiguous()
        num_threads = 1 if self.max_threads == 1 else min(threads(), self.max_threads)
        address = output.data_ptr()
        arrays = pack_arrays(
            input=input.data_ptr(),
            weight=packed.data_ptr(),
            bias=bias.data_ptr(),
            output=address,
            workspace=workspace(num_threads * self.workspace_bytes),
            residual=address if residual is None else residual.data_ptr(),
        )
        self.kernel.call(self.parameters, arrays, self.tasks, num_threads)

    def launches(self, arrays: Arrays[Any]) -> tuple[Launch[Any], ...]:
        """Return what computes the output of arrays at these addresses, one after another.

        The workspace has `workspace_size` bytes.
        """
        return (Launch(self.kernel, self.parameters, arrays, self.tasks, self.max_threads),)

    def workspace_size(self, threads: int) -> int:
        """Return how many bytes the workspace of so many threads has."""
        return threads * self.workspace_bytes

    def kept_workspace(self, threads: int) -> int:
        """Return how many bytes of `workspace` so many threads use."""
        return self.workspace_size(threads)

    @property
    def main_kernel(self) -> Compiled:
        """Return the kernel that multiplies, and that holds `hot_function`."""
        return self.kernel

    @cached_property
    def packed_array(self) -> tuple[int, torch.dtype]:
        """Return how many bytes the weight has as the kernel reads it, and its element type."""
        return self.packed_bytes, getattr(torch, self.problem.widened().dtype)

    @property
    def packed_bytes(self) -> int:
        """Return how large the weight is as the kernel reads it."""
        return self.packed_elements * self.problem.widened().format.bytes

    @property
    def packed_elements(self) -> int:
        """Return how many elements the weight has as the kernel reads it."""
        if self.pack is None:
            return prod(self.problem.weight_shape)
        return self.pack.elements

    @cached_property
    def blocks_of_filters(self) -> tuple[tuple[slice, Plan], ...]:
        """Return blocks of filters and their plans, for a weight whose packed form is not kept.

        There are none where all filters take at most `MAX_TEMPORARY_BYTES`, or are packed together.
        """
        pack, plan_of, filters = self.pack, self.plan_of_filters, self.problem.out_channels
        size = filters_at_once(filters, self.packed_bytes)
        if size >= filters or plan_of is None or not isinstance(pack, DivisiblePacking):
            return ()
        blocks = [slice(first, min(first + size, filters)) for first in range(0, filters, size)]
        sizes = {block.stop - block.start for block in blocks}
        plans = {size: replace(plan_of(size), pack=pack.of_filters(size)) for size in sizes}
        return tuple((block, plans[block.stop - block.start]) for block in blocks)

    @cached_property
    def output_shape(self) -> tuple[int, ...]:
        """Return [batch, out_channels, *output_size]."""
        return self.problem.output_shape

    @cached_property
    def output_strides(self) -> tuple[int, ...]:
        """Return the strides of the output, in the input's memory format."""
        return output_strides(self.problem, self.layout)

    @cached_property
    def zero_bias(self) -> Tensor:
        """Return a bias of zeros, [out_channels], for a problem without a bias."""
        return torch.zeros(self.problem.out_channels, dtype=getattr(torch, self.problem.dtype))

    @cached_property
    def has_huge_pages(self) -> bool:
        """Return whether huge pages are requested, because the output fills at least one."""
        return self.problem.output_bytes >= WORTHWHILE_BYTES

    def to_layout(self, residual: Tensor) -> Tensor:
        """Return a residual with the strides of the output, copied only if necessary."""
        if residual.stride() == self.output_strides:
            return residual
        shape, strides = self.output_shape, self.output_strides
        return residual.new_empty_strided(shape, strides).copy_(residual)


def filters_at_once(filters: int, packed_bytes: int) -> int:
    """Return how many filters are packed at once, of a weight that is not kept, in whole panels."""
    blocks = ceil(packed_bytes / MAX_TEMPORARY_BYTES)
    return round_up(ceil(filters / max(blocks, 1)), FILTERS_PER_PANEL)


NO_MEMORY = torch.empty(0, dtype=torch.uint8)


class _Workspace(threading.local):
    """An uninitialized buffer for each Python thread."""

    buffer: Tensor
    address: int
    size = -1
    parts: dict[tuple[int, int, torch.dtype], Tensor]  # views of the buffer


_workspace = _Workspace()


def workspace(size: int) -> int:
    """Return the address of a buffer of at least `size` bytes, one per Python thread."""
    if _workspace.size < size:
        _workspace.parts = {}
        _workspace.size, _workspace.buffer = -1, NO_MEMORY  # freed before the larger one is there
        _workspace.buffer, _workspace.size = on_huge_pages(round_up(size, HUGE_PAGE)), size
        _workspace.address = _workspace.buffer.data_ptr()
    return _workspace.address


def part_of_workspace(start: int, size: int, dtype: torch.dtype) -> Tensor:
    """Return so many bytes of the buffer, `start` bytes from its first."""
    workspace(start + size)
    part = _workspace.parts.get((start, size, dtype))
    if part is None:
        part = _workspace.buffer[start : start + size].view(dtype)
        _workspace.parts[start, size, dtype] = part
    return part


def on_huge_pages(size: int) -> Tensor:
    """Return uninitialized memory of so many bytes, which begins with a huge page.

    Caches are indexed by physical addresses: on small pages, memory that should fill L2 conflicts
    with itself more in one process than in another.
    """
    buffer = torch.empty(size + HUGE_PAGE, dtype=torch.uint8)
    ask_for_huge_pages(buffer.data_ptr(), buffer.nbytes)
    start = round_up(buffer.data_ptr(), HUGE_PAGE) - buffer.data_ptr()
    return buffer[start : start + size]
