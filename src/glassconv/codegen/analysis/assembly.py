"""Assembly read back: the hottest loop of a kernel, and the registers that its tile really uses.

The hottest basic block is the one with the most multiply-adds, relative to its instructions too; a
block that jumps back to itself counts twice. Its instructions are followed one by one: what each
register holds, what is multiplied by what, and to which accumulator the product is added. If no
two factors are multiplied twice, and the factors fall into two sides that are only multiplied by
each other, the products form a table: its rows are the one side, its columns the other, and its
cells the accumulators.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glassconv.codegen.jit import spills
from glassconv.reports.kernel import Factor, HotLoop

COMMENT = re.compile(r"\s*(#|//) .*$")
LABEL = re.compile(r"([.\w$]+):")
COMMA = re.compile(r",\s*(?![^(\[{]*[)\]}])")  # not one within brackets
X86_FMA = re.compile(r"vfn?m(?:add|sub)(132|213|231)[ps]([sd])$")
X86_LOAD = re.compile(r"v(movu|mova|movdq|maskmov|pmaskmov|broadcast|pbroadcast)")
X86_VECTOR = re.compile(r"%([xyz]mm)(\d+)")
NEON_VECTOR = re.compile(r"\b([vqds])(\d+)\b")
VECTOR_BYTES = {"xmm": 16, "ymm": 32, "zmm": 64, "q": 16, "v": 16, "d": 8, "s": 4}
BROADCAST, VECTOR, BEFORE, TOTAL, OTHER = "broadcast", "vector", "before", "total", "other"
MOST_COLUMNS = 8  # of a table that can be drawn


@dataclass(frozen=True)
class _Value:
    """What a register holds: a number of its own, the register's name, and how it was made."""

    number: int
    register: str
    kind: str


@dataclass(frozen=True)
class _Block:
    function: str
    label: str
    lines: tuple[str, ...]

    @property
    def loops(self) -> bool:
        """Return whether it jumps back to itself."""
        return any(_jumps_to(line, self.label) for line in self.lines)


def hot_loop(assembly: str, function: str = "") -> HotLoop:
    """Return what the hottest block of a function does, or of the whole module."""
    block, lines = _hottest(assembly, function)
    trace = _Trace()
    for line in lines:
        trace.step(line)
    rows, columns, cells = _table(trace.products)
    totals = dict.fromkeys(total for _, _, total in trace.products)
    return HotLoop(
        block.function,
        rows,
        columns,
        cells,
        tuple(totals),
        instructions=len(lines),
        products=len(trace.products),
        loads=trace.loads,
        loaded_bytes=trace.loaded_bytes,
        registers=len(trace.registers),
    )


def hot_lines(assembly: str, function: str = "") -> tuple[str, ...]:
    """Return the instructions of the block that `hot_loop` reads, without comments."""
    return tuple(_hottest(assembly, function)[1])


def _hottest(assembly: str, function: str) -> tuple[_Block, list[str]]:
    """Return the hottest block, and its instructions up to its last jump back to itself."""
    blocks = _blocks(assembly)
    of_function = [block for block in blocks if function and block.function == function]
    block = max(of_function or blocks, key=_heat)
    lines = list(block.lines)
    if block.loops:
        lines = lines[: 1 + max(i for i, s in enumerate(lines) if _jumps_to(s, block.label))]
    return block, lines


def spilling(assembly: str) -> dict[str, int]:
    r"""Return how many vector registers each function spills, for the functions that do.

    >>> spilling("tiles:\n\tvmovups %ymm3, 32(%rsp) # 32-byte Spill\nother:\n\tretq")
    {'tiles': 1}
    """
    parts = re.split(r"^([A-Za-z]\w*):", assembly, flags=re.MULTILINE)
    counts = {name: spills(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {name: count for name, count in counts.items() if count}


def _blocks(assembly: str) -> list[_Block]:
    """Cut a module at its labels."""
    blocks: list[tuple[str, str, list[str]]] = [("", "", [])]
    function = ""
    for raw in assembly.splitlines():
        line = COMMENT.sub("", raw).rstrip()
        label = LABEL.match(line)
        if label:
            name = label.group(1)
            function = function if name.startswith(".L") else name
            blocks.append((function, name, []))
        elif line[:1].isspace() and line.strip() and not line.strip().startswith("."):
            blocks[-1][2].append(line.strip())
    return [_Block(function, label, tuple(lines)) for function, label, lines in blocks]


def _heat(block: _Block) -> float:
    products = sum(_is_product(line.split(maxsplit=1)[0]) for line in block.lines)
    return (1 + block.loops) * products**2 / max(len(block.lines), 1)


def _is_product(name: str) -> bool:
    return bool(X86_FMA.match(name)) or name in ("fmla", "fmls")


def _jumps_to(line: str, label: str) -> bool:
    name, *rest = line.split(maxsplit=1)
    return name[0] in "jbtc" and bool(rest) and COMMA.split(rest[0])[-1] == label


class _Trace:
    """The instructions of a block, executed on the names of values instead of numbers."""

    def __init__(self) -> None:
        self.values: dict[int, _Value] = {}
        self.products: list[tuple[_Value, _Value, str]] = []
        self.registers: set[int] = set()
        self.loads = self.loaded_bytes = self._count = 0

    def step(self, line: str) -> None:
        """Execute one instruction."""
        name, *rest = line.split(maxsplit=1)
        operands = COMMA.split(rest[0]) if rest else []
        if "%" in line or name.startswith("v"):
            self._x86(name, operands)
        elif operands:
            self._neon(name, operands)

    def _x86(self, name: str, operands: list[str]) -> None:
        for each in operands:
            self.registers.update(int(number) for _, number in X86_VECTOR.findall(each))
        fma = X86_FMA.match(name)
        result = X86_VECTOR.search(operands[-1]) if operands else None
        if fma and result:
            third, second, first = operands
            order = {"231": (second, third, first), "213": (second, first, third),
                     "132": (first, third, second)}[fma.group(1)]  # fmt: skip
            width = VECTOR_BYTES[result.group(1)]
            factors = [self._operand(each, width, fma.group(2)) for each in order[:2]]
            self._add(factors, first)
        elif result is None or "(" in operands[-1]:
            return
        elif X86_LOAD.match(name) and "(" in operands[0]:
            broadcast = "broadcast" in name
            element = 8 if name.endswith(("d", "q")) else 4
            width = element if broadcast else VECTOR_BYTES[result.group(1)]
            self._load(operands[-1], BROADCAST if broadcast else VECTOR, width)
        elif name.startswith("vmova") and len(operands) == 2:
            self.values[_number(operands[-1])] = self._value_in(operands[0])
        else:
            self._put(operands[-1], BROADCAST if "broadcast" in name else OTHER)

    def _neon(self, name: str, operands: list[str]) -> None:
        vectors = [each for each in operands if NEON_VECTOR.search(each) and "[x" not in each]
        self.registers.update(map(_number, vectors))
        if name in ("fmla", "fmls"):
            self._add([self._value_in(each) for each in operands[1:3]], operands[0])
        elif name.startswith("ld") and vectors:
            broadcast = name == "ld1r" or vectors[0].strip("{ ")[0] in "sd"
            element = 8 if re.search(r"2d|\bd\d", vectors[0]) else 4
            for each in vectors:
                self._load(each, BROADCAST if broadcast else VECTOR, element if broadcast else 16)
            self.loads -= len(vectors) - 1  # a pair is one instruction
        elif vectors and not name.startswith("st") and vectors[0] == operands[0]:
            self._put(operands[0], BROADCAST if name == "dup" else OTHER)

    def _operand(self, operand: str, width: int, element: str) -> _Value:
        """Return a factor: that of a register, or one that the instruction loads itself."""
        if "(" not in operand:
            return self._value_in(operand)
        broadcast = "{1to" in operand
        self.loaded_bytes += (8 if element == "d" else 4) if broadcast else width
        return self._new("memory", BROADCAST if broadcast else VECTOR)

    def _add(self, factors: Sequence[_Value], result: str) -> None:
        self.products.append((factors[0], factors[1], _name(result)))
        self._put(result, TOTAL)

    def _load(self, operand: str, kind: str, width: int) -> None:
        self.loads += 1
        self.loaded_bytes += width
        self._put(operand, kind)

    def _value_in(self, operand: str) -> _Value:
        number = _number(operand)
        if number not in self.values:  # in the register since before the loop
            self.values[number] = self._new(_name(operand), BEFORE)
        return self.values[number]

    def _put(self, operand: str, kind: str) -> None:
        self.values[_number(operand)] = self._new(_name(operand), kind)

    def _new(self, register: str, kind: str) -> _Value:
        self._count += 1
        return _Value(self._count, register, kind)


def _number(operand: str) -> int:
    match = X86_VECTOR.search(operand) or NEON_VECTOR.search(operand)
    return int(match.group(2)) if match else -1


def _name(operand: str) -> str:
    match = X86_VECTOR.search(operand)
    return match.group(1) + match.group(2) if match else f"v{_number(operand)}"


# -- the table --------------------------------------------------------------------------------

Table = tuple[tuple[Factor, ...], tuple[Factor, ...], tuple[tuple[str, ...], ...]]
NO_TABLE: Table = ((), (), ())


def _table(products: Sequence[tuple[_Value, _Value, str]]) -> Table:
    """Return rows, columns and cells, all empty where the products do not form a table."""
    sides = _sides(products)
    cell: dict[tuple[_Value, _Value], str] = {}
    if sides is None:
        return NO_TABLE
    rows, columns = sides
    for first, second, total in products:
        place = (first, second) if first in rows else (second, first)
        if place in cell:
            return NO_TABLE
        cell[place] = total
    cells = tuple(tuple(cell.get((row, column), "") for column in columns) for row in rows)
    return _factors(rows), _factors(columns), cells


def _factors(values: Sequence[_Value]) -> tuple[Factor, ...]:
    return tuple(Factor(each.register, each.kind) for each in values)


def _sides(
    products: Sequence[tuple[_Value, _Value, str]],
) -> tuple[list[_Value], list[_Value]] | None:
    """Split the factors into two sides that are multiplied only by each other, the longer first."""
    partners: dict[_Value, list[_Value]] = {}
    for first, second, _ in products:
        partners.setdefault(first, []).append(second)
        partners.setdefault(second, []).append(first)
    broadcast: list[_Value] = []
    loaded: list[_Value] = []
    side_of: dict[_Value, int] = {}
    for start in partners:
        if start in side_of:
            continue
        part, side_of[start] = [start], 0
        for each in part:
            for other in partners[each]:
                if other not in side_of:
                    side_of[other] = 1 - side_of[each]
                    part.append(other)
                elif side_of[other] == side_of[each]:
                    return None
        halves = [[each for each in part if side_of[each] == side] for side in (0, 1)]
        halves.sort(key=lambda half: (-sum(v.kind == BROADCAST for v in half), len(half)))
        broadcast += halves[0]
        loaded += halves[1]
    rows, columns = (broadcast, loaded) if len(broadcast) >= len(loaded) else (loaded, broadcast)
    if not columns or len(columns) > MOST_COLUMNS:
        return None
    return sorted(rows, key=_order), sorted(columns, key=_order)


def _order(value: _Value) -> int:
    return value.number
