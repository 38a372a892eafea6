"""The report of a pass: the operations of a network before it and after it, each as a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from glassconv.errors import unknown_name
from glassconv.networks.files.quote import first_line
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes import PASSES
from glassconv.networks.passes.network import Network
from glassconv.operations.elementwise import Array, Binary, Expression, Number, Unary
from glassconv.reports.plan import ListedOperation, PassReport

SIGNS = {"add": "+", "sub": "−", "mul": "·", "div": "/"}


def report_pass(model: str, passes: Sequence[tuple[str, Network]], name: str) -> PassReport:
    """Return a network before and after the pass of a name.

    passes: the network as captured and after each pass.

    Raises `UnknownNameError` for a pass that there is not.
    """
    abouts = {each.NAME: first_line(each.__doc__ or "") for each in PASSES}
    if name not in abouts:
        raise unknown_name("pass", name, abouts)
    before, after = next(
        (before, after) for (_, before), (found, after) in pairwise(passes) if found == name
    )
    return PassReport(
        model, name, abouts[name], tuple(listed_operations(before)), tuple(listed_operations(after))
    )


def listed_operations(network: Network) -> Iterator[ListedOperation]:
    """Yield each operation of a network as it is listed."""
    names = {value.number: value.name or "input" for value in network.inputs}
    for operation in network.operations:
        yield ListedOperation(
            operation.name,
            operation.function,
            tuple(_arguments(operation)),
            tuple(_inputs(operation, names)),
            tuple(value.shape for value in operation.outputs),
        )
        for place, value in enumerate(operation.outputs):
            names[value.number] = f"{operation.name}[{place}]" if place else operation.name


def _inputs(operation: Operation, names: Mapping[int, str]) -> Iterator[str]:
    """Yield what it reads of the network's; all but the first argument with its name."""
    for place, (name, argument) in enumerate(operation.arguments.items()):
        values = argument if isinstance(argument, tuple) else (argument,)
        for value in values:
            if isinstance(value, Value) and value.number in names:
                known = names[value.number]
                yield f"{name}={known}" if place and name not in ("input", "self") else known


def _arguments(operation: Operation) -> Iterator[tuple[str, str]]:
    defaults = {}
    if operation.overload is not None:
        defaults = {each.name: each.default_value for each in operation.overload._schema.arguments}
    for name, argument in operation.arguments.items():
        if _has_values(argument) or argument is None:
            continue
        if name in defaults and _as_tuple(defaults[name]) == _as_tuple(argument):
            continue
        yield name, _text(argument)


def _has_values(argument: Any) -> bool:
    if isinstance(argument, tuple):
        return any(map(_has_values, argument))
    return isinstance(argument, Value)


def _as_tuple(argument: Any) -> Any:
    return tuple(argument) if isinstance(argument, list) else argument


def _text(argument: Any) -> str:
    if isinstance(argument, Array | Number | Unary | Binary):
        return expression_text(argument)
    if isinstance(argument, tuple):
        texts = [_text(each) for each in argument]
        return texts[0] if len(set(texts)) == 1 else "×".join(texts)
    if isinstance(argument, float):
        return f"{argument:g}"
    return str(argument).removeprefix("torch.")


def expression_text(expression: Expression) -> str:
    """Write an expression of arrays as a formula.

    >>> expression_text(Binary("add", Binary("mul", Array("input"), Array("weight")), Number(1.0)))
    '(input · weight) + 1'
    """
    if isinstance(expression, Array):
        return expression.name
    if isinstance(expression, Number):
        return f"{expression.value:g}"
    if isinstance(expression, Unary):
        constants = "".join(f", {each:g}" for each in expression.constants)
        return f"{expression.function}({expression_text(expression.of)}{constants})"
    parts = (expression.left, expression.right)
    left, right = (
        f"({expression_text(each)})" if isinstance(each, Binary) else expression_text(each)
        for each in parts
    )
    return f"{left} {SIGNS[expression.function]} {right}"
