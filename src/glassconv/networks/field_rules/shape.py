"""Rules of functions that move elements about: views, permutations, slices, concatenation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import accumulate
from math import prod

from glassconv.networks.field_rules.known import Known, along, at_each, broadcast, by_name, same
from glassconv.networks.graph import Operation
from glassconv.networks.reads import WHOLE, Along, Fields, Reads, union


def unchanged(operation: Operation, known: Known) -> list[Fields]:
    """Each element reads the same element of the first input."""
    return same(operation, known.of(operation.inputs[0]))


def pointwise(operation: Operation, known: Known) -> list[Fields]:
    """Each element reads the same element of every input, which may be broadcast."""
    shape = operation.outputs[0].shape
    found: Fields = (None,) * known.axes
    for value in operation.inputs:
        found = tuple(map(union, found, broadcast(known.of(value), value.shape, shape)))
    return same(operation, found)


def constant(operation: Operation, known: Known) -> list[Fields]:
    """No element reads a position: of the input only shape and element type are used."""
    return same(operation, (None,) * known.axes)


def repeated(operation: Operation, known: Known) -> list[Fields]:
    """Elements come several times along some dimensions, of which there may be more."""
    given, repeats = operation.inputs[0], operation.arguments["repeats"]
    shift = len(repeats) - len(given.shape)

    def one(reads: Along) -> Reads:
        dim = reads.dim + shift
        return replace(reads, dim=dim) if repeats[dim] == 1 else WHOLE

    return [along(known.of(given), one)]


def copied(operation: Operation, known: Known) -> list[Fields]:
    """Each element reads what is copied over it."""
    target, source = operation.inputs[:2]
    return [broadcast(known.of(source), source.shape, target.shape)]


def view(operation: Operation, known: Known) -> list[Fields]:
    """Elements keep their order, in another shape."""
    given = operation.inputs[0]
    return [reshaped(known.of(given), given.shape, operation.outputs[0].shape)]


def reshaped(fields: Fields, shape: Sequence[int], wanted: Sequence[int]) -> Fields:
    """Return the fields of elements that keep their order in another shape.

    An axis may be joined with others, and be split off again. Where it is split itself, into blocks
    and places within a block, elements read what their block reads.
    """
    return along(fields, lambda reads: _found(reads, shape, wanted))


def _found(reads: Along, shape: Sequence[int], wanted: Sequence[int]) -> Reads:
    apart = prod(shape[reads.dim + 1 :]) * reads.inner  # elements from one window to the next
    for block in sorted(_blocks(apart, reads.count, wanted)):
        for dim, size in enumerate(wanted):
            inner, rest = divmod(apart * block, max(1, prod(wanted[dim + 1 :])))
            count = reads.count // block
            if not rest and inner and size % (inner * count) == 0 and size:
                return replace(
                    reads,
                    dim=dim,
                    inner=inner,
                    count=count,
                    end=reads.end + (block - 1) * reads.stride,
                    stride=reads.stride * block,
                )
    return WHOLE


def _blocks(apart: int, count: int, wanted: Sequence[int]) -> Iterator[int]:
    """Yield the sizes of blocks into which a shape may split an axis; 1 is the whole axis."""
    yield 1
    for dim in range(len(wanted)):
        block, rest = divmod(prod(wanted[dim + 1 :]), max(1, apart))
        if block > 1 and not rest and count % block == 0:
            yield block


def permuted(operation: Operation, known: Known) -> list[Fields]:
    """Dimensions come in another order."""
    given = operation.inputs[0]
    order = _order(operation, len(given.shape))
    return [along(known.of(given), lambda reads: replace(reads, dim=order.index(reads.dim)))]


def _order(operation: Operation, ndim: int) -> list[int]:
    """Return the dimension of the input that each of the output is."""
    arguments, order = operation.arguments, list(range(ndim))
    if "dims" in arguments:
        return [dim % ndim for dim in arguments["dims"]]
    if "source" in arguments:
        sources, places = (
            [each % ndim for each in ((asked,) if isinstance(asked, int) else asked)]
            for asked in (arguments["source"], arguments["destination"])
        )
        order = [dim for dim in order if dim not in sources]
        for place, source in sorted(zip(places, sources, strict=True)):
            order.insert(place, source)
        return order
    names = ("dim0", "dim1") if "dim0" in arguments else ("axis0", "axis1")
    first, second = (
        arguments.get(name, at) % ndim for name, at in zip(names, (-2, -1), strict=True)
    )
    order[first], order[second] = order[second], order[first]
    return order


def sliced(operation: Operation, known: Known) -> list[Fields]:
    """Every step-th element from a first one on, along one dimension, for each output."""
    given, arguments = operation.inputs[0], operation.arguments
    dim = arguments["dim"] % len(given.shape)
    size, step = given.shape[dim], arguments.get("step", 1)
    first = arguments.get("start") or 0
    first = max(0, first + size if first < 0 else first)
    lengths = [output.shape[dim] for output in operation.outputs]
    starts = accumulate(lengths, initial=first)

    def one(reads: Along, start: int, length: int) -> Reads:
        if reads.dim != dim or length == size:
            return reads
        return at_each(reads, size, lambda plain: plain.sliced(start, step, length))

    return [
        along(known.of(given), partial(one, start=start, length=length))
        for start, length in zip(starts, lengths, strict=False)
    ]


def selected(operation: Operation, known: Known) -> list[Fields]:
    """One element along a dimension, which is dropped; `unbind` returns each of them."""
    given = operation.inputs[0]
    dim = operation.arguments["dim"] % len(given.shape)

    def one(reads: Along) -> Reads:
        if reads.dim == dim:
            return WHOLE
        return replace(reads, dim=reads.dim - (reads.dim > dim))

    return same(operation, along(known.of(given), one))


def joined(operation: Operation, known: Known) -> list[Fields]:
    """cat: inputs one behind the other along a dimension."""
    output = operation.outputs[0]
    dim = operation.arguments["dim"] % len(output.shape)
    parts = [value for value in operation.inputs if prod(value.shape)]  # cat takes [0] for nothing
    starts = accumulate((value.shape[dim] for value in parts), initial=0)

    def one(reads: Along, size: int, start: int) -> Reads:
        if reads.dim != dim:
            return reads
        return at_each(reads, size, lambda plain: plain.sliced(-start, 1, output.shape[dim]))

    moved = (
        along(known.of(value), partial(one, size=value.shape[dim], start=start))
        for value, start in zip(parts, starts, strict=False)
    )
    nothing: Fields = (None,) * known.axes
    return [reduce(lambda first, second: tuple(map(union, first, second)), moved, nothing)]


def stacked(operation: Operation, known: Known) -> list[Fields]:
    """stack: inputs one behind the other along a new dimension."""
    dim = operation.arguments["dim"] % len(operation.outputs[0].shape)

    def one(reads: Along) -> Reads:
        return replace(reads, dim=reads.dim + (reads.dim >= dim))

    moved = (along(known.of(value), one) for value in operation.inputs)
    return [reduce(lambda first, second: tuple(map(union, first, second)), moved)]


RULES = by_name(
    (unchanged, "hardswish hardswish_ log_sigmoid prelu _prelu_kernel rrelu"),
    (unchanged, "dropout dropout_ feature_dropout alpha_dropout channel_shuffle"),
    (unchanged, "to _to_copy type_as float half double contiguous clone detach alias"),
    (constant, "zeros_like ones_like full_like empty_like rand_like randn_like"),
    (constant, "new_zeros new_ones new_full new_empty"),
    (repeated, "repeat"),
    (copied, "copy_"),
    (view, "view reshape flatten unflatten squeeze unsqueeze squeeze_ unsqueeze_"),
    (view, "_unsafe_view _reshape_alias view_as reshape_as ravel"),
    (permuted, "permute transpose transpose_ t numpy_T mT adjoint movedim moveaxis"),
    (permuted, "swapaxes swapdims"),
    (sliced, "slice narrow chunk split split_with_sizes tensor_split unsafe_chunk unsafe_split"),
    (selected, "select unbind"),
    (joined, "cat concat concatenate"),
    (stacked, "stack"),
    (pointwise, "expand expand_as broadcast_to"),
)
