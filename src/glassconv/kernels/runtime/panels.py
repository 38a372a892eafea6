"""Packing: the filters of a weight side by side, in panels, as kernels read them.

    packed[group, panel, row, filter of the panel] = weight[group, filter, channel, tap]

The row of a channel and a tap is tap · tap_rows + channel · channel_rows. A filter that the last
panel lacks is zeros. A task packs one panel. A few channels are read for all taps and filters of
the panel while their cache lines are in L1, in whichever order the weight has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from glassconv.codegen.ir import Code, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack, table_after, words_of
from glassconv.codegen.target import Target

CHANNELS_AT_ONCE = 4  # the cache lines of more may fall into the same few sets of L1
MIN_ELEMENTS_PER_THREAD = 2**14


@dataclass(frozen=True)
class Filters:
    """Where a weight's elements are, counted from its first one.

    Filter f of group g has its channel c and tap t at
    g · group_stride + filters[f] + c · channel_stride + taps[t].
    """

    groups: int
    group_stride: int
    filters: tuple[int, ...]  # of a group
    channels: int
    channel_stride: int
    taps: tuple[int, ...]


@dataclass(frozen=True)
class Rows:
    """Where the panels have a channel and a tap: in row tap · tap_rows + channel · channel_rows."""

    panels: int  # of a group
    width: int  # filters of a panel
    tap_rows: int
    channel_rows: int


@dataclass(frozen=True)
class PanelParameters(Struct[N]):
    """The kernel's parameters; a table of `Filters.filters` and `Filters.taps` follows them."""

    filters: N  # of a group
    panels: N  # of a group
    width: N
    channels: N
    taps: N
    group_stride: N
    channel_stride: N
    panel_stride: N  # in the packed weight
    tap_rows: N
    channel_rows: N


@dataclass(frozen=True)
class PanelArrays(Struct[N]):
    """The kernel's arrays."""

    weight: N
    packed: N


@dataclass(frozen=True)
class Packing:
    """The kernel's parameters, settled before there are addresses."""

    parameters: Any  # packed
    tasks: int
    elements: int  # packed
    are_adjacent: bool  # whether the filters of each panel are adjacent in the weight

    def pack(self, weight: int, packed: int, dtype: str, target: Target) -> None:
        """Pack the elements at one address into panels at another."""
        num_threads = max(1, min(threads(), self.elements // MIN_ELEMENTS_PER_THREAD))
        kernel = _kernel(dtype, target, self.are_adjacent)
        kernel.call(self.parameters, words_of(weight, packed), self.tasks, num_threads)


def filters_of(shape: tuple[int, ...], strides: tuple[int, ...], groups: int) -> Filters:
    """Return where a weight of this shape and these strides has its elements."""
    filters, channels, *kernel_size = shape
    per_group = filters // groups
    starts = [
        [place * stride for place in range(size)]
        for size, stride in zip(kernel_size, strides[2:], strict=True)
    ]
    return Filters(
        groups=groups,
        group_stride=per_group * strides[0],
        filters=tuple(filter * strides[0] for filter in range(per_group)),
        channels=channels,
        channel_stride=strides[1],
        taps=tuple(map(sum, product(*starts))),
    )


def flipped_filters_of(shape: tuple[int, ...], strides: tuple[int, ...], groups: int) -> Filters:
    """Return where a transposed convolution's weight has the filters of the one that it equals.

    shape, strides: of the weight, [in_channels, out_channels / groups, *kernel_size]. Its kernels
    are read from their last tap (`problem.transposed.flip`).
    """
    channels, filters, *kernel_size = shape
    per_group = channels // groups
    backwards = [
        [place * stride for place in reversed(range(size))]
        for size, stride in zip(kernel_size, strides[2:], strict=True)
    ]
    return Filters(
        groups=groups,
        group_stride=per_group * strides[0],
        filters=tuple(filter * strides[1] for filter in range(filters)),
        channels=per_group,
        channel_stride=strides[0],
        taps=tuple(map(sum, product(*backwards))),
    )


def packing_of(filters: Filters, rows: Rows) -> Packing:
    """Return how the filters of a weight are packed."""
    panel_stride = len(filters.taps) * filters.channels * rows.width
    parameters = PanelParameters(
        filters=len(filters.filters),
        panels=rows.panels,
        width=rows.width,
        channels=filters.channels,
        taps=len(filters.taps),
        group_stride=filters.group_stride,
        channel_stride=filters.channel_stride,
        panel_stride=panel_stride,
        tap_rows=rows.tap_rows,
        channel_rows=rows.channel_rows,
    )
    tasks = filters.groups * rows.panels
    table = filters.filters + filters.taps
    are_adjacent = all(
        start == filters.filters[number - number % rows.width] + number % rows.width
        for number, start in enumerate(filters.filters)
    )
    return Packing(pack(parameters, table), tasks, tasks * panel_stride, are_adjacent)


@cache
def _kernel(dtype: str, target: Target, are_adjacent: bool) -> Compiled:
    return compiled(build_module(dtype, target, are_adjacent=are_adjacent), "panels")


def build_module(dtype: str, target: Target, *, are_adjacent: bool) -> Module:
    """Return the kernel's LLVM module, not yet compiled.

    are_adjacent: whether the filters of each panel are adjacent, and are loaded as vectors.
    """
    module = Module("panels", dtype, target)

    @function(module)
    def pack_panel(
        code: Code,
        parameters: PanelParameters[Value],
        arrays: PanelArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        weight = arrays.weight + number // p.panels * p.group_stride
        packed = arrays.packed + number * p.panel_stride
        first = number % p.panels * p.width
        filter_starts = table_after(p)
        tap_starts = filter_starts + p.filters
        # Read before the loops: stores might change the parameters, for all that LLVM knows.
        channel_stride, width = p.channel_stride, p.width
        tap_step, channel_step = p.tap_rows * width, p.channel_rows * width
        with (
            code.loop(0, p.channels, CHANNELS_AT_ONCE) as block,
            code.loop(0, width, lanes) as lane,
        ):
            stop = (block + CHANNELS_AT_ONCE).minimum(p.channels)
            filter = first + lane
            # Lanes past the last filter read it again, and are replaced by zeros.
            starts = [
                filter_starts[(filter + i).minimum(p.filters - 1)]
                for i in range(1 if are_adjacent else lanes)
            ]
            exist = code.first_lanes(p.filters - filter)
            with code.loop(0, p.taps) as tap:
                rows = [weight + start + tap_starts[tap] for start in starts]
                to = packed + (tap * tap_step + lane)
                with code.loop(block, stop) as channel:
                    place = channel * channel_stride
                    if are_adjacent:
                        elements = rows[0].masked(exist, place)
                    else:
                        joined = code.join([row[place] for row in rows])
                        elements = code.select(exist, joined, code.zeros())
                    to[channel * channel_step] = elements

    in_parallel(module, pack_panel)
    return module
