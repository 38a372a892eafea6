"""regions: which positions of every value a region of a network's output depends on, exactly.

Each operation's rule for receptive fields says what its output reads of an input. Along one axis,
with window [start, stop) and the size of the input,

    start = ⌈first + o · stride⌉    of the region's first output o
    stop = ⌊last + o · stride⌋ + 1  of its last one

A window may reach over the input's borders, where padding is. What it holds of the input is the
region to be read, which is at least one position. Followed from the output to the input, with the
smallest region that covers all readers of a value, this gives the tile of each value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, prod
from typing import NamedTuple

from torch import Tensor

from glassconv.networks.field_rules.known import Known
from glassconv.networks.graph import Graph, Operation, Value
from glassconv.networks.reads import Along, Fields
from glassconv.networks.receptive_fields import outputs_read, receptive_fields
from glassconv.tiling.positions import EXCEPTIONS


class Interval(NamedTuple):
    """The positions along one dimension from `start` to before `stop`."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Return the number of positions."""
        return self.stop - self.start


JOINS = ("cat", "concat", "concatenate")
Region = tuple[Interval, ...]  # one interval for each dimension of a value


def everything(shape: Sequence[int]) -> Region:
    """Return the region of all positions."""
    return tuple(Interval(0, size) for size in shape)


def sizes(region: Region) -> tuple[int, ...]:
    """Return the shape of an array over a region.

    >>> sizes((Interval(0, 3), Interval(2, 4)))
    (3, 2)
    """
    return tuple(interval.size for interval in region)


def slices(region: Region) -> tuple[slice, ...]:
    """Return what selects a region of an array."""
    return tuple(slice(*interval) for interval in region)


def cut(tile: Tensor, origin: Region, region: Region) -> Tensor:
    """Return a view of a part of a tile. origin: the region of the tile itself."""
    if region == origin:
        return tile
    return tile[
        tuple(
            slice(inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(region, origin, strict=True)
        )
    ]


def positions(region: Region) -> int:
    """Return the number of elements of a region."""
    return prod(sizes(region))


@dataclass(frozen=True)
class Read:
    """What an operation reads of one input, for a region of its output."""

    window: Region  # along each dimension, padding included
    region: Region  # of that, what the input has; at the border at least one position


class Regions:
    """The regions of a graph's values.

    >>> from torch import nn
    >>> from glassconv.networks.capture import capture
    >>> graph = capture(nn.Conv1d(1, 1, 3, stride=2, padding=1), [1, 1, 11])
    >>> needed = Regions(graph).needed((Interval(0, 1), Interval(0, 1), Interval(0, 2)))
    >>> needed[graph.inputs[0].number][2]
    Interval(start=0, stop=4)
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.fields = receptive_fields(graph)
        self._moves: dict[tuple[str, int, int], Fields] = {}
        self._latest: tuple[Region, Mapping[int, Region]] = ((), {})  # asked for twice by each tile

    def dims(self, value: Value) -> tuple[int, ...]:
        """Return the dimensions along which a value is divided into tiles."""
        return tuple(each.dim for each in self.fields.of(value) if isinstance(each, Along))

    def needed(self, wanted: Region) -> Mapping[int, Region]:
        """Return the region of every value that a region of the output needs, by its number."""
        latest = self._latest  # which another thread may replace
        if latest[0] != wanted:
            latest = self._latest = wanted, self._needed(wanted)
        return latest[1]

    def _needed(self, wanted: Region) -> Mapping[int, Region]:
        found = {self.graph.outputs[0].number: wanted}
        for operation in reversed(self.graph.operations):
            for place, output in enumerate(operation.outputs):
                if output.number not in found:
                    continue
                read = self.reads(operation, place, found[output.number])
                for value, each in zip(operation.inputs, read, strict=True):
                    known = found.get(value.number, each.region)
                    found[value.number] = tuple(map(_hull, known, each.region))
        return found

    def reads(self, operation: Operation, place: int, wanted: Region) -> list[Read]:
        """Return what one output of an operation reads of each input, for a region of it."""
        return [
            self._read(operation, place, argument, wanted)
            for argument in range(len(operation.inputs))
        ]

    def _read(self, operation: Operation, place: int, argument: int, wanted: Region) -> Read:
        value = operation.inputs[argument]
        windows = list(everything(value.shape))
        exception = EXCEPTIONS.get(operation.function) if argument == 0 else None
        for dim, reads in zip(
            self._tiled(operation, argument), self._moved(operation, place, argument), strict=True
        ):
            if not isinstance(reads, Along):
                continue
            along = wanted[reads.dim]
            window = exception(operation, dim, *along) if exception else None
            windows[dim] = Interval(*(window or _window(reads, along)))
        regions = tuple(map(_inside, windows, value.shape))
        return Read(tuple(windows), regions)

    def _moved(self, operation: Operation, place: int, argument: int) -> Fields:
        """Return which window of an input each element of an output reads, along tiled dims."""
        key = operation.name, place, argument
        if key not in self._moves:
            value = operation.inputs[argument]
            dims = self._tiled(operation, argument)
            fields: Fields = tuple(Along(dim, value.shape[dim]) for dim in dims)
            known = Known({value.number: fields}, len(fields))
            self._moves[key] = outputs_read(operation, known)[place] if fields else ()
        return self._moves[key]

    def _tiled(self, operation: Operation, argument: int) -> tuple[int, ...]:
        """Return the dims of an input that are divided; of a constant, as the output's are."""
        value, output = operation.inputs[argument], operation.outputs[0]
        dims = self.dims(value)
        if dims or not (operation.pointwise or operation.function in JOINS):
            return dims
        shift = len(output.shape) - len(value.shape)
        return tuple(
            dim - shift
            for dim in self.dims(output)
            if dim >= shift and value.shape[dim - shift] == output.shape[dim]
        )


def _window(reads: Along, wanted: Interval) -> Interval:
    first = ceil(reads.start + wanted.start * reads.stride)
    last = floor(reads.end + (wanted.stop - 1) * reads.stride)
    return Interval(first, last + 1)


def _inside(window: Interval, size: int) -> Interval:
    start = min(max(window.start, 0), size - 1)
    return Interval(start, max(start + 1, min(window.stop, size)))


def _hull(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.start, other.start), max(one.stop, other.stop))
