"""Arguments of operations as JSON and back: what JSON has no word for is an object of one key."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from glassconv.errors import NetworkError
from glassconv.networks.files.quote import quoted
from glassconv.networks.graph import Value
from glassconv.operations.elementwise import (
    ARRAYS,
    OPERATORS,
    Array,
    Binary,
    Expression,
    Number,
    Unary,
)
from glassconv.operations.functions import FUNCTIONS

Values = Mapping[int, Value]
PLAIN = (type(None), bool, int, str)
DEEPEST = 64  # expressions within expressions
LONGEST_INTEGER = 1 << 63

DTYPES = {
    str(each).removeprefix("torch."): each
    for each in (
        torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool,
        torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    )
}  # fmt: skip
MEMORY_FORMATS = {
    str(each).removeprefix("torch."): each
    for each in (
        torch.contiguous_format, torch.channels_last, torch.channels_last_3d, torch.preserve_format,
    )
}  # fmt: skip


def write_argument(argument: Any) -> Any:
    """Return an argument as JSON has it; raises `NetworkError` for one that cannot be saved."""
    if isinstance(argument, PLAIN):
        return argument
    for kinds, key, write in WRITERS:
        if isinstance(argument, kinds):
            return {key: write(argument)}
    raise NetworkError(f"an argument is a {type(argument).__name__}, which cannot be saved")


def read_argument(written: Any, values: Values) -> Any:
    """Return an argument; raises `NetworkError` for what `write_argument` does not write.

    values: those that are known already, by their numbers.
    """
    if isinstance(written, int) and abs(written) >= LONGEST_INTEGER:
        raise NetworkError(f"it has the number {quoted(written)}, which has more than 64 bits")
    if isinstance(written, PLAIN):
        return written
    if not isinstance(written, dict) or len(written) != 1:
        raise NetworkError(f"it has the argument {quoted(written)}, which is malformed")
    ((kind, content),) = written.items()
    if kind not in READERS:
        raise NetworkError(f"it has an argument of kind {quoted(kind)}, which is not known")
    return READERS[kind](content, values)


def read_value(number: object, values: Values) -> Value:
    """Return a value that is computed before."""
    if type(number) is not int or number not in values:
        raise NetworkError(f"it reads the value {quoted(number)}, which is not computed before")
    return values[number]


def read_float(text: Any, _: object = None) -> float:
    """Return a number from its hexadecimal digits."""
    try:
        return float.fromhex(text)
    except (TypeError, ValueError, OverflowError):
        raise NetworkError(f"it has the number {quoted(text)}, which is none") from None


def _tuple(content: object, values: Values) -> tuple[Any, ...]:
    if not isinstance(content, list):
        raise NetworkError(f"it has the argument {quoted(content)}, which is no list")
    return tuple(read_argument(each, values) for each in content)


def _one_of(names: Mapping[str, Any]) -> Callable[[Any, Values], Any]:
    def read(content: Any, _: Values) -> Any:
        if not isinstance(content, str) or content not in names:
            raise NetworkError(f"an argument must be one of {[*names]}, got {quoted(content)}")
        return names[content]

    return read


def _write_expression(expression: Expression) -> list[Any]:
    if isinstance(expression, Array):
        return ["array", expression.name]
    if isinstance(expression, Number):
        return ["number", expression.value.hex()]
    if isinstance(expression, Unary):
        constants = [each.hex() for each in expression.constants]
        return ["unary", expression.function, _write_expression(expression.of), constants]
    left, right = map(_write_expression, (expression.left, expression.right))
    return ["binary", expression.function, left, right]


def _expression(content: object, _: Values) -> Expression:
    return _read_expression(content, DEEPEST)


def _read_expression(content: object, depth: int) -> Expression:
    if depth:
        match content:
            case ["array", str() as name] if name in ARRAYS:
                return Array(name)
            case ["number", number]:
                return Number(read_float(number))
            case ["unary", str() as name, of, [*constants]] if name in FUNCTIONS:
                numbers = tuple(map(read_float, constants))
                _check_constants(name, numbers)
                return Unary(name, _read_expression(of, depth - 1), numbers)
            case ["binary", str() as name, left, right] if name in OPERATORS:
                sides = [_read_expression(each, depth - 1) for each in (left, right)]
                return Binary(name, sides[0], sides[1])
    raise NetworkError(f"it has the expression {quoted(content)}, which is none of elements")


def _check_constants(name: str, constants: tuple[float, ...]) -> None:
    try:
        inspect.signature(FUNCTIONS[name].write).bind(None, None, *constants)
    except TypeError:
        cause = f"it calls {name} with {len(constants)} constants, which it does not take"
        raise NetworkError(cause) from None


def _word(of_pytorch: object) -> str:
    return str(of_pytorch).removeprefix("torch.")


WRITERS: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = (
    (float, "float", float.hex),
    (Value, "value", lambda value: value.number),
    ((tuple, list), "tuple", lambda several: [write_argument(each) for each in several]),
    (torch.dtype, "dtype", _word),
    (torch.memory_format, "memory_format", _word),
    (torch.device, "device", _word),
    (torch.layout, "layout", _word),
    ((Array, Number, Unary, Binary), "expression", _write_expression),
)
READERS: Mapping[str, Callable[[Any, Values], Any]] = {
    "float": read_float,
    "value": read_value,
    "tuple": _tuple,
    "dtype": _one_of(DTYPES),
    "memory_format": _one_of(MEMORY_FORMATS),
    "device": _one_of({"cpu": torch.device("cpu")}),
    "layout": _one_of({"strided": torch.strided}),
    "expression": _expression,
}
