"""Values of generated code: numbers, vectors and truths; addresses; variables.

They come from a `Code`, and using one writes an instruction into that code: `a + b` adds, `p[i]`
loads, `p[i] = a` stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.ir as llvm

if TYPE_CHECKING:
    from glassconv.codegen.ir import Code

INT = llvm.IntType(64)
INT32 = llvm.IntType(32)
BIT = llvm.IntType(1)
POINTER = llvm.PointerType()
VOID = llvm.VoidType()
FLOATS = {"float32": llvm.FloatType(), "float64": llvm.DoubleType()}
WORDS = {"float32": llvm.IntType(32), "float64": llvm.IntType(64)}  # as wide as an element


class Value:
    """A number, a vector of numbers, or a truth."""

    def __init__(self, code: Code, raw: Any) -> None:
        self.code, self.raw = code, raw

    @property
    def floating(self) -> bool:
        """Return whether it is made of floating-point numbers."""
        kind = getattr(self.raw.type, "element", self.raw.type)
        return isinstance(kind, (llvm.FloatType, llvm.DoubleType))

    def __add__(self, other: Value | int) -> Value:
        return self._binary(other, "fadd" if self.floating else "add")

    def __sub__(self, other: Value | int) -> Value:
        return self._binary(other, "fsub" if self.floating else "sub")

    def __rsub__(self, other: int) -> Value:
        return self.code.value(other, self.raw.type) - self

    def __mul__(self, other: Value | int) -> Value:
        return self._binary(other, "fmul" if self.floating else "mul")

    def __truediv__(self, other: Value | int) -> Value:
        """Divide floating-point numbers."""
        if not self.floating:
            raise TypeError("whole numbers are divided by //, not by /")
        return self._binary(other, "fdiv")

    def __floordiv__(self, other: Value | int) -> Value:
        """Divide whole numbers that are not negative."""
        if self.floating:
            raise TypeError("floating-point numbers are divided by /, not by //")
        return self._binary(other, "udiv")

    def __mod__(self, other: Value | int) -> Value:
        """Return the remainder of whole numbers that are not negative."""
        if self.floating:
            raise TypeError("% is for whole numbers")
        return self._binary(other, "urem")

    def __and__(self, other: Value) -> Value:
        return self._binary(other, "and_")

    def __or__(self, other: Value) -> Value:
        return self._binary(other, "or_")

    def __xor__(self, other: Value) -> Value:
        return self._binary(other, "xor")

    def __rshift__(self, other: Value) -> Value:
        """Shift bits to the right and fill with zeros."""
        return self._binary(other, "lshr")

    __radd__, __rmul__ = __add__, __mul__

    def _binary(self, other: Value | int, instruction: str) -> Value:
        right = self.code.value(other, self.raw.type)
        return Value(self.code, getattr(self.code.builder, instruction)(self.raw, right.raw))

    # -- comparisons ------------------------------------------------------------------------

    def __lt__(self, other: Value | int) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Value | int) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Value | int) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Value | int) -> Value:
        return self._compare(">=", other)

    def equals(self, other: Value | int) -> Value:
        """Return whether both are the same number."""
        return self._compare("==", other)

    def _compare(self, comparison: str, other: Value | int) -> Value:
        builder, right = self.code.builder, self.code.value(other, self.raw.type).raw
        compare = builder.fcmp_ordered if self.floating else builder.icmp_signed
        return Value(self.code, compare(comparison, self.raw, right))

    def minimum(self, other: Value | int) -> Value:
        """Return the lesser of two numbers."""
        return self.code.select(self < other, self, other)

    def maximum(self, other: Value | int) -> Value:
        """Return the greater of two numbers."""
        return self.code.select(self > other, self, other)

    # -- conversions ------------------------------------------------------------------------

    def as_int(self) -> Value:
        """Return a truth as the whole number 1 or 0, a whole number of 32 bits as one of 64."""
        builder, is_truth = self.code.builder, self.raw.type == BIT
        return Value(self.code, (builder.zext if is_truth else builder.sext)(self.raw, INT))

    def as_int32(self) -> Value:
        """Return a whole number in 32 bits."""
        return Value(self.code, self.code.builder.trunc(self.raw, INT32))

    def as_type(self, dtype: str) -> Value:
        """Return floating-point numbers of another element type, rounded where it is narrower."""
        kind, builder = self.raw.type, self.code.builder
        element = FLOATS[dtype]
        converted = llvm.VectorType(element, kind.count) if hasattr(kind, "count") else element
        if converted == kind:
            return self
        convert = builder.fpext if dtype == "float64" else builder.fptrunc
        return Value(self.code, convert(self.raw, converted))

    def as_words(self) -> Value:
        """Return a mask as a vector of words as wide as an element: −1 where it is set, else 0."""
        kind = llvm.VectorType(WORDS[self.code.dtype], self.code.lanes)
        return Value(self.code, self.code.builder.sext(self.raw, kind))


class Pointer:
    """An address of elements of one type."""

    def __init__(self, code: Code, raw: Any, element: Any) -> None:
        self.code, self.raw, self.element = code, raw, element

    def __add__(self, elements: Value | int) -> Pointer:
        index = self.code.value(elements, INT).raw
        moved = self.code.builder.gep(self.raw, [index], source_etype=self.element)
        return Pointer(self.code, moved, self.element)

    def add_bytes(self, number: Value) -> Pointer:
        """Return the address so many bytes on."""
        moved = self.code.builder.gep(self.raw, [number.raw], source_etype=llvm.IntType(8))
        return Pointer(self.code, moved, self.element)

    def bytes_to(self, other: Pointer) -> Value:
        """Return how many bytes it is from here to another address."""
        return other.as_int() - self.as_int()

    def as_int(self) -> Value:
        """Return the address as a whole number."""
        return Value(self.code, self.code.builder.ptrtoint(self.raw, INT))

    def cast(self, element: Any) -> Pointer:
        """Return the same address as one of elements of another type."""
        return Pointer(self.code, self.raw, element)

    # -- one element ------------------------------------------------------------------------

    def __getitem__(self, index: Value | int) -> Value:
        return self._load(index, self.element)

    def __setitem__(self, index: Value | int, value: Value) -> None:
        self.code.builder.store(value.raw, (self + index).raw, align=_alignment(self.element))

    def load_pointer(self, place: Value | int = 0) -> Pointer:
        """Load the address stored `place` words of 64 bits from here: one of elements."""
        word = self.cast(INT) + place
        raw = self.code.builder.load(word.raw, typ=POINTER, align=8)
        return Pointer(self.code, raw, self.code.float)

    # -- vectors ----------------------------------------------------------------------------

    def vector(self, index: Value | int = 0) -> Value:
        """Load a vector of consecutive elements, aligned or not."""
        return self._load(index, llvm.VectorType(self.element, self.code.lanes))

    def masked(self, mask: Value, index: Value | int = 0) -> Value:
        """Load the consecutive elements whose mask is set; the others are zero and not touched."""
        kind = llvm.VectorType(self.element, self.code.lanes)
        address, zeros = (self + index).raw, llvm.Constant(kind, None)
        name = f"llvm.masked.load.{self.code.suffix}.p0"
        return self.code.call_external(name, kind, [address, mask.raw, zeros])

    def store_masked(self, mask: Value, value: Value, index: Value | int = 0) -> None:
        """Store the lanes whose mask is set, and touch nothing else."""
        name = f"llvm.masked.store.{self.code.suffix}.p0"
        self.code.call_external(name, VOID, [value.raw, (self + index).raw, mask.raw])

    def gather(self, stride: Value | int, mask: Value) -> Value:
        """Load one element every `stride`, those whose mask is set; the others are zero."""
        code = self.code
        return self.at(code.lane_numbers(INT) * code.broadcast(code.value(stride)), mask)

    def at(self, offsets: Value, mask: Value) -> Value:
        """Load the elements at a vector of offsets, those whose mask is set; others are zero."""
        code = self.code
        kind = llvm.VectorType(self.element, code.lanes)
        starts = code.broadcast(Value(code, self.raw))
        addresses = code.builder.gep(starts.raw, [offsets.raw], source_etype=self.element)
        zeros = llvm.Constant(kind, None)
        name = f"llvm.masked.gather.{code.suffix}.v{code.lanes}p0"
        return code.call_external(name, kind, [addresses, mask.raw, zeros])

    def prefetch(self, index: Value | int = 0, *, to_write: bool = False) -> None:
        """Ask for an element's cache line in L2, or in L1 to write it. The element need not exist.

        https://llvm.org/docs/LangRef.html#llvm-prefetch-intrinsic
        """
        locality, data = 3 if to_write else 2, 1
        hints = [self.code.value(hint, INT32).raw for hint in (int(to_write), locality, data)]
        self.code.call_external("llvm.prefetch.p0", VOID, [(self + index).raw, *hints])

    def _load(self, index: Value | int, kind: Any) -> Value:
        address, align = (self + index).raw, _alignment(self.element)
        return Value(self.code, self.code.builder.load(address, typ=kind, align=align))


def _alignment(element: Any) -> int:
    if isinstance(element, llvm.IntType):
        return int(element.width // 8)
    return 4 if isinstance(element, llvm.FloatType) else 8


class Variable:
    """A value that changes; LLVM keeps it in a register."""

    def __init__(self, code: Code, value: Value) -> None:
        self.code, self.kind = code, value.raw.type
        with code.builder.goto_entry_block():
            self.place = code.builder.alloca(self.kind)
        self.set(value)

    def get(self) -> Value:
        """Return its value now."""
        return Value(self.code, self.code.builder.load(self.place, typ=self.kind))

    def set(self, value: Value | int) -> None:
        """Give it another value."""
        self.code.builder.store(self.code.value(value, self.kind).raw, self.place)
