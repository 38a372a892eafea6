"""Code: loops, vectors and fused multiply-adds, written in Python and emitted as LLVM's text.

A function is written by calling methods of a `Code`; the values it hands out can be added and
compared as numbers are. Whole numbers are 64 bits, and a Python int stands for a constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import llvmlite.ir as llvm

from glassconv.codegen.target import Target

INT = llvm.IntType(64)
INT32 = llvm.IntType(32)
BIT = llvm.IntType(1)
POINTER = llvm.PointerType()
VOID = llvm.VoidType()
FLOATS = {"float32": llvm.FloatType(), "float64": llvm.DoubleType()}
WORDS = {"float32": llvm.IntType(32), "float64": llvm.IntType(64)}  # as wide as an element


class Value:
    """A number, a vector of them or a truth: what an instruction makes."""

    def __init__(self, code: Code, raw: Any) -> None:
        self.code, self.raw = code, raw

    @property
    def floating(self) -> bool:
        """Return whether it is made of floating-point numbers."""
        kind = getattr(self.raw.type, "element", self.raw.type)
        return isinstance(kind, (llvm.FloatType, llvm.DoubleType))

    def _with(self, other: Value | int, whole: str, floating: str, swapped: bool = False) -> Value:
        operands = [self.raw, self.code.value(other, self.raw.type).raw]
        instruction = getattr(self.code.builder, floating if self.floating else whole)
        return Value(self.code, instruction(*(operands[::-1] if swapped else operands)))

    def __add__(self, other: Value | int) -> Value:
        return self._with(other, "add", "fadd")

    def __sub__(self, other: Value | int) -> Value:
        return self._with(other, "sub", "fsub")

    def __rsub__(self, other: int) -> Value:
        return self._with(other, "sub", "fsub", swapped=True)

    def __mul__(self, other: Value | int) -> Value:
        return self._with(other, "mul", "fmul")

    def __floordiv__(self, other: Value | int) -> Value:
        """Divide whole numbers that are not negative."""
        return self._with(other, "udiv", "fdiv")

    def __mod__(self, other: Value | int) -> Value:
        return self._with(other, "urem", "frem")

    def __and__(self, other: Value) -> Value:
        return Value(self.code, self.code.builder.and_(self.raw, other.raw))

    def __or__(self, other: Value) -> Value:
        return Value(self.code, self.code.builder.or_(self.raw, other.raw))

    def _compared(self, how: str, other: Value | int) -> Value:
        builder, right = self.code.builder, self.code.value(other, self.raw.type).raw
        compare = builder.fcmp_ordered if self.floating else builder.icmp_signed
        return Value(self.code, compare(how, self.raw, right))

    def __lt__(self, other: Value | int) -> Value:
        return self._compared("<", other)

    def __le__(self, other: Value | int) -> Value:
        return self._compared("<=", other)

    def __gt__(self, other: Value | int) -> Value:
        return self._compared(">", other)

    def __ge__(self, other: Value | int) -> Value:
        return self._compared(">=", other)

    def equals(self, other: Value | int) -> Value:
        """Return whether both are the same number."""
        return self._compared("==", other)

    def widen(self) -> Value:
        """Return a truth as the whole number 1 or 0."""
        return Value(self.code, self.code.builder.zext(self.raw, INT))

    def minimum(self, other: Value | int) -> Value:
        """Return the lesser."""
        return self.code.select(self < other, self, other)

    def maximum(self, other: Value | int) -> Value:
        """Return the greater."""
        return self.code.select(self > other, self, other)

    __radd__, __rmul__ = __add__, __mul__


class Pointer:
    """An address of elements of one type."""

    def __init__(self, code: Code, raw: Any, element: Any) -> None:
        self.code, self.raw, self.element = code, raw, element

    def __add__(self, elements: Value | int) -> Pointer:
        index = self.code.value(elements, INT).raw
        moved = self.code.builder.gep(self.raw, [index], source_etype=self.element)
        return Pointer(self.code, moved, self.element)

    def __getitem__(self, index: Value | int) -> Value:
        return self._load(index, self.element)

    def __setitem__(self, index: Value | int, value: Value) -> None:
        self.code.builder.store(value.raw, (self + index).raw, align=self._align)

    def bytes(self, number: Value) -> Pointer:
        """Return the address so many bytes on."""
        moved = self.code.builder.gep(self.raw, [number.raw], source_etype=llvm.IntType(8))
        return Pointer(self.code, moved, self.element)

    def vector(self, index: Value | int = 0) -> Value:
        """Load as many neighbours as a vector holds, aligned or not."""
        return self._load(index, llvm.VectorType(self.element, self.code.lanes))

    def masked(self, mask: Value, index: Value | int = 0) -> Value:
        """Load the neighbours whose mask is set; the others are zero and are not touched."""
        kind = llvm.VectorType(self.element, self.code.lanes)
        zeros = llvm.Constant(kind, None)
        address = (self + index).raw
        return self.code.call(
            f"llvm.masked.load.{self.code.suffix}.p0", kind, [address, mask.raw, zeros]
        )

    def prefetch(self, index: Value | int = 0, *, to_write: bool = False) -> None:
        """Ask for an element's line in the second cache, or in the first to write it.

        It need not exist.
        """
        near = 3 if to_write else 2
        hints = [self.code.value(each, INT32).raw for each in (int(to_write), near, 1)]
        self.code.call("llvm.prefetch.p0", VOID, [(self + index).raw, *hints])

    def store_masked(self, mask: Value, value: Value, index: Value | int = 0) -> None:
        """Store the lanes whose mask is set, and touch nothing else."""
        name = f"llvm.masked.store.{self.code.suffix}.p0"
        self.code.call(name, VOID, [value.raw, (self + index).raw, mask.raw])

    def gather(self, stride: Value | int, mask: Value) -> Value:
        """Load one element every `stride`, those whose mask is set; the others are zero."""
        code = self.code
        return self.at(code.lane_numbers(INT) * code.spread(code.value(stride, INT)), mask)

    def at(self, offsets: Value, mask: Value) -> Value:
        """Load the elements at a vector of offsets, those whose mask is set; others are zero."""
        code = self.code
        kind = llvm.VectorType(self.element, code.lanes)
        pointers = llvm.VectorType(POINTER, code.lanes)
        addresses = code.builder.gep(
            code.spread_raw(self.raw, pointers), [offsets.raw], source_etype=self.element
        )
        zeros = llvm.Constant(kind, None)
        name = f"llvm.masked.gather.{code.suffix}.v{code.lanes}p0"
        return code.call(name, kind, [addresses, mask.raw, zeros])

    def _load(self, index: Value | int, kind: Any) -> Value:
        address = (self + index).raw
        return Value(self.code, self.code.builder.load(address, typ=kind, align=self._align))

    @property
    def _align(self) -> int:
        return int(self.element.width // 8) if isinstance(self.element, llvm.IntType) else (
            4 if isinstance(self.element, llvm.FloatType) else 8
        )  # fmt: skip


class Variable:
    """A value that changes; LLVM keeps it in a register."""

    def __init__(self, code: Code, value: Value) -> None:
        self.code, self.kind = code, value.raw.type
        with code.builder.goto_entry_block():
            self.place = code.builder.alloca(self.kind)
        self.set(value)

    def get(self) -> Value:
        """Return what it holds now."""
        return Value(self.code, self.code.builder.load(self.place, typ=self.kind))

    def set(self, value: Value | int) -> None:
        """Let it hold another value."""
        self.code.builder.store(self.code.value(value, self.kind).raw, self.place)


class Code:
    """One function being written, in elements of one type."""

    def __init__(
        self, module: Module, name: str, arguments: Sequence[Any], *, public: bool = False
    ) -> None:
        self.module, self.dtype = module, module.dtype
        self.target = module.target
        self.lanes = module.target.lanes(module.dtype)
        self.float = FLOATS[module.dtype]
        self.vector_type = llvm.VectorType(self.float, self.lanes)
        self.suffix = f"v{self.lanes}f{32 if module.dtype == 'float32' else 64}"
        self.function = llvm.Function(module.raw, llvm.FunctionType(VOID, arguments), name)
        if not public:
            self.function.linkage = "internal"
            self.function.attributes.add("noinline")
        self.function.attributes.add("nounwind")
        entry = self.function.append_basic_block("entry")
        self.builder = llvm.IRBuilder(self.function.append_basic_block("body"))
        self._entry = llvm.IRBuilder(entry)
        self._entry.branch(self.builder.block)

    # -- arguments and constants --------------------------------------------------------------

    def arguments(self) -> list[Any]:
        """Return the function's arguments: pointers to elements, or whole numbers."""
        return [
            Pointer(self, each, self.float) if each.type == POINTER else Value(self, each)
            for each in self.function.args
        ]

    def value(self, given: Value | int | float, kind: Any = INT) -> Value:
        """Return a constant of a type, or the value it is already."""
        if isinstance(given, Value):
            return given
        if isinstance(kind, llvm.VectorType):
            return Value(self, llvm.Constant(kind, [given] * kind.count))
        return Value(self, llvm.Constant(kind, given))

    def zeros(self) -> Value:
        """Return a vector of zeros."""
        return Value(self, llvm.Constant(self.vector_type, None))

    def constant(self, number: float) -> Value:
        """Return a vector that holds one number in each lane."""
        return Value(self, llvm.Constant(self.vector_type, [float(number)] * self.lanes))

    def variable(self, value: Value | int) -> Variable:
        """Return a variable that starts with a value."""
        return Variable(self, self.value(value))

    # -- flow ---------------------------------------------------------------------------------

    @contextmanager
    def loop(self, start: Value | int, stop: Value | int, step: Value | int = 1) -> Iterator[Value]:
        """Repeat what is written within for start, start + step, … below stop."""
        begin, end, by = (self.value(each) for each in (start, stop, step))
        before = self.builder.block
        head, body, done = (
            self.function.append_basic_block(name) for name in ("head", "loop", "done")
        )
        self.builder.branch(head)
        self.builder.position_at_end(head)
        number = self.builder.phi(INT)
        number.add_incoming(begin.raw, before)
        index = Value(self, number)
        self.builder.cbranch((index < end).raw, body, done)
        self.builder.position_at_end(body)
        yield index
        number.add_incoming((index + by).raw, self.builder.block)
        self.builder.branch(head)
        self.builder.position_at_end(done)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Do what is written within only where the condition holds."""
        with self.builder.if_then(condition.raw):
            yield

    @contextmanager
    def either(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        """Give two contexts: what is written in the first is done where the condition holds."""
        with self.builder.if_else(condition.raw) as (then, otherwise):
            yield then, otherwise

    def select(self, condition: Value, yes: Value, no: Value | int) -> Value:
        """Return one of two values, without a branch."""
        raw = [self.value(each, yes.raw.type).raw for each in (yes, no)]
        return Value(self, self.builder.select(condition.raw, *raw))

    def select_pointer(self, condition: Value, yes: Pointer, no: Pointer) -> Pointer:
        """Return one of two addresses, without a branch."""
        raw = self.builder.select(condition.raw, yes.raw, no.raw)
        return Pointer(self, raw, yes.element)

    def finish(self) -> None:
        """End the function."""
        self.builder.ret_void()

    def call(self, name: str, result: Any, raw: Sequence[Any]) -> Value:
        """Call a function of LLVM's, of the process or of this module."""
        callee = self.module.declare(name, result, [each.type for each in raw])
        return Value(self, self.builder.call(callee, list(raw)))

    def call_function(self, function: Code, *given: Value | Pointer | int) -> None:
        """Call another function of this module."""
        raw = [(self.value(each) if isinstance(each, int) else each).raw for each in given]
        self.builder.call(function.function, raw)

    # -- vectors ------------------------------------------------------------------------------

    def spread(self, scalar: Value) -> Value:
        """Return a vector with the scalar in each lane."""
        kind = llvm.VectorType(scalar.raw.type, self.lanes)
        return Value(self, self.spread_raw(scalar.raw, kind))

    def spread_raw(self, scalar: Any, kind: Any) -> Any:
        """Return a vector of any type with the scalar in each lane."""
        undefined = llvm.Constant(kind, llvm.Undefined)
        first = self.builder.insert_element(undefined, scalar, llvm.Constant(INT32, 0))
        chosen = llvm.Constant(llvm.VectorType(INT32, kind.count), [0] * kind.count)
        return self.builder.shuffle_vector(first, undefined, chosen)

    def fma(self, left: Value, right: Value, total: Value) -> Value:
        """Return left · right + total, rounded once."""
        raw = [left.raw, right.raw, total.raw]
        return self.call(f"llvm.fma.{self.suffix}", self.vector_type, raw)

    def rounded(self, vector: Value) -> Value:
        """Return the whole number next to each lane."""
        return self.call(f"llvm.roundeven.{self.suffix}", self.vector_type, [vector.raw])

    def power_of_two(self, exponents: Value) -> Value:
        """Return 2ⁿ for a vector of whole numbers n that are exponents of normal numbers.

        A number so large that its last digit counts ones, plus n, ends with the bits of n.
        """
        digits, bias = {"float32": (23, 127), "float64": (52, 1023)}[self.dtype]
        word = llvm.VectorType(WORDS[self.dtype], self.lanes)
        counted = exponents + self.constant(3 * 2.0 ** (digits - 1) + bias)
        moved = self.builder.shl(
            self.builder.bitcast(counted.raw, word), llvm.Constant(word, [digits] * self.lanes)
        )
        return Value(self, self.builder.bitcast(moved, self.vector_type))

    def any_nan(self, vector: Value) -> Value:
        """Return whether some lane is not a number."""
        differs = Value(self, self.builder.fcmp_unordered("uno", vector.raw, vector.raw))
        return self.call(f"llvm.vector.reduce.or.v{self.lanes}i1", BIT, [differs.raw])

    def shuffle(self, first: Value, second: Value, lanes: Sequence[int]) -> Value:
        """Return the lanes, counted through both vectors, in this order."""
        chosen = llvm.Constant(llvm.VectorType(INT32, len(lanes)), list(lanes))
        return Value(self, self.builder.shuffle_vector(first.raw, second.raw, chosen))

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """Transpose as many vectors as a vector has lanes, by log₂(lanes) rounds of shuffles."""
        size, rows = self.lanes, list(rows)
        distance = 1
        while distance < size:
            swapped = list(rows)
            for low in range(size):
                if low & distance:
                    continue
                high = low | distance
                keep = [
                    lane if not lane & distance else size + (lane ^ distance)
                    for lane in range(size)
                ]
                take = [
                    lane ^ distance if not lane & distance else size + lane for lane in range(size)
                ]
                swapped[low] = self.shuffle(rows[low], rows[high], keep)
                swapped[high] = self.shuffle(rows[low], rows[high], take)
            rows = swapped
            distance *= 2
        return rows

    def lane_numbers(self, kind: Any = INT32) -> Value:
        """Return the vector of 0, 1, 2 and so on."""
        numbered = llvm.VectorType(kind, self.lanes)
        return Value(self, llvm.Constant(numbered, list(range(self.lanes))))

    def first_lanes(self, count: Value) -> Value:
        """Return the mask of the first lanes, as many as counted."""
        return self.lane_numbers() < self.spread(self.narrow(count))

    def lanes_from(self, start: Value) -> Value:
        """Return the mask of all lanes but the first, as many of those as counted."""
        return self.lane_numbers() >= self.spread(self.narrow(start))

    def narrow(self, whole: Value) -> Value:
        """Return a whole number in 32 bits."""
        return Value(self, self.builder.trunc(whole.raw, INT32))


class Module:
    """Functions compiled together, in elements of one type, for one target."""

    def __init__(self, name: str, dtype: str, target: Target) -> None:
        self.name, self.dtype, self.target = name, dtype, target
        self.raw = llvm.Module(name)
        self.raw.triple = target.triple

    def declare(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """Return a function defined elsewhere, declared once."""
        if name in self.raw.globals:
            return self.raw.globals[name]
        return llvm.Function(self.raw, llvm.FunctionType(result, arguments), name)

    @property
    def text(self) -> str:
        """Return the module as LLVM reads it."""
        return str(self.raw)
