"""Struct: what Python hands to generated code, declared once for both sides.

    @dataclass(frozen=True)
    class Size(Struct[N]):
        height: N
        width: N

`Size[int]` holds numbers: `pack(Size(height=2, width=3))` lays them out in memory. `Size[Value]` is
the same struct in generated code: a function whose parameter is a `size: Size[Value]` reads
`size.height`. A name that is not declared is an error of mypy's on both sides.

A struct that extends another begins with the fields of that one. So a function that takes the
shorter one can be called with the longer one.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Generic, TypeVar, get_args, get_origin

from glassconv.codegen.types import INT
from glassconv.codegen.values import Pointer, Value

N = TypeVar("N")  # int in Python; Value or Pointer in generated code
S = TypeVar("S", bound="Struct[Any]")


@dataclass(frozen=True)
class Struct(Generic[N]):
    """Words of 64 bits in the order of their declaration: whole numbers, or addresses."""


def pack(struct: Struct[int], table: tuple[int, ...] = ()) -> Any:
    """Return the struct's words as generated code reads them, a table of more words after them.

    >>> @dataclass(frozen=True)
    ... class Size(Struct[N]):
    ...     height: N
    ...     width: N
    >>> list(pack(Size(height=2, width=3)))
    [2, 3]
    """
    words = [getattr(struct, field.name) for field in fields(struct)]
    return words_of(*words, *table)


def words_of(*numbers: int) -> Any:
    """Return whole numbers in memory, 64 bits each."""
    return (ctypes.c_int64 * len(numbers))(*numbers)


def read(pointer: Pointer, kind: type[S]) -> S:
    """Return the struct that a function gets the address of; reading a field loads its word.

    A field that is read is loaded once, where the function begins: no store changes it.

    kind: `Size[Value]` where the words are whole numbers, `Arrays[Pointer]` where they are
    addresses.
    """
    declared: type = get_origin(kind) or kind
    view: S = object.__new__(_view(declared, get_args(kind) == (Pointer,)))
    object.__setattr__(view, "pointer", pointer)
    object.__setattr__(view, "loaded", {})
    return view


def address_of(struct: Struct[Any]) -> Pointer:
    """Return the address of a struct of generated code."""
    pointer: Pointer = struct.pointer  # type: ignore[attr-defined]
    return pointer


def table_after(struct: Struct[Value]) -> Pointer:
    """Return the address of the table of words that `pack` put after a struct."""
    return address_of(struct).cast(INT) + len(fields(struct))


@cache
def _view(kind: type, addresses: bool) -> type:
    """Return the subclass whose fields load their words."""

    def field(place: int) -> property:
        def load(self: Any) -> Any:
            if place not in self.loaded:
                pointer = address_of(self)
                with pointer.code.at_entry():
                    word = pointer.load_pointer(place) if addresses else pointer.cast(INT)[place]
                self.loaded[place] = word
            return self.loaded[place]

        return property(load)

    return type(kind.__name__, (kind,), {f.name: field(i) for i, f in enumerate(fields(kind))})
