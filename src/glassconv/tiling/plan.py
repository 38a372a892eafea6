"""plan: the largest tiles for which a network fits in memory, found without computing any number.

From the whole image on, the area of a tile is multiplied by what is allowed over what is needed,
until it fits. Sides are as equal as the image allows, since halos grow with the length of a tile's
border.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise, product
from math import ceil, prod

from glassconv.errors import UnsupportedError
from glassconv.networks.convolutions import convolutions
from glassconv.networks.reads import Along
from glassconv.reports.tiles import ExampleTile, TilePlan
from glassconv.tiling.memory import peak_bytes
from glassconv.tiling.program import Program
from glassconv.tiling.regions import Interval, Region, everything, positions

Tiles = tuple[tuple[int, ...], ...]  # sizes along each divided dimension of the output
LEAST_STEP = 0.95  # by which an area shrinks at least, from one try to the next


def regions_of(
    program: Program, tiles: Tiles, places: Sequence[int] | None = None
) -> Iterator[Region]:
    """Yield the region of the output that each tile computes, the last dimension fastest.

    places: of the one tile that is asked for, along each divided dimension.
    """
    along = [[interval] for interval in everything(program.output_shape)]
    for at, (dim, lengths) in enumerate(zip(program.dims, tiles, strict=True)):
        ends = [Interval(*pair) for pair in pairwise(accumulate(lengths, initial=0))]
        along[dim] = ends if places is None else [ends[places[at]]]
    return product(*along)


def plan_of(program: Program, network: str, memory: int, element_bytes: int) -> TilePlan:
    """Return the plan for a limit in bytes, of all passes. element_bytes: of the input's array.

    Raises `UnsupportedError` where not even one position of the output fits.
    """
    before = [
        plan_of(each.program, each.operation.name, memory, element_bytes) for each in program.means
    ]
    tiles, peak = _fitting(program, memory, element_bytes)
    repeats = _repeats(program, tiles)
    input_bytes = prod(program.input.shape) * element_bytes
    once = {each.name for mean in program.means for each in mean.program.operations}
    own = {each.name for each in program.operations}
    macs = {
        each.output.number: each.problem.macs
        for each in convolutions(program.graph)
        if each.operation.name in own | once and program.regions.dims(each.output)
    }
    middle = next(regions_of(program, tiles, [len(each) // 2 for each in tiles]))
    fields = program.regions.fields.of(program.output)
    return TilePlan(
        network=network,
        input_shape=program.input.shape,
        output_shape=program.output_shape,
        dims=program.dims,
        tiles=tiles,
        halo=tuple(reads.halo for reads in fields if isinstance(reads, Along)),
        memory_bytes=memory,
        peak_bytes=max([peak, *(each.peak_bytes for each in before)]),
        read_bytes=round(repeats.get(program.input.number, 0) * input_bytes)
        + sum(each.read_bytes for each in before),
        input_bytes=input_bytes,
        output_bytes=prod(program.output_shape) * program.output_dtype.itemsize,
        macs=round(sum(count * repeats.get(number, 0) for number, count in macs.items()))
        + sum(each.macs for each in before),
        macs_of_whole=sum(macs.values()),
        example=ExampleTile(middle[2:], program.reads(middle)[2:]),
        before=tuple(before),
    )


def _fitting(program: Program, memory: int, element_bytes: int) -> tuple[Tiles, int]:
    """Return the largest tiles that fit, and their peak.

    A tile with its halo grows less than its own area, so what memory is to the peak is the share of
    the area that is still too large, or just fits.
    """
    lengths = [program.output_shape[dim] for dim in program.dims]
    area = float(prod(lengths))
    while True:
        tiles = tuple(map(_divided, lengths, _sides(lengths, area)))
        peak = _peak(program, tiles, element_bytes, memory)
        if peak <= memory:
            return tiles, peak
        if all(set(each) == {1} for each in tiles):
            cause = f"one position of the output needs {peak:,} bytes, memory is {memory:,} bytes"
            raise UnsupportedError(cause, request=program.request)
        area = max(1.0, area * min(LEAST_STEP, memory / peak))


def _sides(lengths: Sequence[int], area: float) -> tuple[int, ...]:
    """Return the sides of a tile of an area at most, as equal as an image of these lengths allows.

    >>> _sides([1000, 10], 400)
    (40, 10)
    """
    sides = [1] * len(lengths)
    for left, place in enumerate(sorted(range(len(lengths)), key=lengths.__getitem__)):
        equal = area ** (1 / (len(lengths) - left))
        sides[place] = max(1, min(lengths[place], int(equal)))
        area /= sides[place]
    return tuple(sides)


def _divided(length: int, side: int) -> tuple[int, ...]:
    """Return the sizes of tiles along a length: equal ones, as large as a side at most.

    >>> _divided(10, 4)
    (4, 4, 2)
    """
    even = ceil(length / ceil(length / side))
    whole, rest = divmod(length, even)
    return (even,) * whole + ((rest,) if rest else ())


def _peak(program: Program, tiles: Tiles, element_bytes: int, limit: int) -> int:
    """Return the peak of the largest tile: that in the middle, or one that reads more elsewhere.

    Tiles beside a border read less, but for padding by the other border's values.
    """
    middle = next(regions_of(program, tiles, [len(each) // 2 for each in tiles]))
    most = program.regions.needed(middle)
    largest = [middle]
    kept = [sorted({0, len(each) // 2, len(each) - 1}) for each in tiles]
    for places in product(*kept):
        region = next(regions_of(program, tiles, places))
        needed = program.regions.needed(region)
        if any(positions(each) > positions(most[number]) for number, each in needed.items()):
            largest.append(region)
    return max(peak_bytes(program, region, element_bytes, limit) for region in largest)


def _repeats(program: Program, tiles: Tiles) -> Mapping[int, float]:
    """Return how often all tiles together compute or read an element of a value, on average.

    Axes do not interact, so it is the product of what it is along each of them.
    """
    fields = program.regions.fields
    repeats: dict[int, float] = {}
    values = {each.number: each for each in (program.input, program.output)}
    for operation in program.operations:
        values |= {each.number: each for each in operation.outputs}
    for axis, reads in enumerate(fields.of(program.output)):
        if not isinstance(reads, Along):
            continue  # the output is computed from means alone
        place = program.dims.index(reads.dim)
        found: defaultdict[int, float] = defaultdict(float)
        for at in range(len(tiles[place])):
            corner = [at if each == place else 0 for each in range(len(tiles))]
            needed = program.regions.needed(next(regions_of(program, tiles, corner)))
            for number, value in values.items():
                along = fields.of(value)[axis]
                if number in needed and isinstance(along, Along):
                    found[number] += needed[number][along.dim].size / value.shape[along.dim]
        for number, share in found.items():
            repeats[number] = repeats.get(number, 1.0) * share
    return repeats
