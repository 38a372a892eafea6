"""The depthwise tile: neighbouring outputs in registers, each pixel loaded once for all of them.

Outputs of a tile stand one after the other along one axis; the taps along that axis are unrolled,
those of the other axis are a loop. With stride 1 and three taps:

    for t in range(loop_taps):
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

from glassconv.codegen.ir import INT, POINTER, Code, Module, Pointer, Value, Variable
from glassconv.kernels.fields import Sizes

ANY = 0  # taps or stride known only when the kernel runs


@dataclass(frozen=True)
class Kind:
    """What a tile is compiled for: the taps and the stride along it."""

    taps: int  # ANY: taps are a loop, and each loads its pixels
    stride: int
    one_weight: bool  # for all lanes, which are pixels then; otherwise lanes are channels


def tiles(module: Module, names: tuple[str, ...], kind: Kind, height: int) -> Code:
    """Write a run of tiles of `height` outputs each, of one vector.

    It takes (plan, source, weights, bias, output, limit). A whole vector is stored where it ends at
    or before the limit, counted from output, for what lies beyond is written later; otherwise
    only its valid lanes. Behind the plan's numbers stand the positions of the looped taps.
    """
    code = Code(module, f"tiles_{height}", [POINTER] * 5 + [INT])
    plan, source, weights, bias, output, limit = code.arguments()
    size = Sizes(code, plan, names)
    positions = Pointer(code, plan.raw, INT) + len(names)
    loop_taps, tile_output = size.loop_taps, size.tile_output
    start = code.spread(bias[0]) if kind.one_weight else bias.vector()
    with code.loop(0, size.runs) as run:
        place = (run * size.run_step).minimum(size.run_last)
        window, result = source + place * size.run_source, place * size.run_output
        totals = [code.variable(start) for _ in range(height)]
        with code.loop(0, loop_taps) as tap:
            line, first = window + positions[tap], weights + tap * size.loop_weight
            if kind.taps == ANY:
                _add_each(code, size, kind, totals, line, first)
            else:
                _add_shared(code, size, kind, totals, line, first)
        for total in totals:
            _store(code, size, total.get(), output, result, limit)
            result = result + tile_output
    code.finish()
    return code


def _add_shared(
    code: Code,
    size: Sizes,
    kind: Kind,
    totals: list[Variable],
    pixels: Pointer,
    weights: Pointer,
) -> None:
    """Add the unrolled taps; every pixel is loaded once."""
    scales = []
    for _ in range(kind.taps):
        scales.append(_weight(code, kind, weights))
        weights = weights + size.tile_weight
    step = size.tile_tap
    for number in range((len(totals) - 1) * kind.stride + kind.taps):
        uses = [
            (total, number - i * kind.stride)
            for i, total in enumerate(totals)
            if 0 <= number - i * kind.stride < kind.taps
        ]
        if uses:
            pixel = pixels.vector()
            for total, tap in uses:
                total.set(code.fma(scales[tap], pixel, total.get()))
        pixels = pixels + step


def _add_each(
    code: Code,
    size: Sizes,
    kind: Kind,
    totals: list[Variable],
    pixels: Pointer,
    weights: Pointer,
) -> None:
    """Add the taps in a loop; every tap loads its pixels."""
    output_step = size.tile_source
    tap_step, weight_step = size.tile_tap, size.tile_weight
    with code.loop(0, size.tile_taps) as tap:
        scale = _weight(code, kind, weights + tap * weight_step)
        pixel = pixels + tap * tap_step
        for total in totals:
            total.set(code.fma(scale, pixel.vector(), total.get()))
            pixel = pixel + output_step


def _weight(code: Code, kind: Kind, place: Pointer) -> Value:
    return code.spread(place[0]) if kind.one_weight else place.vector()


def _store(
    code: Code, size: Sizes, value: Value, output: Pointer, place: Value, limit: Value
) -> None:
    with code.either(place + code.lanes <= limit) as (whole, narrow):
        with whole:
            output[place] = value
        with narrow:
            output.store_masked(code.first_lanes(size.valid), value, place)


def heights(most: int) -> list[int]:
    """Return the heights of tiles that make up any number of outputs, the highest first.

    >>> heights(7)
    [7, 4, 2, 1]
    """
    return [most, *(height for height in (8, 4, 2, 1) if height < most)]


def cover(
    code: Code, count: Value, made: dict[int, Code], call: Callable[[Code, Value], None]
) -> None:
    """Cover so many outputs with tiles, the highest first: call(tiles, first output)."""
    first = code.value(0)
    for height, function in made.items():
        stop = count - (count - first) % height
        with code.loop(first, stop, height) as output:
            call(function, output)
        first = stop
