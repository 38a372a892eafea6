"""Arithmetic of sizes, as a file states it: parsed and computed here, never by `eval`.

PyTorch writes an input's size as an expression of sympy, such as `Mul(Integer(2), Symbol('s0'))`,
and a condition on sizes as Python, such as `L['x'].size()[2] // 4 > 1`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from glassconv.errors import NetworkError
from glassconv.networks.files.quote import quoted

LONGEST = 4000  # characters
LARGEST = 1 << 63  # a size has 64 bits, and so has what is computed of sizes

Compute = Callable[[Sequence[int]], int]
UNARY: Mapping[type, Callable[[int], int]] = {ast.USub: operator.neg, ast.Not: operator.not_}
BINARY: Mapping[type, Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
FUNCTIONS: Mapping[str, Compute] = {
    "Integer": lambda values: values[0],
    "Add": sum,
    "Mul": math.prod,
    "FloorDiv": lambda values: reduce(operator.floordiv, values),
    "Mod": lambda values: reduce(operator.mod, values),
    "PythonMod": lambda values: reduce(operator.mod, values),
    "Max": max,
    "Min": min,
    "max": max,
    "min": min,
}


def parse(text: str) -> ast.expr:
    """Return a text's syntax, or raise `NetworkError` for one that has none."""
    if len(text) > LONGEST:
        raise NetworkError(f"an expression of sizes has {len(text):,} characters")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise not_arithmetic(text) from None


def not_arithmetic(text: str) -> NetworkError:
    """Return the error for a text that is no arithmetic of sizes."""
    return NetworkError(f"{quoted(text)} is no arithmetic of sizes; it was not evaluated")


def symbol(expression: ast.expr) -> str | None:
    """Return the name of an expression that is a symbol, `Symbol('s0', …)`."""
    match expression:
        case ast.Call(ast.Name("Symbol"), [ast.Constant(str() as name)]) if name.isidentifier():
            return name
    return None


def value(expression: ast.expr, sizes: Mapping[str, int]) -> int:
    """Return the value of an expression; a condition is 0 or 1.

    sizes: by the name of a symbol, and by the name and axis of an input, such as `x.size()[2]`.

    Raises `NetworkError` for what is no arithmetic of these sizes.

    >>> value(parse("Mul(Integer(2), Symbol('s0')) % 5 == 1"), {"s0": 3})
    1
    """
    name = symbol(expression) or _size_of_input(expression)
    if name is not None and name in sizes:
        return sizes[name]
    compute, operands = _operation(expression)
    try:
        number = compute([value(operand, sizes) for operand in operands])
    except ZeroDivisionError:
        raise not_arithmetic(ast.unparse(expression)) from None
    if isinstance(number, int) and not -LARGEST <= number < LARGEST:  # else a symbol of a trace
        raise not_arithmetic(ast.unparse(expression))
    return number


def _operation(expression: ast.expr) -> tuple[Compute, Sequence[ast.expr]]:
    """Return what an expression computes of its operands."""
    match expression:
        case ast.Constant(int() as number):
            return (lambda values: number), ()
        case ast.UnaryOp(operation, operand) if type(operation) in UNARY:
            return (lambda values: UNARY[type(operation)](*values)), (operand,)
        case ast.BinOp(left, operation, right) if type(operation) in BINARY:
            return (lambda values: BINARY[type(operation)](*values)), (left, right)
        case ast.Compare(left, [operation], [right]) if type(operation) in BINARY:
            return (lambda values: BINARY[type(operation)](*values)), (left, right)
        case ast.BoolOp(operation, operands):
            return (all if isinstance(operation, ast.And) else any), operands
        case ast.Call(ast.Name(name), [_, *_] as operands, []) if name in FUNCTIONS:
            return FUNCTIONS[name], operands
    raise not_arithmetic(ast.unparse(expression))


def _size_of_input(expression: ast.expr) -> str | None:
    """Return `x.size()[2]` for `L['x'].size()[2]`."""
    match expression:
        case ast.Subscript(
            ast.Call(ast.Attribute(tensor, "size"), [], []), ast.Constant(int() as axis)
        ):
            match tensor:
                case ast.Subscript(ast.Name("L"), ast.Constant(str() as name)):
                    return f"{name}.size()[{axis}]"
    return None
