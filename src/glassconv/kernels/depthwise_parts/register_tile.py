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
registers of AVX2. Longer rows of taps are computed in chunks of a few taps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from glassconv.codegen.ir import Code, Function, Pointer, Value, Variable
from glassconv.problem.axis import Axis

DYNAMIC = 0  # the number of taps or their stride is known only at run time
CHUNK = 5  # taps
TILE_SIZE = 7  # outputs; divides the feature maps of most networks and fits the registers of AVX2


@dataclass(frozen=True)
class TapPattern:
    """What a tile is compiled for: the number of taps along it, and their stride."""

    taps: int
    stride: int

    def inputs(self, outputs: int) -> int:
        """Return how many inputs a number of adjacent outputs reads; both fields must be static."""
        return (outputs - 1) * self.stride + self.taps


UNROLLED = (
    TapPattern(3, 1),
    TapPattern(3, 2),
    TapPattern(5, 1),
    TapPattern(5, 2),
    TapPattern(7, 1),
)
ONE_TAP = TapPattern(1, 1)  # of any stride, because outputs share no input
CHUNKS = TapPattern(DYNAMIC, 1)  # a loop over chunks of taps
GENERIC = TapPattern(DYNAMIC, DYNAMIC)  # a loop over taps, each of which loads its own inputs


def tap_pattern_of(axis: Axis) -> TapPattern:
    """Return what a tile along an axis is compiled for.

    >>> tap_pattern_of(Axis(input_size=9, kernel_size=9)) == CHUNKS
    True
    """
    if axis.kernel_size == 1:
        return ONE_TAP
    pattern = TapPattern(axis.kernel_size, axis.stride)
    if axis.dilation == 1 and pattern in UNROLLED:
        return pattern
    return CHUNKS if axis.dilation == axis.stride == 1 else GENERIC


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
    skipped: tuple[int, int] = (0, 0),
) -> None:
    """Add the products of one row of taps to a tile's accumulators.

    `load_weight(address)` returns a vector of weights. skipped: how many inputs at the beginning
    and at the end of a static pattern are in the padding; they are not read.
    """
    if pattern.taps != DYNAMIC:
        _accumulate_static(code, accumulators, pattern, row, load_weight, skipped)
        return
    first = code.value(0)
    if pattern == CHUNKS:
        first = row.taps - row.taps % CHUNK
        with code.loop(0, first, CHUNK) as tap:
            chunk = _taps_from(row, tap)
            _accumulate_static(code, accumulators, TapPattern(CHUNK, 1), chunk, load_weight)
    with code.loop(first, row.taps) as tap:
        one_tap = _taps_from(row, tap)
        _accumulate_static(code, accumulators, ONE_TAP, one_tap, load_weight)


def _taps_from(row: TapRow, tap: Value) -> TapRow:
    return replace(
        row,
        weights=row.weights + tap * row.weight_stride,
        inputs=row.inputs + tap * row.tap_stride,
    )


def _accumulate_static(
    code: Code,
    accumulators: list[Variable],
    pattern: TapPattern,
    row: TapRow,
    load_weight: Callable[[Pointer], Value],
    skipped: tuple[int, int] = (0, 0),
) -> None:
    # Each address is computed right before its use: otherwise LLVM hoists all loads and spills.
    weights, address = [], row.weights
    for _ in range(pattern.taps):
        weights.append(load_weight(address))
        address = address + row.weight_stride
    address = row.inputs
    inputs = pattern.inputs(len(accumulators))
    for index in range(inputs):
        if skipped[0] <= index < inputs - skipped[1]:
            loaded = address.vector()
            for output, accumulator in enumerate(accumulators):
                position = index - output * pattern.stride
                if 0 <= position < pattern.taps:
                    accumulator.set(code.fma(weights[position], loaded, accumulator.get()))
        address = address + (row.output_stride if pattern == ONE_TAP else row.tap_stride)


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
