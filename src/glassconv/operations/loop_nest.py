"""Nested loops over the elements of arrays of one shape, the innermost over vectors.

Axes that lie behind one another in every array become one axis. So most operations have one loop
over all elements, and those with a number for each channel have two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from typing import Any

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct, pack, table_after
from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations.strided import Strided, supports_dtypes
from glassconv.operations.vectors import Vectors, vectors_of
from glassconv.reports.verdict import Verdict

MAX_DEPTH = 6
OUTPUT = "output"


@dataclass(frozen=True)
class Axis:
    """One loop: how often it runs, and how far each array moves, in elements."""

    size: int
    strides: Mapping[str, int]

    def holds(self, inner: Axis) -> bool:
        """Return whether an inner axis lies behind this one in every array, as if they were one."""
        return all(self.strides[name] == inner.strides[name] * inner.size for name in self.strides)

    def has_vectors(self) -> bool:
        """Return whether elements along it are adjacent in each array, or one for all."""
        return self.strides[OUTPUT] == 1 and set(self.strides.values()) <= {0, 1}


@dataclass(frozen=True)
class Form:
    """What the code of a loop nest depends on."""

    depth: int
    arrays: tuple[str, ...]  # their names in `Arrays`
    repeated: frozenset[str]  # those with one number for all elements of the innermost axis


@dataclass(frozen=True)
class LoopNest:
    """Loops, outermost first; the iterations of the first are divided into tasks."""

    axes: tuple[Axis, ...]
    per_task: int

    @property
    def form(self) -> Form:
        """Return what the code depends on."""
        innermost = self.axes[-1].strides
        repeated = frozenset(name for name, stride in innermost.items() if stride == 0)
        return Form(len(self.axes), tuple(innermost), repeated)

    @property
    def tasks(self) -> int:
        """Return the number of tasks."""
        return ceil(self.axes[0].size / self.per_task)

    @property
    def parameters(self) -> Any:
        """Return the kernel's struct, packed: the sizes, and then the strides of each array."""
        strides = [axis.strides[name] for name in self.form.arrays for axis in self.axes]
        table = (*(axis.size for axis in self.axes), *strides)
        return pack(LoopNestParameters(self.per_task), table)


def joined_axes(arrays: Mapping[str, Strided]) -> list[Axis]:
    """Return the fewest axes over arrays of one shape, from large strides of the output to small.

    >>> image = Strided((2, 8, 4, 4), (128, 1, 32, 8), "float32")
    >>> per_channel = Strided((2, 8, 4, 4), (0, 1, 0, 0), "float32")
    >>> [axis.size for axis in joined_axes({"output": image, "weight": per_channel})]
    [32, 8]
    """
    shape = arrays[OUTPUT].shape
    axes = [
        Axis(size, {name: array.strides[place] for name, array in arrays.items()})
        for place, size in enumerate(shape)
        if size != 1
    ]
    joined: list[Axis] = []
    for axis in sorted(axes, key=lambda axis: axis.strides[OUTPUT], reverse=True):
        joins = bool(joined) and joined[-1].holds(axis)
        size = axis.size * (joined.pop().size if joins else 1)
        joined.append(Axis(size, axis.strides))
    return joined


def axes_of(arrays: Mapping[str, Strided]) -> list[Axis]:
    """Return the axes over arrays of one shape, the innermost one of vectors.

    Its elements are adjacent in each array, or one for all. Where they are so along no axis, it has
    one element.
    """
    axes = joined_axes(arrays)
    if not axes or not axes[-1].has_vectors():
        axes.append(Axis(1, dict.fromkeys(arrays, 1)))
    return axes


def supports_loops(arrays: Mapping[str, Strided]) -> Verdict:
    """Return whether arrays of one shape have one element type, and not too many loops."""
    dtypes = supports_dtypes(*arrays.values())
    if not dtypes:
        return dtypes
    axes = axes_of(arrays)
    if len(axes) > MAX_DEPTH:
        return Verdict(False, f"requires at most {MAX_DEPTH} nested loops, got {len(axes)}")
    return Verdict(True, "")


def loop_nest(arrays: Mapping[str, Strided], tasks: int) -> LoopNest:
    """Return the loops over arrays that are supported, divided into about as many tasks."""
    axes = axes_of(arrays)
    outer = axes[:-1] or axes
    divided = next((axis for axis in outer if axis.size >= tasks), None)
    first = divided or max(outer, key=lambda axis: axis.size)
    per_task = max(1, ceil(first.size / tasks))
    if first is axes[-1]:  # no two tasks write to one cache line
        per_task = round_up(per_task, CACHE_LINE // ELEMENT_BYTES[arrays[OUTPUT].dtype])
    return LoopNest((first, *(axis for axis in axes if axis is not first)), per_task)


# -- generated code -----------------------------------------------------------------------------


@dataclass(frozen=True)
class LoopNestParameters(Struct[N]):
    """The kernel's parameters; after them, the sizes, and the strides of each array."""

    per_task: N


@dataclass(frozen=True)
class Row:
    """The innermost elements of an array."""

    start: Pointer
    repeats: bool  # whether it is one number for all

    def load(self, vectors: Vectors) -> list[Value]:
        """Return some vectors of it."""
        if self.repeats:
            code = self.start.code
            return [code.broadcast(self.start[0]) for _ in vectors.starts]
        return vectors.load(self.start)


Body = Callable[[Code, Mapping[str, Row], Vectors], None]


def emit_loops(module: Module, form: Form, body: Body) -> Function:
    """Emit the task function, which does `body` for all vectors of its part of the loops."""

    @function(module)
    def task(
        code: Code,
        parameters: LoopNestParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        with code.at_entry():
            table = table_after(parameters)
            sizes = [table[place] for place in range(form.depth)]
            strides = {
                name: [table[(1 + place) * form.depth + axis] for axis in range(form.depth)]
                for place, name in enumerate(form.arrays)
            }
        start = number * parameters.per_task
        bounds: list[tuple[Value | int, Value]] = [(0, size) for size in sizes]
        bounds[0] = start, (start + parameters.per_task).minimum(sizes[0])
        places = {name: getattr(arrays, name) for name in form.arrays}
        with ExitStack() as loops:
            for axis, (first, stop) in enumerate(bounds[:-1]):
                index = loops.enter_context(code.loop(first, stop))
                places = {
                    name: place + index * strides[name][axis] for name, place in places.items()
                }
            rows = {name: Row(place, name in form.repeated) for name, place in places.items()}
            for vectors in vectors_of(code, *bounds[-1]):
                body(code, rows, vectors)

    return task
