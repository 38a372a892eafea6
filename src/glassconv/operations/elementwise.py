"""An expression of arrays, computed element by element in one loop.

    Binary("add", Binary("mul", Array("weight"), Array("input")), Array("residual"))

is the layer scale of ConvNeXt, weight · input + residual. Arrays are broadcast to the output's
shape as PyTorch's are: [channels, 1, 1] has a number for each channel. Each operation is rounded
once, but for functions, whose errors are bounded in functions.py:

    x + y, x − y, x · y, x / y     |error| ≤ u · |result|
    f(x)                           |error| ≤ u · FUNCTIONS[f].error(x, f(x))
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from math import copysign
from typing import Literal, get_args

from glassconv.codegen.ir import Code, Module, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.target import Target
from glassconv.errors import unknown_name
from glassconv.operations.functions import FUNCTIONS
from glassconv.operations.loop_nest import (
    OUTPUT,
    Form,
    Row,
    emit_loops,
    loop_nest,
    supports_loops,
)
from glassconv.operations.step import Step, tasks_wanted
from glassconv.operations.strided import Strided
from glassconv.operations.vectors import Vectors
from glassconv.reports.verdict import Verdict

Name = Literal["input", "residual", "weight", "bias"]
ARRAYS: tuple[Name, ...] = get_args(Name)
Operator = Literal["add", "sub", "mul", "div"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
BINARY: Mapping[Operator, Callable[[Value, Value], Value]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}


@dataclass(frozen=True)
class Array:
    """The elements of an array, by its name in `Arrays`."""

    name: Name


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float
    is_negative: bool = field(init=False)  # what tells −0 from 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_negative", copysign(1, self.value) < 0)


@dataclass(frozen=True)
class Unary:
    """A function of FUNCTIONS, with its constants."""

    function: str
    of: Expression
    constants: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise unknown_name("function", self.function, FUNCTIONS)


@dataclass(frozen=True)
class Binary:
    """A sum, difference, product or quotient."""

    function: Operator
    left: Expression
    right: Expression


Expression = Array | Number | Unary | Binary


def arrays_in(expression: Expression) -> tuple[Name, ...]:
    """Return the names of the arrays of an expression, each once, in the order they are read.

    >>> arrays_in(Binary("mul", Array("weight"), Unary("sigmoid", Array("input"))))
    ('weight', 'input')
    """
    if isinstance(expression, Array):
        return (expression.name,)
    if isinstance(expression, Number):
        return ()
    if isinstance(expression, Unary):
        return arrays_in(expression.of)
    return tuple(dict.fromkeys(arrays_in(expression.left) + arrays_in(expression.right)))


def substituted(expression: Expression, by: Mapping[Name, Expression]) -> Expression:
    """Return an expression with others in the places of its arrays.

    >>> substituted(Unary("relu", Array("input")), {"input": Array("bias")}).of
    Array(name='bias')
    """
    if isinstance(expression, Array):
        return by[expression.name]
    if isinstance(expression, Number):
        return expression
    if isinstance(expression, Unary):
        return replace(expression, of=substituted(expression.of, by))
    left, right = (substituted(each, by) for each in (expression.left, expression.right))
    return replace(expression, left=left, right=right)


def supports(expression: Expression, arrays: Mapping[Name, Strided], output: Strided) -> Verdict:
    """Return whether the arrays can be broadcast to the output, and be read by vectors."""
    missing = set(arrays_in(expression)) - set(arrays)
    if missing:
        return Verdict(False, f"requires the arrays {', '.join(sorted(missing))}")
    for name in sorted(arrays_in(expression)):
        if not arrays[name].broadcasts_to(output.shape):
            shape = arrays[name].shape
            return Verdict(False, f"the {name} of shape {shape} does not fit {output.shape}")
    return supports_loops(_operands(expression, arrays, output))


def step(
    expression: Expression,
    arrays: Mapping[Name, Strided],
    output: Strided,
    target: Target,
    threads: int,
) -> Step:
    """Compile a supported expression; the output may be one of its arrays, with its strides."""
    moved = output.bytes + sum(arrays[name].bytes for name in arrays_in(expression))
    nest = loop_nest(_operands(expression, arrays, output), tasks_wanted(moved, threads))
    kernel = _compile(expression, nest.form, output.dtype, target)
    return Step(kernel, nest.parameters, nest.tasks)


def _operands(
    expression: Expression, arrays: Mapping[Name, Strided], output: Strided
) -> dict[str, Strided]:
    """Return the arrays of an expression by name, broadcast to the output's shape, and that."""
    names = sorted(arrays_in(expression))
    return {OUTPUT: output} | {name: arrays[name].broadcast_to(output.shape) for name in names}


@cache
def _compile(expression: Expression, form: Form, dtype: str, target: Target) -> Compiled:
    def body(code: Code, rows: Mapping[str, Row], vectors: Vectors) -> None:
        loaded = {name: row.load(vectors) for name, row in rows.items() if name != OUTPUT}
        results = [
            _written(code, expression, {name: each[place] for name, each in loaded.items()})
            for place in range(len(vectors.starts))
        ]
        vectors.store(rows[OUTPUT].start, results)

    module = Module("elementwise", dtype, target)
    in_parallel(module, emit_loops(module, form, body))
    return compiled(module, "elementwise")


def _written(code: Code, expression: Expression, loaded: Mapping[str, Value]) -> Value:
    """Write the code of an expression, and return its vector."""
    if isinstance(expression, Array):
        return loaded[expression.name]
    if isinstance(expression, Number):
        return code.constant(expression.value)
    if isinstance(expression, Unary):
        argument = _written(code, expression.of, loaded)
        return FUNCTIONS[expression.function].write(code, argument, *expression.constants)
    left, right = (_written(code, each, loaded) for each in (expression.left, expression.right))
    return BINARY[expression.function](left, right)
