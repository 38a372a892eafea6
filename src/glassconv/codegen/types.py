"""Types of generated code, and their constants, as LLVM's text names them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

LARGEST_DECIMAL = 2**24  # whole numbers below are exact in every type of floating-point numbers


@dataclass(frozen=True, eq=False)
class Type:
    """A type. There is one object for each, so types are compared by identity.

    A vector has `count` elements of type `element`; of other types, the count is 0.
    """

    name: str
    bits: int = 0
    floating: bool = False  # whether it is made of floating-point numbers
    element: Type | None = None
    count: int = 0

    def __str__(self) -> str:
        return self.name


INT = Type("i64", 64)
INT32 = Type("i32", 32)
BIT = Type("i1", 1)
BYTE = Type("i8", 8)
POINTER = Type("ptr", 64)
VOID = Type("void")
FLOATS = {"float32": Type("float", 32, floating=True), "float64": Type("double", 64, floating=True)}
WORDS = {"float32": INT32, "float64": INT}  # as wide as an element


@cache
def vector(element: Type, count: int) -> Type:
    """Return the type of a vector.

    >>> str(vector(INT32, 8))
    '<8 x i32>'
    """
    name = f"<{count} x {element}>"
    return Type(name, count * element.bits, element.floating, element, count)


def constant(kind: Type, number: float) -> str:
    """Return a number of a type, the same in each lane of a vector.

    >>> constant(INT, 3), constant(vector(FLOATS["float32"], 2), 0.1)
    ('3', 'splat (float 0x3FB99999A0000000)')
    """
    if kind.element is not None:
        return f"splat ({kind.element} {constant(kind.element, number)})"
    return _decimal_or_bits(kind, number) if kind.floating else str(int(number))


def vector_of(kind: Type, numbers: Sequence[int]) -> str:
    """Return a vector of whole numbers.

    >>> vector_of(vector(INT32, 2), [3, 1])
    '<i32 3, i32 1>'
    """
    assert kind.element is not None, "a vector has elements"
    return f"<{', '.join([f'{kind.element} {number}' for number in numbers])}>"


def _decimal_or_bits(kind: Type, number: float) -> str:
    """Return a number that is exact in its type: LLVM refuses decimals that are not."""
    if abs(number) < LARGEST_DECIMAL and number == int(number):
        return f"{number:.1f}"
    if kind is FLOATS["float32"]:
        (number,) = struct.unpack("f", struct.pack("f", number))
    return f"0x{struct.pack('>d', number).hex().upper()}"
