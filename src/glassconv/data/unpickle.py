"""Read plain data that Python 2 pickled, running nothing that the file names.

A pickle is a program for a stack machine, and `pickle.load` runs it: imports, calls and all. The
machine here has only the opcodes that make numbers, strings, lists, tuples and dicts. A call that
the program asks for stays a `Call`, which nobody makes.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

MOST_OPCODES = 2**17  # four times what the labels and file names of ten thousand images take

# How many values these opcodes take off the stack; None: those since the last mark.
TAKES = {
    **{"TUPLE": None, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3},
    **{"APPEND": 1, "APPENDS": None, "SETITEM": 2, "SETITEMS": None},
    **{"REDUCE": 2, "BUILD": 1},
}


@dataclass
class Call:
    """A call that a pickle asks for: of what, with what, and the state to give its result."""

    function: object
    arguments: object
    state: object = None


def unpickle(content: bytes, functions: Collection[str]) -> object:
    r"""Return what a pickle holds, its strings as latin-1 and the calls it asks for as `Call`s.

    functions: those it may ask for, as "module name". Raises ValueError for any other, and for an
    opcode that plain data has no use for.

    >>> unpickle(b"(U\x03catK\x03t.", functions=())
    ('cat', 3)
    """
    machine = _Machine(functions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickletools, for a backslash in a function's name
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if step == MOST_OPCODES:
                raise ValueError(f"it has over {MOST_OPCODES} opcodes")
            try:
                machine.run(opcode.name, argument)
            except (LookupError, TypeError, AttributeError):
                raise ValueError(f"its {opcode.name} has nothing to work on") from None
    return machine.result


class _Machine:
    def __init__(self, functions: Collection[str]) -> None:
        self.functions = functions
        self.stack: list[Any] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: dict[int, Any] = {}
        self.result: object = None

    def run(self, opcode: str, argument: Any) -> None:  # noqa: PLR0912  one case, one kind
        values = self.take(TAKES[opcode]) if opcode in TAKES else []
        match opcode:
            case "PROTO":
                pass  # these opcodes mean the same in every version
            case "STOP":
                self.result = self.stack.pop()
            case "MARK":
                self.marks.append(len(self.stack))
            case "NONE" | "BININT" | "BININT1" | "BININT2" | "BINSTRING" | "SHORT_BINSTRING":
                self.stack.append(argument)
            case "NEWTRUE" | "NEWFALSE":
                self.stack.append(opcode == "NEWTRUE")
            case "EMPTY_LIST":
                self.stack.append([])
            case "EMPTY_DICT":
                self.stack.append({})
            case "EMPTY_TUPLE" | "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.stack.append(tuple(values))
            case "APPEND" | "APPENDS":
                self.stack[-1].extend(values)
            case "SETITEM" | "SETITEMS":
                self.stack[-1].update(_items(values))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                self.stack.append(self.memo[argument])
            case "GLOBAL":
                if argument not in self.functions:
                    raise ValueError(f"it asks for {argument[:80]!r}")
                self.stack.append(argument)
            case "REDUCE":
                self.stack.append(Call(*values))
            case "BUILD":
                [self.stack[-1].state] = values
            case _:
                raise ValueError(f"plain data has no use for {opcode}")

    def take(self, count: int | None) -> list[Any]:
        if count is None:
            count = len(self.stack) - self.marks.pop()
        return [self.stack.pop() for _ in range(count)][::-1]


def _items(values: list[Any]) -> zip[tuple[str, Any]]:
    keys = values[::2]
    # Hashing a tuple of tuples of tuples can take forever, or more stack than there is.
    if not all(isinstance(key, str) for key in keys):
        raise TypeError
    return zip(keys, values[1::2], strict=True)
