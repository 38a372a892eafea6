"""Code: the instructions of one generated function, in blocks, as lines of LLVM's text.

Every method writes instructions and returns the value they compute. The names of results count up;
blocks are in the order in which they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glassconv.codegen.types import (
    BIT,
    FLOATS,
    INT,
    INT32,
    POINTER,
    VOID,
    WORDS,
    Type,
    constant,
    vector,
    vector_of,
)
from glassconv.codegen.values import Pointer, Value, Variable

if TYPE_CHECKING:
    from glassconv.codegen.ir import Module


DIGITS_AND_BIAS = {"float32": (23, 127), "float64": (52, 1023)}  # of a number's fraction, exponent


class Block:
    """Instructions that run one after another; the last says which block is next."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []

    def __str__(self) -> str:
        return f"label %{self.name}"


class Code:
    """The instructions of one function, written from the first to the last."""

    def __init__(self, module: Module, signature: str) -> None:
        self.module, self.dtype, self.target = module, module.dtype, module.target
        self.lanes = module.target.lanes(module.dtype)  # elements of a vector
        self.float = FLOATS[module.dtype]
        self.vector_type = vector(self.float, self.lanes)
        self.suffix = f"v{self.lanes}f{self.float.bits}"
        self._signature = signature
        self._entry = self._block = Block("entry")
        self._blocks: list[Block] = []
        self._count = 0  # of results and blocks
        self._if: tuple[Block, Value, Block, Block] | None = None  # the last one, if it is complete
        self.continue_in(self.block("body"))

    @property
    def text(self) -> str:
        """Return the function as LLVM reads it."""
        entry = [*self._entry.lines, f"br {self._blocks[0]}"]
        blocks = [(self._entry.name, entry), *((b.name, b.lines) for b in self._blocks)]
        body = ["\n  ".join([f"{name}:", *lines]) for name, lines in blocks]
        return "\n".join([self._signature + " {", *body, "}"])

    # -- instructions -------------------------------------------------------------------------

    def write(self, instruction: str) -> None:
        """Write an instruction without a result."""
        self._block.lines.append(instruction)

    def emit(self, kind: Type, instruction: str) -> Value:
        """Write an instruction, and return its result."""
        self._count += 1
        name = f"%.{self._count}"
        self._block.lines.append(f"{name} = {instruction}")
        return Value(self, kind, name)

    @contextmanager
    def at_entry(self) -> Iterator[None]:
        """Write what is written within where the function begins, before any loop or branch."""
        block, self._block = self._block, self._entry
        yield
        self._block = block

    def place_of(self, kind: Type) -> Pointer:
        """Return a new place in memory for a variable."""
        with self.at_entry():
            return Pointer(self, self.emit(POINTER, f"alloca {kind}").name, kind)

    # -- constants and variables --------------------------------------------------------------

    def value(self, number: Value | float, kind: Type = INT) -> Value:
        """Return a constant of a type; a `Value` is returned as it is."""
        return number if isinstance(number, Value) else Value(self, kind, constant(kind, number))

    def null(self) -> Pointer:
        """Return the address of nothing."""
        return Pointer(self, "null", INT)

    def zeros(self) -> Value:
        """Return a vector of zeros."""
        return self.constant(0)

    def constant(self, number: float) -> Value:
        """Return a vector that holds one number in each lane."""
        return self.value(float(number), self.vector_type)

    def variable(self, value: Value | int) -> Variable:
        """Return a variable that starts with a value."""
        return Variable(self, self.value(value))

    def allocate(self, words: int) -> Pointer:
        """Return memory for some whole numbers that lasts as long as the function runs."""
        memory = self.emit(POINTER, f"alloca {INT}, {INT} {words}")
        return Pointer(self, memory.name, INT)

    # -- flow ---------------------------------------------------------------------------------

    @contextmanager
    def loop(self, start: Value | int, stop: Value | int, step: Value | int = 1) -> Iterator[Value]:
        """Repeat what is written within for start, start + step, … below stop."""
        first, end, by = (self.value(bound) for bound in (start, stop, step))
        before, body, done = self._block, self.block("loop"), self.block("done")
        # Tested after each iteration, as machine code does; before the first one, once.
        self.branch(first < end, body, done)
        self.continue_in(body)
        index = self.emit(INT, "phi")
        yield index
        following = index + by
        body.lines[0] = (
            f"{index.name} = phi {INT} [ {first.name}, %{before.name} ], "
            f"[ {following.name}, %{self._block.name} ]"
        )
        self.branch(following < end, body, done)
        self.continue_in(done)

    @contextmanager
    def while_(self, condition: Callable[[], Value]) -> Iterator[None]:
        """Repeat what is written within as long as a condition holds, which is written first."""
        head, body, done = (self.block(name) for name in ("while", "repeated", "ended"))
        self.jump(head)
        self.continue_in(head)
        self.branch(condition(), body, done)
        self.continue_in(body)
        yield
        self.jump(head)
        self.continue_in(done)

    @contextmanager
    def if_(self, condition: Value) -> Iterator[None]:
        """Do what is written within where the condition holds; an `else_` may follow."""
        before, then, end = self._block, self.block("then"), self.block("endif")
        self.branch(condition, then, end)
        self.continue_in(then)
        yield
        self.jump(end)
        self.continue_in(end)
        self._if = before, condition, then, end

    @contextmanager
    def else_(self) -> Iterator[None]:
        """Do what is written within where the condition of the `if_` just before does not hold."""
        if not self._if or self._if[-1] is not self._block or self._block.lines:
            raise SyntaxError("else_ must come right after an if_")
        before, condition, then, end = self._if
        self._if = None
        otherwise = self.block("else")
        self.continue_in(before)
        before.lines.pop()
        self.branch(condition, then, otherwise)
        self.continue_in(otherwise)
        yield
        self.jump(end)
        self.continue_in(end)

    def block(self, name: str) -> Block:
        """Return a new block, for what loops and branches cannot say."""
        self._count += 1
        return Block(f"{name}.{self._count}")

    def continue_in(self, block: Block) -> None:
        """Write what follows into a block."""
        if block not in self._blocks:
            self._blocks.append(block)
        self._block = block

    def jump(self, block: Block) -> None:
        """Continue with a block."""
        self.write(f"br {block}")

    def branch(self, condition: Value, then: Block, otherwise: Block) -> None:
        """Continue with one of two blocks."""
        self.write(f"br {condition}, {then}, {otherwise}")

    def select(self, condition: Value, yes: Value, no: Value | int) -> Value:
        """Return one of two values, without a branch."""
        return self.emit(yes.type, f"select {condition}, {yes}, {self.value(no, yes.type)}")

    def select_pointer(self, condition: Value, yes: Pointer, no: Pointer) -> Pointer:
        """Return one of two addresses, without a branch."""
        chosen = self.emit(POINTER, f"select {condition}, {yes}, {no}")
        return Pointer(self, chosen.name, yes.element)

    def call_external(self, name: str, result: Type, arguments: Sequence[Value | Pointer]) -> Value:
        """Call an intrinsic of LLVM's or a function of the process."""
        self.module.declare(name, result, [argument.type for argument in arguments])
        call = f"call {result} @{name}({', '.join([str(each) for each in arguments])})"
        if result is not VOID:
            return self.emit(result, call)
        self.write(call)
        return Value(self, VOID, "")

    # -- vectors ------------------------------------------------------------------------------

    def broadcast(self, scalar: Value) -> Value:
        """Return a vector with the scalar in each lane."""
        kind = vector(scalar.type, self.lanes)
        first = self.emit(kind, f"insertelement {kind} poison, {scalar}, {INT32} 0")
        return self.shuffle(first, first, [0] * self.lanes)

    def join(self, scalars: Sequence[Value]) -> Value:
        """Return a vector of as many scalars as a vector has lanes."""
        joined = Value(self, vector(scalars[0].type, self.lanes), "poison")
        for lane, scalar in enumerate(scalars):
            joined = self.emit(joined.type, f"insertelement {joined}, {scalar}, {INT32} {lane}")
        return joined

    def fma(self, left: Value, right: Value, total: Value) -> Value:
        """Return left · right + total, rounded once: of vectors, or of three elements."""
        suffix = self.suffix if total.type.count else f"f{total.type.bits}"
        return self.call_external(f"llvm.fma.{suffix}", total.type, [left, right, total])

    def absolute(self, numbers: Value) -> Value:
        """Return the absolute value of each lane."""
        return self.call_external(f"llvm.fabs.{self.suffix}", self.vector_type, [numbers])

    def rounded(self, numbers: Value) -> Value:
        """Return the whole number next to each lane, the even one of two."""
        return self.call_external(f"llvm.roundeven.{self.suffix}", self.vector_type, [numbers])

    def power_of_two(self, exponents: Value) -> Value:
        """Return 2ⁿ for a vector of whole numbers n that are exponents of normal numbers.

        The last digit of a number as large as 3 · 2²² (float32) counts ones, so the sum of such a
        number and n ends with the bits of n. Shifted to the place of the exponent, they are 2ⁿ.
        """
        return self._shifted_to_exponent(exponents + self.constant(self._counting))

    def rounded_and_power_of_two(self, numbers: Value, factor: float) -> tuple[Value, Value]:
        """Return n, the whole number next to factor · x, and 2ⁿ for a vector of numbers x.

        Adding a number whose last digit counts ones rounds, and leaves the bits of n there.
        """
        counting = self.constant(self._counting)
        counted = self.fma(numbers, self.constant(factor), counting)
        return counted - counting, self._shifted_to_exponent(counted)

    @property
    def _counting(self) -> float:
        """Return a number whose last digit counts ones, with the bias of exponents."""
        digits, bias = DIGITS_AND_BIAS[self.dtype]
        return 3 * 2.0 ** (digits - 1) + bias

    def _shifted_to_exponent(self, counted: Value) -> Value:
        digits, _ = DIGITS_AND_BIAS[self.dtype]
        word = vector(WORDS[self.dtype], self.lanes)
        shifted = f"shl {counted.as_bits_of(word)}, {constant(word, digits)}"
        return self.emit(word, shifted).as_bits_of(self.vector_type)

    def any_nan(self, numbers: Value) -> Value:
        """Return whether some lane is not a number."""
        reduce = f"llvm.vector.reduce.or.v{self.lanes}i1"
        return self.call_external(reduce, BIT, [numbers.is_nan()])

    def shuffle(self, first: Value, second: Value, lanes: Sequence[int]) -> Value:
        """Return the lanes of two vectors in this order; the second's are counted after."""
        assert first.type.element is not None, "vectors are shuffled"
        chosen = vector(INT32, len(lanes))
        return self.emit(
            vector(first.type.element, len(lanes)),
            f"shufflevector {first}, {second}, {chosen} {vector_of(chosen, lanes)}",
        )

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

    def lane_numbers(self, kind: Type = INT32) -> Value:
        """Return the vector of 0, 1, 2 and so on."""
        numbered = vector(kind, self.lanes)
        return Value(self, numbered, vector_of(numbered, range(self.lanes)))

    def first_lanes(self, count: Value) -> Value:
        """Return the mask of the first `count` lanes."""
        return self.lane_numbers() < self.broadcast(count.as_int32())

    def lanes_from(self, start: Value) -> Value:
        """Return the mask of lane number `start` and all after it."""
        return self.lane_numbers() >= self.broadcast(start.as_int32())
