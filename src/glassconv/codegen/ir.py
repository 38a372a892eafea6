"""Generated code: functions of loops, vectors and fused multiply-adds, written in Python.

A function is a Python function that writes its instructions by calling methods of a `Code` and by
computing with its parameters. Its signature declares what it takes, and it is called by keyword:

    module = Module("example", "float32", named("avx2"))

    @function(module)
    def scale(code: Code, array: Pointer, count: Value) -> None:
        with code.loop(0, count, code.lanes) as i:
            array[i] = array.vector(i) * code.constant(2)

    scale.call(array=row, count=8)      within another function

What is written is LLVM's intermediate representation, `module.text`. Whole numbers have 64 bits,
and a Python int is a constant.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_origin, get_type_hints

import llvmlite.ir as llvm

from glassconv.codegen.struct import Struct, address_of, read
from glassconv.codegen.target import Target
from glassconv.codegen.values import (
    BIT,
    FLOATS,
    INT,
    INT32,
    POINTER,
    VOID,
    WORDS,
    Pointer,
    Value,
    Variable,
)

__all__ = [
    "BIT",
    "INT",
    "INT32",
    "POINTER",
    "VOID",
    "WORDS",
    "Argument",
    "Code",
    "Function",
    "Module",
    "Pointer",
    "Value",
    "Variable",
    "function",
]

Argument = Value | Pointer | Struct[Any] | int


class Module:
    """Functions compiled together, in elements of one type, for one target."""

    def __init__(self, name: str, dtype: str, target: Target) -> None:
        self.name, self.dtype, self.target = name, dtype, target
        self.raw = llvm.Module(name)
        self.raw.triple = target.triple

    def declare(self, name: str, result: Any, parameters: Sequence[Any]) -> Any:
        """Return a function defined elsewhere, declared once."""
        if name in self.raw.globals:
            return self.raw.globals[name]
        return llvm.Function(self.raw, llvm.FunctionType(result, parameters), name)

    @property
    def text(self) -> str:
        """Return the module as LLVM reads it."""
        return str(self.raw)


@dataclass(frozen=True)
class Function:
    """A function that has been written, to be called by others of its module."""

    name: str
    parameters: Mapping[str, type]  # in order; `Value`, `Pointer` or a subclass of `Struct`
    raw: Any

    def call(self, **arguments: Argument) -> None:
        """Write a call with all parameters by keyword; ints are constants.

        Raises `TypeError` where a parameter is missing, unknown or of another type.
        """
        if set(arguments) != set(self.parameters):
            missing = [name for name in self.parameters if name not in arguments]
            unknown = [name for name in arguments if name not in self.parameters]
            raise TypeError(
                f"{self.name}({', '.join(self.parameters)}) is called without {missing or 'none'} "
                f"and with unknown {unknown or 'none'}"
            )
        for name, kind in self.parameters.items():
            if isinstance(arguments[name], Struct) and not isinstance(arguments[name], kind):
                actual = type(arguments[name]).__name__
                raise TypeError(f"{self.name}: {name} is {kind.__name__}, not {actual}")
        values = [_value(arguments[name]) for name in self.parameters]
        code = next(value.code for value in values if not isinstance(value, int))
        raw = [code.value(value).raw if isinstance(value, int) else value.raw for value in values]
        for value, parameter in zip(raw, self.raw.args, strict=True):
            if value.type != parameter.type:
                expected, actual = parameter.type, value.type
                raise TypeError(f"{self.name}: {parameter.name} is {expected}, not {actual}")
        code.builder.call(self.raw, raw)


def function(
    module: Module, name: str | None = None, *, public: bool = False
) -> Callable[[Callable[..., None]], Function]:
    """Write a function of a module; its Python function's signature says what it takes.

    The first parameter is the `Code` to write to. The others are annotated `Value` (a whole
    number), `Pointer` (an address of elements) or as a `Struct`, which is passed by its address.
    name: where it is not the Python function's. public: whether Python calls it.
    """

    def write(body: Callable[..., None]) -> Function:
        hints = get_type_hints(body)
        _, *names = inspect.signature(body).parameters
        parameters = {name: _declared_class(name, hints[name]) for name in names}
        types = [INT if kind is Value else POINTER for kind in parameters.values()]
        title = name or body.__name__
        raw = llvm.Function(module.raw, llvm.FunctionType(VOID, types), title)
        raw.attributes.add("nounwind")
        if not public:
            raw.linkage = "internal"
            raw.attributes.add("noinline")
        code = Code(module, raw)
        arguments = {}
        for parameter, argument in zip(names, raw.args, strict=True):
            argument.name = parameter
            arguments[parameter] = _argument(code, argument, hints[parameter])
        body(code, **arguments)
        code.builder.ret_void()
        return Function(title, MappingProxyType(parameters), raw)

    return write


def _declared_class(name: str, hint: Any) -> type:
    """Return the class that a parameter is annotated with: of `Size[Value]`, `Size`."""
    kind = get_origin(hint) or hint
    if not (isinstance(kind, type) and issubclass(kind, Value | Pointer | Struct)):
        raise TypeError(f"parameter {name} is annotated Value, Pointer or as a Struct, not {hint}")
    return kind


def _argument(code: Code, raw: Any, kind: Any) -> Any:
    """Return what a function's body gets for a parameter that is annotated so."""
    if kind is Value:
        return Value(code, raw)
    pointer = Pointer(code, raw, code.float)
    return pointer if kind is Pointer else read(pointer, kind)


def _value(argument: Argument) -> Value | Pointer | int:
    return address_of(argument) if isinstance(argument, Struct) else argument


class Code:
    """The instructions of one function, written from the first to the last."""

    def __init__(self, module: Module, raw: Any) -> None:
        self.module, self.dtype, self.target = module, module.dtype, module.target
        self.lanes = module.target.lanes(module.dtype)  # elements of a vector
        self.float = FLOATS[module.dtype]
        self.vector_type = llvm.VectorType(self.float, self.lanes)
        self.suffix = f"v{self.lanes}f{32 if module.dtype == 'float32' else 64}"
        self._function = raw
        entry = raw.append_basic_block("entry")
        self.builder = llvm.IRBuilder(raw.append_basic_block("body"))
        llvm.IRBuilder(entry).branch(self.builder.block)
        self._if: tuple[Any, Any] | None = None  # the branch of the last if_, and where it ends

    # -- constants and variables --------------------------------------------------------------

    def value(self, number: Value | int | float, kind: Any = INT) -> Value:
        """Return a constant of a type; a `Value` is returned as it is."""
        if isinstance(number, Value):
            return number
        if isinstance(kind, llvm.VectorType):
            return Value(self, llvm.Constant(kind, [number] * kind.count))
        return Value(self, llvm.Constant(kind, number))

    def zeros(self) -> Value:
        """Return a vector of zeros."""
        return Value(self, llvm.Constant(self.vector_type, None))

    def constant(self, number: float) -> Value:
        """Return a vector that holds one number in each lane."""
        return Value(self, llvm.Constant(self.vector_type, [float(number)] * self.lanes))

    def variable(self, value: Value | int) -> Variable:
        """Return a variable that starts with a value."""
        return Variable(self, self.value(value))

    def allocate(self, words: int) -> Pointer:
        """Return memory for some whole numbers that lasts as long as the function runs."""
        return Pointer(self, self.builder.alloca(INT, words), INT)

    # -- flow ---------------------------------------------------------------------------------

    @contextmanager
    def loop(self, start: Value | int, stop: Value | int, step: Value | int = 1) -> Iterator[Value]:
        """Repeat what is written within for start, start + step, … below stop."""
        first, end, by = (self.value(bound) for bound in (start, stop, step))
        before = self.builder.block
        head, body, done = (self.block(name) for name in ("head", "loop", "done"))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        number = self.builder.phi(INT)
        number.add_incoming(first.raw, before)
        index = Value(self, number)
        self.builder.cbranch((index < end).raw, body, done)
        self.builder.position_at_end(body)
        yield index
        number.add_incoming((index + by).raw, self.builder.block)
        self.builder.branch(head)
        self.builder.position_at_end(done)

    @contextmanager
    def if_(self, condition: Value) -> Iterator[None]:
        """Do what is written within where the condition holds; an `else_` may follow."""
        then, end = self.block("then"), self.block("endif")
        branch = self.builder.cbranch(condition.raw, then, end)
        self.builder.position_at_end(then)
        yield
        self.builder.branch(end)
        self.builder.position_at_end(end)
        self._if = branch, end

    @contextmanager
    def else_(self) -> Iterator[None]:
        """Do what is written within where the condition of the `if_` just before does not hold."""
        if not self._if or self._if[1] is not self.builder.block or self._if[1].instructions:
            raise SyntaxError("else_ must come right after an if_")
        branch, end = self._if
        otherwise = self._function.insert_basic_block(self._function.blocks.index(end), "else")
        branch.replace_usage(end, otherwise)
        self._if = None
        self.builder.position_at_end(otherwise)
        yield
        self.builder.branch(end)
        self.builder.position_at_end(end)

    def block(self, name: str) -> Any:
        """Return a new basic block, for what loops and branches cannot say."""
        return self._function.append_basic_block(name)

    def select(self, condition: Value, yes: Value, no: Value | int) -> Value:
        """Return one of two values, without a branch."""
        raw = [self.value(value, yes.raw.type).raw for value in (yes, no)]
        return Value(self, self.builder.select(condition.raw, *raw))

    def select_pointer(self, condition: Value, yes: Pointer, no: Pointer) -> Pointer:
        """Return one of two addresses, without a branch."""
        raw = self.builder.select(condition.raw, yes.raw, no.raw)
        return Pointer(self, raw, yes.element)

    def call_external(self, name: str, result: Any, arguments: Sequence[Any]) -> Value:
        """Call an intrinsic of LLVM's or a function of the process."""
        callee = self.module.declare(name, result, [argument.type for argument in arguments])
        return Value(self, self.builder.call(callee, list(arguments)))

    # -- vectors ------------------------------------------------------------------------------

    def broadcast(self, scalar: Value) -> Value:
        """Return a vector with the scalar in each lane."""
        kind = llvm.VectorType(scalar.raw.type, self.lanes)
        undefined = llvm.Constant(kind, llvm.Undefined)
        first = self.builder.insert_element(undefined, scalar.raw, llvm.Constant(INT32, 0))
        zeros = llvm.Constant(llvm.VectorType(INT32, kind.count), [0] * kind.count)
        return Value(self, self.builder.shuffle_vector(first, undefined, zeros))

    def join(self, scalars: Sequence[Value]) -> Value:
        """Return a vector of as many scalars as a vector has lanes."""
        vector = llvm.Constant(llvm.VectorType(scalars[0].raw.type, self.lanes), llvm.Undefined)
        for lane, scalar in enumerate(scalars):
            vector = self.builder.insert_element(vector, scalar.raw, llvm.Constant(INT32, lane))
        return Value(self, vector)

    def fma(self, left: Value, right: Value, total: Value) -> Value:
        """Return left · right + total, rounded once: of vectors, or of three elements."""
        raw, kind = [left.raw, right.raw, total.raw], total.raw.type
        suffix = self.suffix if kind == self.vector_type else self.suffix.partition("f")[1:]
        return self.call_external(f"llvm.fma.{''.join(suffix)}", kind, raw)

    def absolute(self, vector: Value) -> Value:
        """Return the absolute value of each lane."""
        return self.call_external(f"llvm.fabs.{self.suffix}", self.vector_type, [vector.raw])

    def rounded(self, vector: Value) -> Value:
        """Return the whole number next to each lane, the even one of two."""
        return self.call_external(f"llvm.roundeven.{self.suffix}", self.vector_type, [vector.raw])

    def power_of_two(self, exponents: Value) -> Value:
        """Return 2ⁿ for a vector of whole numbers n that are exponents of normal numbers.

        The last digit of a number as large as 3 · 2²² (float32) counts ones, so the sum of such a
        number and n ends with the bits of n. Shifted to the place of the exponent, they are 2ⁿ.
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
        return self.call_external(f"llvm.vector.reduce.or.v{self.lanes}i1", BIT, [differs.raw])

    def shuffle(self, first: Value, second: Value, lanes: Sequence[int]) -> Value:
        """Return the lanes of two vectors in this order; the second's are counted after."""
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

    def sums_of_lanes(self, vectors: Sequence[Value]) -> Value:
        """Return the sums of the lanes of 2ⁿ vectors, in as many lanes; the others repeat them."""
        size, distance = self.lanes, 1
        while distance < size:
            # A lane without the bit of `distance` is for the first of two vectors.
            lanes = [
                lane + size * (len(vectors) > 1 and lane & distance > 0) for lane in range(size)
            ]
            across = [lane ^ distance for lane in lanes]
            pairs = zip(vectors[::2], vectors[1::2] or vectors, strict=True)
            vectors = [
                self.shuffle(first, second, lanes) + self.shuffle(first, second, across)
                for first, second in pairs
            ]
            distance *= 2
        return vectors[0]

    # -- masks --------------------------------------------------------------------------------

    def lane_numbers(self, kind: Any = INT32) -> Value:
        """Return the vector of 0, 1, 2 and so on."""
        numbered = llvm.VectorType(kind, self.lanes)
        return Value(self, llvm.Constant(numbered, list(range(self.lanes))))

    def first_lanes(self, count: Value) -> Value:
        """Return the mask of the first `count` lanes."""
        return self.lane_numbers() < self.broadcast(count.as_int32())

    def lanes_from(self, start: Value) -> Value:
        """Return the mask of lane number `start` and all after it."""
        return self.lane_numbers() >= self.broadcast(start.as_int32())
