# ruff: noqa: D102, D103
"""The former way to write functions, for the kernels that are not converted yet; then it goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import llvmlite.ir as llvm

from glassconv.codegen.ir import INT, POINTER, VOID, Code, Function, Module, Pointer, Value

TASK = ("parameters", "arrays", "number", "thread", "previous")


class LegacyCode(Code):
    """One function being written, with parameters by position."""

    def __init__(
        self, module: Module, name: str, arguments: Sequence[Any], *, public: bool = False
    ) -> None:
        self.function = llvm.Function(module.raw, llvm.FunctionType(VOID, arguments), name)
        if not public:
            self.function.linkage = "internal"
            self.function.attributes.add("noinline")
        self.function.attributes.add("nounwind")
        super().__init__(module, self.function)
        self.name = name

    @property
    def parameters(self) -> tuple[str, ...]:
        return TASK[: len(self.function.args)]

    def call(self, **arguments: Any) -> None:
        Function(self.name, self.parameters, self.function).call(**arguments)

    def arguments(self) -> list[Any]:
        return [
            Pointer(self, each, self.float) if each.type == POINTER else Value(self, each)
            for each in self.function.args
        ]

    def finish(self) -> None:
        self.builder.ret_void()

    def call_function(self, function: Any, *given: Value | Pointer | int) -> None:
        raw = [(self.value(each) if isinstance(each, int) else each).raw for each in given]
        callee = function.raw if isinstance(function, Function) else function.function
        self.builder.call(callee, raw)

    def when(self, condition: Value) -> Any:
        return self.if_(condition)

    @contextmanager
    def either(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        yield self.if_(condition), self.else_()

    def spread(self, scalar: Value) -> Value:
        return self.broadcast(scalar)


class Sizes:
    """A kernel's whole numbers, read by name in the code that is being written."""

    def __init__(self, code: Code, plan: Pointer, names: Sequence[str]) -> None:
        self._words = Pointer(code, plan.raw, INT)
        self.lanes = code.lanes
        self._places = {name: place for place, name in enumerate(names)}

    def __getattr__(self, name: str) -> Value:
        return self._words[self._places[name]]


def addresses(code: Code, arrays: Pointer) -> list[Pointer]:
    return [arrays.load_pointer(place) for place in range(5)]


def to_residual(code: Code, arrays: Pointer) -> Value:
    return arrays.load_pointer(3).bytes_to(arrays.load_pointer(5))
