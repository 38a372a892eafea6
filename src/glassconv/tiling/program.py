"""program: a network that is computed region by region of its output."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from math import prod
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from glassconv.errors import DtypeError, ShapeError, UnsupportedError
from glassconv.networks.capture import capture
from glassconv.networks.graph import Graph, Operation, Returned, Value
from glassconv.networks.tensors import dtype_of
from glassconv.nn.layer import checked
from glassconv.nn.shared_copy import tensors_of
from glassconv.tiling.call import Call, Rule, Step, evaluated, without_axes
from glassconv.tiling.means import without_means
from glassconv.tiling.refusals import check, check_means
from glassconv.tiling.regions import Region, Regions, cut, everything
from glassconv.tiling.rules import rule_of


class Mean(NamedTuple):
    """A global mean, and the program of what it is the mean of."""

    operation: Operation
    program: Program


class Program:
    """A network, ready to compute any region of its output from what the region depends on.

    two_pass: whether global means are computed before. They are zeros in a program that was not
    made by `knowing` them.

    Raises `UnsupportedError` for a network that no tile can be computed of, `NetworkError` for one
    that cannot be run on this input. It can be pickled, and then holds its weights.

    >>> program = Program(nn.Conv1d(1, 1, 3, padding=1), (1, 1, 8), torch.float32, "strict")
    >>> program.output_shape, program.dims
    ((1, 1, 8), (2,))
    """

    def __init__(
        self,
        model: nn.Module,
        shape: Iterable[int],
        dtype: torch.dtype,
        accuracy: str,
        *,
        two_pass: bool = False,
    ) -> None:
        checked("auto", accuracy, None)
        shape = tuple(shape)
        _check_sizes(shape, type(model).__name__)
        self.accuracy = accuracy
        self.request = f"tile {type(model).__name__} over {list(shape)}"
        if len(shape) < 3:
            raise ShapeError("tiles are of an array [batch, channels, *size]", request=self.request)
        if not prod(shape):
            raise UnsupportedError("the input is empty", request=self.request)
        if dtype.is_complex:
            raise DtypeError(f"an image of {dtype} has no tiles", request=self.request)
        self.dtype = dtype if dtype.is_floating_point else _dtype(model)
        captured = capture(model, torch.empty((), dtype=self.dtype).expand(shape))
        graph, means = without_means(captured) if two_pass else (captured, ())
        check_means(means, accuracy, self.request)
        known = {output.number: output for each in means for output in each.outputs}
        self.means: tuple[Mean, ...] = ()
        self._follow(_picklable(graph), known)
        parts = [self._ending_at(each.inputs[0], known) for each in means]
        self.means = tuple(map(Mean, means, parts))
        constants = _constants(captured, model, (self, *parts), known)
        zeros = {number: _zeros(value) for number, value in known.items()}
        for program in (self, *parts):
            program.constants = constants | zeros

    def _follow(self, graph: Graph, known: Mapping[int, Value]) -> None:
        """Compute this graph's output from now on. known: the outputs of means."""
        self.graph, self.output = graph, graph.outputs[0]
        self.regions = Regions(graph)
        self.operations = check(graph, self.regions, self.accuracy, self.request, known.keys())
        self.constants: dict[int, Tensor] = {}
        self._readers = Counter(
            number
            for operation in self.operations
            for number in {value.number for value in operation.inputs}
        )
        self._readers[self.output.number] += 1  # the caller

    def _ending_at(self, output: Value, known: Mapping[int, Value]) -> Self:
        """Return the program whose output is another value of the graph."""
        other = copy(self)
        other._follow(replace(self.graph, outputs=(output,)), known)
        return other

    def knowing(self, means: Mapping[int, Tensor]) -> Self:
        """Return the program with the outputs of means, by their values' numbers."""
        other = copy(self)
        other.constants = {**self.constants, **means}
        return other

    @property
    def input(self) -> Value:
        """Return the value of the input."""
        return self.graph.inputs[0]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of the whole output."""
        return self.output.shape

    @property
    def output_dtype(self) -> torch.dtype:
        """Return the element type of the output."""
        return dtype_of(self.output)

    @property
    def dims(self) -> tuple[int, ...]:
        """Return the dimensions of the output that are divided into tiles."""
        return tuple(sorted(self.regions.dims(self.output)))

    def reads(self, wanted: Region) -> Region:
        """Return the region of the input that a region of the output depends on.

        It is one position where the output depends on nothing but means.
        """
        position = everything((*self.input.shape[:2], *(1,) * (len(self.input.shape) - 2)))
        return self.regions.needed(wanted).get(self.input.number, position)

    def steps(self, wanted: Region) -> Iterator[Step]:
        """Yield, in order, what is computed for a region of the output; no number is needed."""
        needed = self.regions.needed(wanted)
        left = Counter(self._readers)
        for operation in self.operations:
            places = [at for at, each in enumerate(operation.outputs) if each.number in needed]
            for place in places:
                output = operation.outputs[place]
                region = needed[output.number]
                read = {value.number for value in operation.inputs if place == places[-1]}
                left.subtract(read)
                yield Step(
                    operation,
                    place,
                    region,
                    tuple(self.regions.reads(operation, place, region)),
                    tuple(
                        everything(value.shape)
                        if value.number in self.constants
                        else needed[value.number]
                        for value in operation.inputs
                    ),
                    self.regions.dims(output),
                    tuple(number for number in read if not left[number]),
                )

    def __call__(self, tile: Tensor, wanted: Region) -> Tensor:
        """Return a region of the output. tile: the input over `reads(wanted)`."""
        tiles = {self.input.number: tile.to(self.dtype)}
        for step in self.steps(wanted):
            self.compute(step, tiles)
        number = self.output.number
        return tiles[number] if number in tiles else self.constants[number]

    def compute(self, step: Step, tiles: dict[int, Tensor], rule: Rule | None = None) -> None:
        """Compute one step: put its tile in, and drop those that no later step reads.

        rule: what computes it; that of its function, where none is given.
        """
        operation, values = step.operation, ChainMap(tiles, self.constants)
        given = tuple(
            cut(values[value.number], origin, read.region)
            for value, read, origin in zip(operation.inputs, step.reads, step.origins, strict=True)
        )
        rule = rule or (rule_of(operation) if step.dims else without_axes)
        assert rule is not None, "`check` refused what has no rule"
        output = operation.outputs[step.place]
        tiles[output.number] = rule(Call(step, given, self.accuracy))
        for number in step.last_readings:
            tiles.pop(number, None)


def _check_sizes(shape: Sequence[object], model: str) -> None:
    """Raise `ShapeError` for sizes that are no whole numbers, as those of a dask array can be."""
    if not all(isinstance(size, int | np.integer) and size >= 0 for size in shape):
        cause = f"sizes must be known whole numbers, got {list(shape)}"
        raise ShapeError(cause, request=f"tile {model}")


def _picklable(graph: Graph) -> Graph:
    """Return a graph without PyTorch's own objects; functions are found by their names."""
    operations = tuple(replace(each, overload=None) for each in graph.operations)
    return replace(graph, operations=operations, constants={}, returned=Returned(None, ()))


def _dtype(model: nn.Module) -> torch.dtype:
    """Return the element type that numbers of an image are converted to: that of the weights."""
    floats = (each.dtype for each in tensors_of(model) if each.is_floating_point())
    return next(floats, torch.get_default_dtype())


def _zeros(value: Value) -> Tensor:
    """Return zeros in place of a mean that is not known yet."""
    return torch.zeros(value.shape, dtype=dtype_of(value))


def _constants(
    graph: Graph, model: nn.Module, programs: Sequence[Program], known: Iterable[int]
) -> dict[int, Tensor]:
    """Return what programs read or return that depends on no input, by the values' numbers.

    known: the numbers of what else they read.
    """
    from glassconv.networks.planning import network_of  # brings the compiler

    tensors = dict(network_of(graph, model).tensors)
    operations = [each for program in programs for each in program.operations]
    depends = {output.number for operation in operations for output in operation.outputs}
    depends |= {value.number for value in graph.inputs} | set(known)

    def find(value: Value) -> Tensor:
        if value.number not in tensors:
            operation = graph.producers[value.number]
            given = tuple(map(find, operation.inputs))
            place = operation.outputs.index(value)
            tensors[value.number] = evaluated(operation, place, given)
        return tensors[value.number]

    read = [value for operation in operations for value in operation.inputs]
    read += [program.output for program in programs]
    with torch.no_grad():
        return {value.number: find(value) for value in read if value.number not in depends}
