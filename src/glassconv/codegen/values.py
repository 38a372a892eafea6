"""Values of generated code: numbers, vectors and truths; addresses; variables.

They come from a `Code`, and using one writes an instruction into that code: `a + b` adds, `p[i]`
loads, `p[i] = a` stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from glassconv.codegen.types import (
    BIT,
    BYTE,
    FLOATS,
    INT,
    INT32,
    POINTER,
    VOID,
    WORDS,
    Type,
    vector,
)

if TYPE_CHECKING:
    from glassconv.codegen.code import Code


class Value:
    """A number, a vector of numbers, or a truth."""

    __slots__ = ("code", "name", "type")

    def __init__(self, code: Code, kind: Type, name: str) -> None:
        self.code, self.type, self.name = code, kind, name  # LLVM's, or a constant

    def __str__(self) -> str:
        return f"{self.type} {self.name}"

    def __add__(self, other: Value | int) -> Value:
        return self._binary(other, "fadd" if self.type.floating else "add")

    def __sub__(self, other: Value | int) -> Value:
        return self._binary(other, "fsub" if self.type.floating else "sub")

    def __rsub__(self, other: int) -> Value:
        return self.code.value(other, self.type) - self

    def __mul__(self, other: Value | int) -> Value:
        return self._binary(other, "fmul" if self.type.floating else "mul")

    def __truediv__(self, other: Value | int) -> Value:
        """Divide floating-point numbers."""
        if not self.type.floating:
            raise TypeError("whole numbers are divided by //, not by /")
        return self._binary(other, "fdiv")

    def __floordiv__(self, other: Value | int) -> Value:
        """Divide whole numbers that are not negative."""
        if self.type.floating:
            raise TypeError("floating-point numbers are divided by /, not by //")
        return self._binary(other, "udiv")

    def __mod__(self, other: Value | int) -> Value:
        """Return the remainder of whole numbers that are not negative."""
        if self.type.floating:
            raise TypeError("% is for whole numbers")
        return self._binary(other, "urem")

    def __and__(self, other: Value) -> Value:
        return self._binary(other, "and")

    def __or__(self, other: Value) -> Value:
        return self._binary(other, "or")

    def __xor__(self, other: Value) -> Value:
        return self._binary(other, "xor")

    def __rshift__(self, other: Value) -> Value:
        """Shift bits to the right and fill with zeros."""
        return self._binary(other, "lshr")

    __radd__, __rmul__ = __add__, __mul__

    def _binary(self, other: Value | int, instruction: str) -> Value:
        right = self.code.value(other, self.type)
        return self.code.emit(self.type, f"{instruction} {self}, {right.name}")

    # -- comparisons ------------------------------------------------------------------------

    def __lt__(self, other: Value | int) -> Value:
        return self._compare("lt", other)

    def __le__(self, other: Value | int) -> Value:
        return self._compare("le", other)

    def __gt__(self, other: Value | int) -> Value:
        return self._compare("gt", other)

    def __ge__(self, other: Value | int) -> Value:
        return self._compare("ge", other)

    def equals(self, other: Value | int) -> Value:
        """Return whether both are the same number."""
        return self._compare("eq", other)

    def _compare(
        self, comparison: Literal["lt", "le", "gt", "ge", "eq"], other: Value | int
    ) -> Value:
        right = self.code.value(other, self.type)
        truth = vector(BIT, self.type.count) if self.type.count else BIT
        if self.type.floating:  # ordered: false where one is not a number
            return self.code.emit(truth, f"fcmp o{comparison} {self}, {right.name}")
        condition = comparison if comparison == "eq" else f"s{comparison}"
        return self.code.emit(truth, f"icmp {condition} {self}, {right.name}")

    def is_nan(self) -> Value:
        """Return whether it is not a number."""
        truth = vector(BIT, self.type.count) if self.type.count else BIT
        return self.code.emit(truth, f"fcmp uno {self}, {self.name}")

    def minimum(self, other: Value | int) -> Value:
        """Return the lesser of two numbers."""
        return self.code.select(self < other, self, other)

    def maximum(self, other: Value | int) -> Value:
        """Return the greater of two numbers."""
        return self.code.select(self > other, self, other)

    # -- conversions ------------------------------------------------------------------------

    def as_int(self) -> Value:
        """Return a truth as the whole number 1 or 0, a whole number of 32 bits as one of 64."""
        return self._converted("zext" if self.type is BIT else "sext", INT)

    def as_int32(self) -> Value:
        """Return a whole number in 32 bits."""
        return self._converted("trunc", INT32)

    def as_float(self) -> Value:
        """Return whole numbers as floating-point numbers of the code's element type."""
        element = self.code.float
        converted = vector(element, self.type.count) if self.type.count else element
        return self._converted("sitofp", converted)

    def as_type(self, dtype: str) -> Value:
        """Return floating-point numbers of another element type, rounded where it is narrower."""
        element = FLOATS[dtype]
        converted = vector(element, self.type.count) if self.type.count else element
        if converted is self.type:
            return self
        return self._converted("fpext" if dtype == "float64" else "fptrunc", converted)

    def as_words(self) -> Value:
        """Return a mask as a vector of words as wide as an element: −1 where it is set, else 0."""
        return self._converted("sext", vector(WORDS[self.code.dtype], self.code.lanes))

    def as_bits_of(self, kind: Type) -> Value:
        """Return the same bits as a value of another type."""
        return self._converted("bitcast", kind)

    def _converted(self, instruction: str, kind: Type) -> Value:
        return self.code.emit(kind, f"{instruction} {self} to {kind}")


class Pointer:
    """An address of elements of one type."""

    __slots__ = ("code", "element", "name")
    type = POINTER

    def __init__(self, code: Code, name: str, element: Type) -> None:
        self.code, self.name, self.element = code, name, element

    def __str__(self) -> str:
        return f"ptr {self.name}"

    def __add__(self, elements: Value | int) -> Pointer:
        if isinstance(elements, int) and elements == 0:
            return self
        return self._moved(self.element, self.code.value(elements))

    def add_bytes(self, number: Value) -> Pointer:
        """Return the address so many bytes on."""
        return self._moved(BYTE, number)

    def _moved(self, unit: Type, number: Value) -> Pointer:
        moved = self.code.emit(POINTER, f"getelementptr {unit}, {self}, {number}")
        return Pointer(self.code, moved.name, self.element)

    def bytes_to(self, other: Pointer) -> Value:
        """Return how many bytes it is from here to another address."""
        return other.as_int() - self.as_int()

    def as_int(self) -> Value:
        """Return the address as a whole number."""
        return self.code.emit(INT, f"ptrtoint {self} to {INT}")

    def cast(self, element: Type) -> Pointer:
        """Return the same address as one of elements of another type."""
        return Pointer(self.code, self.name, element)

    # -- one element ------------------------------------------------------------------------

    def __getitem__(self, index: Value | int) -> Value:
        return self._load(index, self.element)

    def __setitem__(self, index: Value | int, value: Value) -> None:
        self.code.write(f"store {value}, {self + index}, align {_alignment(self.element)}")

    def load_pointer(self, place: Value | int = 0) -> Pointer:
        """Load the address stored `place` words of 64 bits from here: one of elements."""
        loaded = self.cast(INT)._load(place, POINTER)
        return Pointer(self.code, loaded.name, self.code.float)

    # -- vectors ----------------------------------------------------------------------------

    def vector(self, index: Value | int = 0) -> Value:
        """Load a vector of consecutive elements, aligned or not."""
        return self._load(index, vector(self.element, self.code.lanes))

    def masked(self, mask: Value | None, index: Value | int = 0) -> Value:
        """Load the consecutive elements whose mask is set; the others are zero and not touched.

        mask: None where it is set for all.
        """
        if mask is None:
            return self.vector(index)
        kind = vector(self.element, self.code.lanes)
        name, zeros = f"llvm.masked.load.{self.code.suffix}.p0", self.code.value(0, kind)
        return self.code.call_external(name, kind, [self + index, mask, zeros])

    def store_masked(self, mask: Value | None, value: Value, index: Value | int = 0) -> None:
        """Store the lanes whose mask is set, and touch nothing else. mask: None for all lanes."""
        if mask is None:
            self[index] = value
            return
        name = f"llvm.masked.store.{self.code.suffix}.p0"
        self.code.call_external(name, VOID, [value, self + index, mask])

    def gather(self, stride: Value | int, mask: Value) -> Value:
        """Load one element every `stride`, those whose mask is set; the others are zero."""
        code = self.code
        return self.at(code.lane_numbers(INT) * code.broadcast(code.value(stride)), mask)

    def at(self, offsets: Value, mask: Value) -> Value:
        """Load the elements at a vector of offsets, those whose mask is set; others are zero."""
        code = self.code
        kind, addresses = vector(self.element, code.lanes), vector(POINTER, code.lanes)
        places = code.emit(addresses, f"getelementptr {self.element}, {self}, {offsets}")
        name = f"llvm.masked.gather.{code.suffix}.v{code.lanes}p0"
        return code.call_external(name, kind, [places, mask, code.value(0, kind)])

    def prefetch(self, index: Value | int = 0, *, to_write: bool = False) -> None:
        """Ask for an element's cache line in L2, or in L1 to write it.

        The element must exist. A page that is not mapped is no fault, but the processor walks the
        page table for it each time: a layer took three times as long with its weight at the end of
        the heap. https://llvm.org/docs/LangRef.html#llvm-prefetch-intrinsic
        """
        locality, data = 3 if to_write else 2, 1
        hints = [self.code.value(hint, INT32) for hint in (int(to_write), locality, data)]
        self.code.call_external("llvm.prefetch.p0", VOID, [self + index, *hints])

    def _load(self, index: Value | int, kind: Type) -> Value:
        load = f"load {kind}, {self + index}, align {_alignment(self.element)}"
        return self.code.emit(kind, load)


def _alignment(element: Type) -> int:
    return element.bits // 8


class Variable:
    """A value that changes; LLVM keeps it in a register."""

    def __init__(self, code: Code, value: Value) -> None:
        self.code, self.kind, self.place = code, value.type, code.place_of(value.type)
        self.set(value)

    def get(self) -> Value:
        """Return its value now."""
        return self.code.emit(self.kind, f"load {self.kind}, {self.place}")

    def set(self, value: Value | int) -> None:
        """Give it another value."""
        self.code.write(f"store {self.code.value(value, self.kind)}, {self.place}")
