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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_origin, get_type_hints

from glassconv.codegen.code import Block, Code
from glassconv.codegen.struct import Struct, address_of, read
from glassconv.codegen.target import Target
from glassconv.codegen.types import INT, INT32, POINTER, VOID, Type
from glassconv.codegen.values import Pointer, Value, Variable

__all__ = [
    "INT",
    "INT32",
    "VOID",
    "Argument",
    "Block",
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
        self._declared: dict[str, str] = {}
        self._defined: list[str] = []
        self._written: list[Code] = []

    def declare(self, name: str, result: Type, parameters: Sequence[Type]) -> None:
        """Declare a function defined elsewhere, once."""
        if name not in self._declared:
            types = ", ".join([kind.name for kind in parameters])
            self._declared[name] = f"declare {result} @{name}({types})"

    def define(self, variable: str) -> None:
        """Define a variable of the module."""
        self._defined.append(variable)

    def add(self, code: Code) -> None:
        """Add a function that has been written."""
        self._written.append(code)

    @property
    def text(self) -> str:
        """Return the module as LLVM reads it."""
        triple = f'target triple = "{self.target.triple}"'
        parts = [triple, *self._declared.values(), *self._defined]
        return "\n\n".join([*parts, *(code.text for code in self._written)]) + "\n"


@dataclass(frozen=True)
class Function:
    """A function that has been written, to be called by others of its module."""

    name: str
    parameters: Mapping[str, type]  # in order; `Value`, `Pointer` or a subclass of `Struct`

    @property
    def types(self) -> list[Type]:
        """Return the types of the parameters."""
        return [INT if kind is Value else POINTER for kind in self.parameters.values()]

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
        passed = [code.value(value) if isinstance(value, int) else value for value in values]
        for value, name, expected in zip(passed, self.parameters, self.types, strict=True):
            if value.type is not expected:
                raise TypeError(f"{self.name}: {name} is {expected}, not {value.type}")
        code.write(f"call void @{self.name}({', '.join([str(value) for value in passed])})")

    def address(self, code: Code) -> Pointer:
        """Return its address, to be called by others."""
        return Pointer(code, f"@{self.name}", code.float)


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
        written = Function(name or body.__name__, MappingProxyType(parameters))
        signature = ", ".join(
            [f"{kind} %{name}" for kind, name in zip(written.types, parameters, strict=True)]
        )
        # Functions of the module stay functions: each is compiled once.
        linkage, attributes = ("", "nounwind") if public else ("internal ", "noinline nounwind")
        code = Code(module, f"define {linkage}void @{written.name}({signature}) {attributes}")
        body(code, **{name: _argument(code, name, hints[name]) for name in parameters})
        code.write("ret void")
        module.add(code)
        return written

    return write


def _declared_class(name: str, hint: Any) -> type:
    """Return the class that a parameter is annotated with: of `Size[Value]`, `Size`."""
    kind = get_origin(hint) or hint
    if not (isinstance(kind, type) and issubclass(kind, Value | Pointer | Struct)):
        raise TypeError(f"parameter {name} is annotated Value, Pointer or as a Struct, not {hint}")
    return kind


def _argument(code: Code, name: str, kind: Any) -> Any:
    """Return what a function's body gets for a parameter that is annotated so."""
    if kind is Value:
        return Value(code, INT, f"%{name}")
    pointer = Pointer(code, f"%{name}", code.float)
    return pointer if kind is Pointer else read(pointer, kind)


def _value(argument: Argument) -> Value | Pointer | int:
    return address_of(argument) if isinstance(argument, Struct) else argument
