"""The copy of a segment of a row: element e is src[e · step] if low ≤ e < high, otherwise zero.

The zeros are padding. Steps of 1 and 2 load whole vectors; others gather.
"""

from __future__ import annotations

from collections.abc import Sequence

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function


def emit_copy(module: Module) -> Function:
    """Emit the function that copies one segment: dst[e] = src[e · step] if low ≤ e < high, else 0.

    It stores full vectors. Elements past `length` are overwritten by the next segment, and the
    buffer has room for a vector at its end.
    """

    @function(module)
    def copy(
        code: Code,
        dst: Pointer,
        src: Pointer,
        step: Value,
        length: Value,
        low: Value,
        high: Value,
    ) -> None:
        lanes = code.lanes
        # Clamped to the segment, because padding can exceed 2³¹ and masks compare 32 bits.
        low, high = (bound.maximum(0).minimum(length) for bound in (low, high))
        with code.if_(step.equals(1)):
            # Interior vectors need no mask.
            first = ((low + lanes - 1) // lanes * lanes).minimum(length)
            last = first.maximum(high // lanes * lanes)
            with code.loop(0, first, lanes) as e:
                dst[e] = src.masked(range_mask(code, e, low, high), e)
            with code.loop(first, last, lanes) as e:
                dst[e] = src.vector(e)
            with code.loop(last, length, lanes) as e:
                dst[e] = src.masked(range_mask(code, e, low, high), e)
        with code.else_():
            with code.if_(step.equals(2)):
                first = ((low + lanes - 1) // lanes * lanes).minimum(length)
                last = first.maximum(high // lanes * lanes)
                for start, stop in ((code.value(0), first), (last, length)):
                    with code.loop(start, stop, lanes) as e:
                        masks = stride_2_masks(code, e, low, high)
                        dst[e] = load_stride_2(code, src + e * 2, masks)
                with code.loop(first, last, lanes) as e:
                    dst[e] = whole_stride_2(code, src + e * 2)
            with code.else_(), code.loop(0, length, lanes) as e:
                mask = range_mask(code, e, low, high)
                dst[e] = (src + e * step).gather(step, mask)

    return copy


def stride_2_masks(code: Code, e: Value, low: Value, high: Value) -> list[Value]:
    """Return the masks of two vectors whose even elements are those from e on, within the range."""
    # Index 2e + offset of the source is valid in [2 · low, 2 · high − 1).
    return [range_mask(code, e * 2 + offset, low * 2, high * 2 - 1) for offset in (0, code.lanes)]


def load_stride_2(code: Code, src: Pointer, masks: Sequence[Value]) -> Value:
    """Return src[0], src[2], … by two masked loads and a shuffle."""
    halves = [src.masked(mask, place * code.lanes) for place, mask in enumerate(masks)]
    return _every_second(code, *halves)


def whole_stride_2(code: Code, src: Pointer) -> Value:
    """Return src[0], src[2], … of a whole vector, and read nothing beyond the last of them."""
    lanes = code.lanes
    evens_then_odds = [*range(0, lanes, 2), *range(lanes + 1, 2 * lanes, 2)]
    return code.shuffle(src.vector(), src.vector(lanes - 1), evens_then_odds)


def _every_second(code: Code, left: Value, right: Value) -> Value:
    """Return the even elements of two consecutive vectors."""
    return code.shuffle(left, right, range(0, 2 * code.lanes, 2))


def range_mask(code: Code, e: Value, low: Value, high: Value) -> Value:
    """Return the mask of the lanes with low ≤ e + lane < high."""
    lane = code.lane_numbers()
    start, stop = (code.broadcast((bound - e).as_int32()) for bound in (low, high))
    return (lane >= start) & (lane < stop)
