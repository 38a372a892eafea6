"""What a program takes: tensors of stated element types and sizes, checked before it runs.

A program was recorded for sizes that it states: fixed ones, symbols with a range, and conditions
on them, such as a height of at least 33. Given others, it could compute something else in silence.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError, ShapeError
from glassconv.networks.exported import sizes
from glassconv.networks.exported.tensors import DTYPES
from glassconv.networks.files.strict_json import field

# What is parsed and computed of a file that states more than any network needs takes seconds.
MOST_INPUTS = 32
MOST_AXES = 8
MOST_TEXT = 1 << 18  # characters of all conditions
LARGEST_SIZE = 1 << 31  # of an axis
SPECIAL = 2  # PyTorch records with sizes of at least 2, and runs with 0 and 1 all the same


@dataclass(frozen=True)
class Input:
    """A tensor that a program takes.

    sizes: of each axis, a number or an expression of symbols. sample: those it was recorded with.
    """

    name: str
    dtype: torch.dtype
    sizes: tuple[int | ast.expr, ...]
    sample: tuple[int, ...]


@dataclass(frozen=True)
class Inputs:
    """All tensors that a program takes, in order, and what must hold for their sizes.

    ranges: the least and the largest value of a symbol. guards: conditions on sizes.
    """

    inputs: tuple[Input, ...]
    ranges: Mapping[str, tuple[int, int | None]]
    guards: tuple[ast.expr, ...]

    def check(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raise `ShapeError` for shapes that the program was not recorded for."""
        known = self._symbols(shapes)
        for each, shape in zip(self.inputs, shapes, strict=True):
            for axis, (size, stated) in enumerate(zip(shape, each.sizes, strict=True)):
                wanted = stated if isinstance(stated, int) else sizes.value(stated, known)
                if size != wanted:
                    cause = f"{each.name} must have size {wanted} in axis {axis}, got {size}"
                    raise ShapeError(cause)
                known[f"{each.name}.size()[{axis}]"] = size
        for guard in self.guards:
            if not sizes.value(guard, known):
                cause = f"the program was recorded for sizes with {ast.unparse(guard)}"
                raise ShapeError(cause)

    def _symbols(self, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
        """Return the value of each symbol that is the size of an axis."""
        known: dict[str, int] = {}
        for each, shape in zip(self.inputs, shapes, strict=True):
            if len(shape) != len(each.sizes):
                cause = f"{each.name} must have {len(each.sizes)} axes, got {len(shape)}"
                raise ShapeError(cause)
            for size, stated in zip(shape, each.sizes, strict=True):
                name = None if isinstance(stated, int) else sizes.symbol(stated)
                if name is not None and name not in known:
                    known[name] = size
                    self._check_range(name, size)
        return known

    def _check_range(self, name: str, size: int) -> None:
        low, high = self.ranges.get(name, (0, None))
        if (low > SPECIAL and size < low) or (high is not None and size > high):
            wanted = f"at least {low}" if high is None else f"{low} to {high}"
            raise ShapeError(f"the size {name} must be {wanted}, got {size}")


class InputCheck(nn.Module):
    """The first operation of a program: it checks the sizes of its inputs, and computes nothing.

    PyTorch's own loader puts such a module at this place.
    """

    _is_impure = True  # torch.fx removes operations without users, but not this one

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.inputs = inputs

    def forward(self, *tensors: Tensor) -> None:
        """Raise `ShapeError` for inputs that the program was not recorded for."""
        self.inputs.check([tuple(tensor.shape) for tensor in tensors])


def read_inputs(program: Any, names: Sequence[str]) -> Inputs:
    """Return the inputs of these names, as a program states them."""
    metas = field(field(field(program, "graph_module", dict), "graph", dict), "tensor_values", dict)
    ranges = field(program, "range_constraints", dict)
    guards = field(program, "guards_code", list)
    if len(names) > MOST_INPUTS:
        raise NetworkError(f"it has {len(names):,} inputs, where at most {MOST_INPUTS} are read")
    if not all(isinstance(guard, str) for guard in guards):
        raise NetworkError("it has a condition that is no text")
    if (length := sum(map(len, guards))) > MOST_TEXT:
        cause = f"it has conditions of {length:,} characters, where {MOST_TEXT:,} are read"
        raise NetworkError(cause)
    return Inputs(
        tuple(_input(name, field(metas, name, dict)) for name in names),
        {name: _range(field(ranges, name, dict)) for name in ranges},
        tuple(sizes.parse(guard) for guard in guards),
    )


def _input(name: str, meta: dict[str, Any]) -> Input:
    dtype = field(meta, "dtype", int)
    if dtype not in DTYPES:
        raise NetworkError(f"it takes {name} of element type {dtype}, which is not supported")
    stated: list[int | ast.expr] = []
    sample: list[int] = []
    for size in field(meta, "sizes", list):
        if isinstance(size, dict) and "as_int" in size:
            stated.append(field(size, "as_int", int))
            sample.append(field(size, "as_int", int))
        else:
            symbolic = field(size, "as_expr", dict)
            stated.append(sizes.parse(field(symbolic, "expr_str", str)))
            sample.append(field(field(symbolic, "hint", dict), "as_int", int))
    if len(sample) > MOST_AXES or not all(0 <= size <= LARGEST_SIZE for size in sample):
        raise NetworkError(f"it takes {name} of shape {tuple(sample)}")
    return Input(name, DTYPES[dtype], tuple(stated), tuple(sample))


def _range(stated: dict[str, Any]) -> tuple[int, int | None]:
    """Return the least and the largest value of a symbol; without a largest, None."""
    largest = None if stated.get("max_val") is None else field(stated, "max_val", int)
    return field(stated, "min_val", int), largest
