"""The Winograd filter transform: U[element, channel, filter] = G g Gᵀ, once per weight, in float64.

Vector lanes are filters, which panels.py has put side by side. A task transforms one panel, a few
channels at a time, into a buffer [element, channel, filter of the panel] that fits in L1. Then each
element of U gets its part as whole cache lines.

The buffer is also searched for the largest number of each element and filter, and the weight for
its largest number, from which flatness.py derives its test. Numbers without their sign are compared
as the whole numbers that their bits are: they have the same order, and NaN comes after infinity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack, words_of
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.codegen.types import FLOATS, WORDS
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.winograd_parts.parameters import KERNEL_SIZE, size_of_tile
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix
from glassconv.mathematics.decomposed import decomposed
from glassconv.reports.error_bound import Float64

CHANNELS_AT_ONCE = 4
TAPS = KERNEL_SIZE**2


@dataclass(frozen=True)
class FilterParameters(Struct[N]):
    """The kernel's parameters; strides are in elements."""

    channels: N  # of a group
    panels: N  # of a group
    u_element_stride: N
    u_group_stride: N
    workspace_bytes: N  # per thread: the buffer after a filter whose columns are transformed


@dataclass(frozen=True)
class FilterArrays(Struct[N]):
    """The kernel's arrays."""

    weight: N  # [group, vector of filters, channel, tap, lane]
    u: N  # [group, element, panel, channel, filter of the panel]
    largest: N  # [group, panel, element, filter of the panel], the weight's after the elements'
    workspace: N


@dataclass(frozen=True)
class FilterTransform:
    """The transform of a weight's filters."""

    groups: int
    panels: int  # of a group
    channels: int  # of a group
    tile_outputs: int  # along each axis
    stride: int
    dtype: str
    target: Target

    @property
    def width(self) -> int:
        """Return how many filters a panel has."""
        return self.target.tile()[1] * self.target.lanes(self.dtype)

    @property
    def elements(self) -> int:
        """Return how many elements a transformed filter has."""
        return size_of_tile(self.tile_outputs, self.stride) ** 2

    def __call__(self, weight: int, u: int) -> Float64:
        """Write U to an address, from the filters side by side at another.

        Returns the largest numbers without their sign, of U and then of the weight,
        [group, filter or padding, element + 1].
        """
        elements, padded_filters = self.elements, self.panels * self.width
        tasks = self.groups * self.panels
        num_threads = min(threads(), tasks)
        largest = np.zeros((self.groups, self.panels, elements + 1, self.width), self.dtype)
        space = torch.empty(num_threads * self._workspace_bytes, dtype=torch.uint8)
        parameters = FilterParameters(
            channels=self.channels,
            panels=self.panels,
            u_element_stride=padded_filters * self.channels,
            u_group_stride=elements * padded_filters * self.channels,
            workspace_bytes=self._workspace_bytes,
        )
        arrays = words_of(weight, u, largest.ctypes.data, space.data_ptr())
        kernel = _compile(self.tile_outputs, self.stride, self.dtype, self.target)
        kernel.call(pack(parameters), arrays, tasks, num_threads)
        by_filter = largest.astype(np.float64).swapaxes(2, 3)
        return by_filter.reshape(self.groups, padded_filters, elements + 1)

    @property
    def _workspace_bytes(self) -> int:
        size = size_of_tile(self.tile_outputs, self.stride)
        columns = size * KERNEL_SIZE * self.target.vector_bytes
        buffer = self.elements * CHANNELS_AT_ONCE * self.width * ELEMENT_BYTES[self.dtype]
        return round_up(columns + buffer, CACHE_LINE)


@cache
def _compile(tile_outputs: int, stride: int, dtype: str, target: Target) -> Compiled:
    return compiled(build_module(tile_outputs, stride, dtype, target), "filters")


def build_module(tile_outputs: int, stride: int, dtype: str, target: Target) -> Module:
    """Return the kernel's LLVM module, not yet compiled. dtype: of the weight and of U."""
    module = Module("filters", "float64", target)
    matrix = decomposed(tile_outputs, KERNEL_SIZE, stride).filter
    size, elements = len(matrix), len(matrix) ** 2
    weight_lanes, word = target.lanes(dtype), WORDS[dtype]
    width = target.tile()[1] * weight_lanes
    element_stride = width * CHANNELS_AT_ONCE  # in the buffer
    transform_filter = _emit_transform_filter(module, matrix, dtype, element_stride)

    @function(module)
    def find_largest(code: Code, taps: Pointer, channels: Value, largest: Pointer) -> None:
        """Find the largest number of a vector of filters, and of what has been found before."""
        found = code.variable(largest.cast(word).vector())
        with code.loop(0, channels) as channel:
            for tap in range(TAPS):
                numbers = taps.cast(word).vector((channel * TAPS + tap) * weight_lanes)
                found.set(found.get().maximum(_magnitude(numbers)))
        largest.cast(word)[0] = found.get()

    @function(module)
    def store_element(
        code: Code, buffer: Pointer, u: Pointer, largest: Pointer, channels: Value
    ) -> None:
        """Store an element of a panel's filters for some channels, and find their largest."""
        source, to, largest = buffer.cast(word), u.cast(word), largest.cast(word)
        filters = range(0, width, code.lanes)
        found = [code.variable(largest.vector(filter)) for filter in filters]
        with code.loop(0, channels) as channel:
            for filter, each in zip(filters, found, strict=True):
                numbers = source.vector(channel * width + filter)
                to[channel * width + filter] = numbers
                each.set(each.get().maximum(_magnitude(numbers)))
        for filter, each in zip(filters, found, strict=True):
            largest[filter] = each.get()

    @function(module)
    def transform_panel(
        code: Code,
        parameters: FilterParameters[Value],
        arrays: FilterArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, kind = parameters, FLOATS[dtype]
        group, panel = number // p.panels, number % p.panels
        weight = arrays.weight.cast(kind) + number * width * p.channels * TAPS
        u = arrays.u.cast(kind) + (group * p.u_group_stride + panel * p.channels * width)
        largest = arrays.largest.cast(kind) + number * width * (elements + 1)
        columns = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        buffer = (columns + size * KERNEL_SIZE * code.lanes).cast(kind)
        with code.loop(0, p.channels, CHANNELS_AT_ONCE) as first:
            channels = (p.channels - first).minimum(CHANNELS_AT_ONCE)
            with code.loop(0, width, code.lanes) as filter:
                lane = filter % weight_lanes
                taps = weight + ((filter - lane) * p.channels + first * weight_lanes) * TAPS + lane
                with code.loop(0, channels) as channel:
                    transform_filter.call(
                        taps=taps + channel * (TAPS * weight_lanes),
                        columns=columns,
                        result=buffer + (channel * width + filter),
                    )
                find_largest.call(
                    taps=taps,
                    channels=channels,
                    largest=largest + (width * elements + filter),
                )
            with code.loop(0, elements) as element:
                store_element.call(
                    buffer=buffer + element * element_stride,
                    u=u + (element * p.u_element_stride + first * width),
                    largest=largest + element * width,
                    channels=channels,
                )

    in_parallel(module, transform_panel)
    return module


def _emit_transform_filter(
    module: Module, matrix: Matrix, dtype: str, element_stride: int
) -> Function:
    """Emit the function that transforms a vector of filters, one channel of them.

    `columns` is for G g. It is in memory, since it does not fit in the registers.
    """
    size, weight_lanes = len(matrix), module.target.lanes(dtype)
    kind = FLOATS[dtype]

    @function(module)
    def transform_filter(code: Code, taps: Pointer, columns: Pointer, result: Pointer) -> None:
        with code.loop(0, KERNEL_SIZE) as v:
            tap = taps.cast(kind) + v * weight_lanes
            column = [
                tap.vector(u * KERNEL_SIZE * weight_lanes).as_type("float64")
                for u in range(KERNEL_SIZE)
            ]
            for i, number in enumerate(transform(code, matrix, column)):
                columns[(v + i * KERNEL_SIZE) * code.lanes] = number
        with code.loop(0, size) as line:
            row_of_columns = columns + line * (KERNEL_SIZE * code.lanes)
            row = [row_of_columns.vector(v * code.lanes) for v in range(KERNEL_SIZE)]
            elements = result.cast(kind) + line * (size * element_stride)
            for j, number in enumerate(transform(code, matrix, row)):
                elements[j * element_stride] = number.as_type(dtype)

    return transform_filter


def _magnitude(words: Value) -> Value:
    """Return numbers without their sign, as whole numbers: their bits but the first."""
    bits = words.type.bits // words.type.count
    return words & words.code.value(2 ** (bits - 1) - 1, words.type)
