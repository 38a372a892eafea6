"""Packing: the filters of a weight in rows, as kernels of channels first read them.

    packed[group, filter, channel · taps + tap] = weight[group, filter, channel, tap]

A weight in PyTorch's order is such rows already. That of a transposed convolution has its filters
along the second axis, and its taps in reverse. A task packs some filters. Of a 1 × 1 kernel whose
filters are adjacent in memory, blocks of filters and channels are transposed in registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from math import ceil
from typing import Any

from torch import Tensor

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack, table_after, words_of
from glassconv.codegen.target import Target
from glassconv.kernels.runtime.packed_weights import memory_for
from glassconv.kernels.runtime.panels import (
    MIN_ELEMENTS_PER_THREAD,
    Filters,
    PanelArrays,
    flipped_filters_of,
)

FILTERS_PER_TASK = 64  # so many float32 filters are four cache lines
CHANNELS_AT_ONCE = 16  # whose lines stay in L1 for all filters of a task


@dataclass(frozen=True)
class FlippedRows:
    """Packs a transposed convolution's weight as the filters of the convolution that it equals."""

    groups: int
    elements: int  # of the packed weight
    dtype: str
    target: Target

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor:
        """Return the packed weight, in memory that is given or new."""
        packed = memory_for(self.elements, weight, memory)
        rows = _flipped(self, weight.shape, weight.stride())
        rows.pack(weight.data_ptr(), packed.data_ptr(), self.dtype, self.target)
        return packed


@lru_cache(maxsize=256)
def _flipped(packing: FlippedRows, shape: tuple[int, ...], strides: tuple[int, ...]) -> RowPacking:
    filters = flipped_filters_of(shape, strides, packing.groups)
    return row_packing_of(filters, packing.target.lanes(packing.dtype))


@dataclass(frozen=True)
class RowParameters(Struct[N]):
    """The kernel's parameters; a table of `Filters.filters` and `Filters.taps` follows them."""

    filters: N  # of a group
    channels: N
    taps: N
    group_stride: N
    channel_stride: N
    tasks_per_group: N


@dataclass(frozen=True)
class RowPacking:
    """The kernel's parameters, settled before there are addresses."""

    parameters: Any  # packed
    tasks: int
    elements: int  # packed
    is_transpose: bool  # of matrices that are as large as a vector at least

    def pack(self, weight: int, packed: int, dtype: str, target: Target) -> None:
        """Pack the elements at one address into rows at another."""
        num_threads = max(1, min(threads(), self.elements // MIN_ELEMENTS_PER_THREAD))
        kernel = _kernel(dtype, target, self.is_transpose)
        kernel.call(self.parameters, words_of(weight, packed), self.tasks, num_threads)


def row_packing_of(filters: Filters, lanes: int) -> RowPacking:
    """Return how the filters of a weight are packed, by vectors of so many lanes."""
    count, taps = len(filters.filters), len(filters.taps)
    tasks_per_group = ceil(count / FILTERS_PER_TASK)
    parameters = RowParameters(
        filters=count,
        channels=filters.channels,
        taps=taps,
        group_stride=filters.group_stride,
        channel_stride=filters.channel_stride,
        tasks_per_group=tasks_per_group,
    )
    first = filters.filters[0] if count else 0
    are_adjacent = filters.filters == tuple(range(first, first + count))
    return RowPacking(
        pack(parameters, filters.filters + filters.taps),
        filters.groups * tasks_per_group,
        filters.groups * count * filters.channels * taps,
        is_transpose=taps == 1 and are_adjacent and min(count, filters.channels) >= lanes,
    )


@cache
def _kernel(dtype: str, target: Target, is_transpose: bool) -> Compiled:
    module = Module("filter_rows", dtype, target)
    pack_filters = _emit_transpose(module) if is_transpose else _emit_copy(module)

    @function(module)
    def pack_task(
        code: Code,
        parameters: RowParameters[Value],
        arrays: PanelArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        group, first = number // p.tasks_per_group, number % p.tasks_per_group * FILTERS_PER_TASK
        pack_filters.call(
            parameters=p,
            weight=arrays.weight + group * p.group_stride,
            packed=arrays.packed + group * p.filters * p.channels * p.taps,
            first=first,
            stop=(first + FILTERS_PER_TASK).minimum(p.filters),
        )

    in_parallel(module, pack_task)
    return compiled(module, "filter_rows")


def _emit_transpose(module: Module) -> Function:
    """Emit the function that packs adjacent filters of one tap each.

    The last block of filters, or of channels, ends where they end, and copies some again.
    """

    @function(module)
    def transpose_filters(
        code: Code,
        parameters: RowParameters[Value],
        weight: Pointer,
        packed: Pointer,
        first: Value,
        stop: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        channels, stride = p.channels, p.channel_stride
        starts = table_after(p)
        origin = weight + (starts[0] + starts[p.filters])  # the first filter, and the only tap
        with code.loop(0, channels, lanes) as step, code.loop(first, stop, lanes) as place:
            channel, filter = step.minimum(channels - lanes), place.minimum(p.filters - lanes)
            block = [origin.vector((channel + i) * stride + filter) for i in range(lanes)]
            for i, row in enumerate(code.transpose(block)):
                packed[(filter + i) * channels + channel] = row

    return transpose_filters


def _emit_copy(module: Module) -> Function:
    """Emit the function that packs filters element by element."""

    @function(module)
    def copy_filters(
        code: Code,
        parameters: RowParameters[Value],
        weight: Pointer,
        packed: Pointer,
        first: Value,
        stop: Value,
    ) -> None:
        p = parameters
        channels, taps, stride = p.channels, p.taps, p.channel_stride
        filter_starts = table_after(p)
        tap_starts = filter_starts + p.filters
        with (
            code.loop(0, channels, CHANNELS_AT_ONCE) as block,
            code.loop(first, stop) as filter,
        ):
            start, row = weight + filter_starts[filter], packed + filter * channels * taps
            with (
                code.loop(block, (block + CHANNELS_AT_ONCE).minimum(channels)) as channel,
                code.loop(0, taps) as tap,
            ):
                element = start[channel * stride + tap_starts[tap]]
                row[channel * taps + tap] = element

    return copy_filters
