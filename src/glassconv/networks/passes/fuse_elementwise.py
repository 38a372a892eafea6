"""Fuse operations that compute each element by itself into expressions of up to four arrays.

`silu(x) * y + z` reads three arrays and writes one, once. A batch normalisation that no convolution
takes is such an operation too: scale · x + shift, with a number for each channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.networks.fusion import activation_of
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.fold_batch_norm import scale_and_shift
from glassconv.networks.passes.network import Network, rewritten_by
from glassconv.networks.tensors import dtype_of
from glassconv.operations.elementwise import (
    ARRAYS,
    OPERATORS,
    Array,
    Binary,
    Expression,
    Name,
    Number,
    Unary,
    arrays_in,
    substituted,
)
from glassconv.operations.functions import FUNCTIONS

NAME = "fuse_elementwise"
OTHER_NAMES = {"gelu_by_tanh": "gelu_tanh", "hardtanh": "clamp", "clamp_min": "clamp"}
BOUNDS = (("min", "min_val"), ("max", "max_val"))
FUNCTION = "elementwise"


def run(network: Network) -> Network:
    """Return the network with expressions instead of the operations that they are made of."""
    return rewritten_by(_converted, network)


def _converted(network: Network, operation: Operation) -> Network:
    """Return the network with an operation as an expression, if it is one."""
    if operation.function == "batch_norm":
        return _with_norm(network, operation)
    if operation.function == "prelu":
        return _with_slopes(network, operation)
    found = _unary(operation) or _binary(operation)
    if found is None:
        return network
    expression, operands = found
    return _fused(network, operation, expression, operands)


def _unary(operation: Operation) -> tuple[Expression, list[Value]] | None:
    """Return a function of one array, and the array."""
    name, arguments = activation_of(operation), operation.arguments
    name = OTHER_NAMES.get(name, name)
    if name not in FUNCTIONS or not operation.inputs:
        return None
    constants: tuple[float, ...] = ()
    if name == "leaky_relu":
        constants = (arguments["negative_slope"],)
    elif name == "elu":
        if {arguments["scale"], arguments["input_scale"]} != {1}:
            return None
        constants = (arguments["alpha"],)
    elif name == "clamp":
        low, high = (arguments.get(each[0], arguments.get(each[1])) for each in BOUNDS)
        constants = (-inf if low is None else low, inf if high is None else high)
    if len(operation.inputs) != 1:  # a bound is an array
        return None
    return Unary(name, Array("input"), tuple(map(float, constants))), [operation.inputs[0]]


def _binary(operation: Operation) -> tuple[Expression, list[Value]] | None:
    """Return what two arrays, or an array and a number, make, and the arrays."""
    name, arguments = operation.function, operation.arguments
    if name == "square" or (name == "pow" and arguments.get("exponent") == 2):
        return Binary("mul", Array("input"), Array("input")), list(operation.inputs)
    if name == "rsub":
        name, arguments = "sub", {"self": arguments["other"], "other": arguments["self"]}
        if operation.arguments["alpha"] != 1:
            return None
    if name not in OPERATORS or arguments.get("rounding_mode") is not None:
        return None
    operands = [each for each in (arguments["self"], arguments["other"]) if _is_value(each)]
    names = iter(ARRAYS)
    left, right = (
        Array(next(names)) if _is_value(each) else _number(each)
        for each in (arguments["self"], arguments["other"])
    )
    if left is None or right is None:
        return None
    if arguments.get("alpha", 1) != 1:
        right = Binary("mul", Number(float(arguments["alpha"])), right)
    return Binary(name, left, right), operands


def _is_value(argument: object) -> bool:
    return isinstance(argument, Value)


def _number(argument: object) -> Expression | None:
    return Number(float(argument)) if isinstance(argument, int | float) else None


def _with_norm(network: Network, operation: Operation) -> Network:
    """Return the network with a batch normalisation as scale · x + shift."""
    found = scale_and_shift(network, operation)
    given: Value = operation.arguments["input"]
    if found is None or given.dtype not in ELEMENT_BYTES:
        return network
    values = [given]
    for numbers, name in zip(found, ("scale", "shift"), strict=True):
        shape = (-1, *(1 for _ in given.shape[2:]))
        tensor = numbers.to(dtype_of(given)).reshape(shape)
        network, value = network.new_constant(tensor, f"{operation.name}.{name}")
        values.append(value)
    x, scale, shift = map(Array, ARRAYS[:3])
    return _fused(network, operation, Binary("add", Binary("mul", x, scale), shift), values)


def _with_slopes(network: Network, operation: Operation) -> Network:
    """Return the network with a prelu as max(x, 0) + slope · min(x, 0)."""
    given, slope = operation.arguments["self"], network.constant(operation.arguments["weight"])
    if slope is None or given.dtype not in ELEMENT_BYTES:
        return network
    shape = (-1, *(1 for _ in given.shape[2:]))
    network, value = network.new_constant(slope.reshape(shape), f"{operation.name}.weight")
    x, slopes = map(Array, ARRAYS[:2])
    below = Binary("mul", slopes, Unary("clamp", x, (-inf, 0.0)))
    return _fused(network, operation, Binary("add", Unary("relu", x), below), [given, value])


def _fused(
    network: Network, operation: Operation, expression: Expression, operands: Sequence[Value]
) -> Network:
    """Return the network with an expression in an operation's place.

    Operands that are expressions which nothing else reads become a part of it, as long as it has
    no more than four arrays.
    """
    (output,) = operation.outputs
    if any(each.dtype != output.dtype for each in operands) or output.dtype not in ELEMENT_BYTES:
        return network
    before = [network.producers.get(each.number) for each in operands]
    parts = [
        each
        for each, value in zip(before, operands, strict=True)
        if each is not None
        and each.function == FUNCTION
        and value.shape == output.shape
        and network.only_reader(value) is operation
    ]
    for inlined in (parts, []):
        made = _joined(expression, operands, {each.outputs[0].number: each for each in inlined})
        if made is not None:
            arguments, kept = made, {id(each) for each in inlined}
            both = replace(operation, function=FUNCTION, arguments=arguments, overload=None)
            operations = (
                both if each is operation else each
                for each in network.operations
                if id(each) not in kept
            )
            return replace(network, operations=tuple(operations))
    return network


def _joined(
    expression: Expression, operands: Sequence[Value], inlined: Mapping[int, Operation]
) -> dict[str, Any] | None:
    """Return the arguments of an expression of operands, None if it has too many arrays.

    inlined: expressions that stand for operands, by the operand's number.
    """
    names: dict[int, Name] = {}
    values: dict[str, Value] = {}

    def named(value: Value) -> Array | None:
        if value.number not in names:
            if len(names) == len(ARRAYS):
                return None
            names[value.number] = ARRAYS[len(names)]
            values[names[value.number]] = value
        return Array(names[value.number])

    by: dict[Name, Expression] = {}
    for name, value in zip(ARRAYS, operands, strict=False):
        part = inlined.get(value.number)
        if part is None:
            array = named(value)
            if array is None:
                return None
            by[name] = array
            continue
        inner: dict[Name, Expression] = {}
        for each in arrays_in(part.arguments["expression"]):
            array = named(part.arguments[each])
            if array is None:
                return None
            inner[each] = array
        by[name] = substituted(part.arguments["expression"], inner)
    return {"expression": substituted(expression, by), **values}
