"""The depthwise tile: neighbouring outputs in registers, each pixel loaded once for all of them.

The outputs of a tile are neighbours along one axis; the taps along that axis are unrolled, those of
the other axis are a loop. With stride 1 and three taps:

    for t in range(taps of the other axis):
        w₀, w₁, w₂ = weights of the taps (·, t)
        x₀: total₀ += w₀·x₀
        x₁: total₁ += w₀·x₁    total₀ += w₁·x₁
        x₂: total₂ += w₀·x₂    total₁ += w₁·x₂    total₀ += w₂·x₂    and so on

Each x is a vector, loaded once and used by all taps that fall on it, so that the FMA units wait
less for loads. A tile of 7 outputs, 7 weights and a pixel fills 15 of AVX2's 16 registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Function, Pointer, Value, Variable
from glassconv.problem.axis import Axis

ANY = 0  # taps or stride known only when the kernel runs
HEIGHT = 7  # outputs of a tile: it divides most networks' planes, and fits AVX2's registers


@dataclass(frozen=True)
class Steps:
    """What a tile is compiled for: the taps and the stride along it."""

    taps: int  # ANY: taps are a loop, and each loads its pixels
    stride: int

    def pixels(self, outputs: int) -> int:
        """Return how many pixels so many outputs read, where taps are known."""
        return (outputs - 1) * self.stride + self.taps


UNROLLED = (Steps(3, 1), Steps(3, 2), Steps(5, 1), Steps(5, 2), Steps(7, 1))
LOOPED = Steps(ANY, ANY)


def steps_of(axis: Axis) -> Steps:
    """Return what a tile along this axis is compiled for."""
    steps = Steps(axis.kernel_size, axis.stride)
    return steps if steps in UNROLLED and axis.dilation == 1 else LOOPED


@dataclass(frozen=True)
class Line:
    """Where the weights and pixels of one line of taps begin, and the strides between them."""

    taps: Value
    weights: Pointer
    weight_stride: Value
    pixels: Pointer
    tap_stride: Value
    output_stride: Value


def add_line(
    code: Code,
    totals: list[Variable],
    steps: Steps,
    line: Line,
    weight: Callable[[Pointer], Value],
    pixel: Callable[[Pointer, Value], Value],
) -> None:
    """Add a line of taps to a tile's outputs.

    weight(address). pixel(address, number): numbers count the pixels of known taps, and otherwise
    the taps of the first output, then those of the second, and so on.
    """
    if steps.taps == ANY:
        with code.loop(0, line.taps) as tap:
            scale = weight(line.weights + tap * line.weight_stride)
            place = line.pixels + tap * line.tap_stride
            for output, total in enumerate(totals):
                loaded = pixel(place + line.output_stride * output, tap + line.taps * output)
                total.set(code.fma(scale, loaded, total.get()))
        return
    # Each address is computed where it is used: computed before, LLVM loads all at once and spills.
    scales, place = [], line.weights
    for _ in range(steps.taps):
        scales.append(weight(place))
        place = place + line.weight_stride
    place = line.pixels
    for number in range(steps.pixels(len(totals))):
        loaded = pixel(place, code.value(number))
        taps = [number - output * steps.stride for output in range(len(totals))]
        for known, total in zip(taps, totals, strict=True):
            if 0 <= known < steps.taps:
                total.set(code.fma(scales[known], loaded, total.get()))
        place = place + line.tap_stride


def cover(
    code: Code,
    count: Value,
    tiles: dict[int, Function],
    call: Callable[[int, Function, Value], None],
) -> None:
    """Cover so many outputs with tiles, the highest first: call(height, tiles, first output)."""
    first = code.value(0)
    for height, function in tiles.items():
        stop = count - (count - first) % height
        with code.loop(first, stop, height) as output:
            call(height, function, output)
        first = stop
