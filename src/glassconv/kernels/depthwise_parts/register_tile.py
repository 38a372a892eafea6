"""The depthwise register tile: adjacent outputs share each input that is loaded.

The outputs of a tile are adjacent along one axis. The taps along that axis are unrolled, those
along the other axis are a loop. With stride 1 and three taps:

    for t in range(taps of the other axis):
        w₀, w₁, w₂ = weights of the taps (·, t)
        x₀: total₀ += w₀·x₀
        x₁: total₁ += w₀·x₁    total₀ += w₁·x₁
        x₂: total₂ += w₀·x₂    total₁ += w₁·x₂    total₀ += w₂·x₂
        …

Each x is a vector. It is loaded once and multiplied by every weight that it meets, so there are
fewer loads per FMA. A tile of 7 accumulators, 7 weights and one input vector uses 15 of the 16
registers of AVX2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Function, Pointer, Value, Variable
from glassconv.problem.axis import Axis

DYNAMIC = 0  # the number of taps and the stride are known only at run time
TILE_SIZE = 7  # outputs; divides the feature maps of most networks and fits the registers of AVX2


@dataclass(frozen=True)
class TapPattern:
    """What a tile is compiled for: the number of taps along it, and their stride."""

    taps: int  # DYNAMIC: a loop over taps, each of which loads its own inputs
    stride: int

    def inputs(self, outputs: int) -> int:
        """Return how many inputs a number of adjacent outputs reads; taps must be static."""
        return (outputs - 1) * self.stride + self.taps


UNROLLED = (
    TapPattern(3, 1),
    TapPattern(3, 2),
    TapPattern(5, 1),
    TapPattern(5, 2),
    TapPattern(7, 1),
)
GENERIC = TapPattern(DYNAMIC, DYNAMIC)


def tap_pattern_of(axis: Axis) -> TapPattern:
    """Return what a tile along an axis is compiled for."""
    pattern = TapPattern(axis.kernel_size, axis.stride)
    return pattern if pattern in UNROLLED and axis.dilation == 1 else GENERIC


@dataclass(frozen=True)
class TapRow:
    """The addresses of the weights and inputs of one row of taps, and the strides between them."""

    taps: Value
    weights: Pointer
    weight_stride: Value
    inputs: Pointer
    tap_stride: Value  # of the inputs, from one tap to the next
    output_stride: Value  # of the inputs, from one output to the next


def accumulate_tap_row(
    code: Code,
    accumulators: list[Variable],
    pattern: TapPattern,
    row: TapRow,
    load_weight: Callable[[Pointer], Value],
    load_input: Callable[[Pointer, Value], Value],
) -> None:
    """Add the products of one row of taps to a tile's accumulators.

    `load_weight(address)` returns a vector of weights, `load_input(address, index)` a vector of
    inputs. A static pattern numbers the inputs in order. The generic one numbers pairs of an output
    and a tap: `index` is output · taps + tap.
    """
    if pattern.taps == DYNAMIC:
        with code.loop(0, row.taps) as tap:
            weight = load_weight(row.weights + tap * row.weight_stride)
            address = row.inputs + tap * row.tap_stride
            for output, accumulator in enumerate(accumulators):
                loaded = load_input(address + row.output_stride * output, tap + row.taps * output)
                accumulator.set(code.fma(weight, loaded, accumulator.get()))
        return
    # Each address is computed right before its use: otherwise LLVM hoists all loads and spills.
    weights, address = [], row.weights
    for _ in range(pattern.taps):
        weights.append(load_weight(address))
        address = address + row.weight_stride
    address = row.inputs
    for index in range(pattern.inputs(len(accumulators))):
        loaded = load_input(address, code.value(index))
        for output, accumulator in enumerate(accumulators):
            position = index - output * pattern.stride
            if 0 <= position < pattern.taps:
                accumulator.set(code.fma(weights[position], loaded, accumulator.get()))
        address = address + row.tap_stride


def for_each_tile(
    code: Code,
    count: Value,
    tile_functions: dict[int, Function],
    emit_call: Callable[[int, Function, Value], None],
) -> None:
    """Emit loops that cover `count` outputs with tiles, the largest first.

    `emit_call(size, function, first)` emits the call for the tile of `size` outputs from `first`.
    """
    first = code.value(0)
    for size, function in tile_functions.items():
        stop = count - (count - first) % size
        with code.loop(first, stop, size) as output:
            emit_call(size, function, output)
        first = stop
