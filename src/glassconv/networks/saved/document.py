"""A network as a JSON document and tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from torch import Tensor
from torch.utils._pytree import treespec_dumps

from glassconv.errors import ConvError, NetworkError
from glassconv.networks.exported.graph import MOST_NODES
from glassconv.networks.exported.operators import find_operator
from glassconv.networks.exported.structure import nest, read_structure
from glassconv.networks.files.quote import quoted
from glassconv.networks.files.strict_json import field
from glassconv.networks.graph import TENSOR, Layout, Operation, Returned, Value
from glassconv.networks.passes.fuse_elementwise import FUNCTION
from glassconv.networks.passes.network import Network
from glassconv.networks.saved.arguments import (
    DTYPES,
    read_argument,
    read_value,
    write_argument,
)
from glassconv.networks.saved.check import check_shapes, check_size, check_tensor

VERSION = 1
LONGEST_NAME = 200
MOST_AXES = 64
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
TENSOR_LEAF = {"tensor": None}


def to_document(network: Network, returned: Returned) -> dict[str, Any]:
    """Return a network's operations and values; raises `NetworkError` for what cannot be saved."""
    return {
        "version": VERSION,
        "inputs": [_write_value(each) for each in network.inputs],
        "tensors": [_write_value(each) for each in _tensors_read(network)],
        "operations": [
            {
                "name": each.name,
                "function": each.function,
                "target": FUNCTION if each.overload is None else f"torch.ops.{each.overload}",
                "arguments": {name: write_argument(a) for name, a in each.arguments.items()},
                "outputs": [_write_value(value) for value in each.outputs],
            }
            for each in network.operations
        ],
        "outputs": [each.number for each in network.outputs],
        "returned": {
            "structure": treespec_dumps(returned.structure),
            "leaves": [
                TENSOR_LEAF if each is TENSOR else write_argument(each) for each in returned.leaves
            ],
        },
    }


def from_document(
    document: Any, tensors: Mapping[str, Tensor]
) -> tuple[Network, Sequence[Any], dict[str, Any]]:
    """Return the network, the leaves of what it returns, and how they are nested.

    tensors: of the file, by the number of the value.

    Raises `NetworkError` for a document that `to_document` does not write.
    """
    if field(document, "version", int) != VERSION:
        raise NetworkError(f"it is of another version than {VERSION}")
    values: dict[int, Value] = {}
    inputs = [_define(each, "input", values) for each in field(document, "inputs", list)]
    constants = {}
    for each in field(document, "tensors", list):
        value = _define(each, "constant", values)
        if str(value.number) not in tensors:
            raise NetworkError(f"it has no tensor {value.number}")
        check_tensor(value, tensors[str(value.number)])
        constants[value.number] = tensors[str(value.number)]
    stated = field(document, "operations", list)
    if len(stated) > MOST_NODES:
        raise NetworkError(f"it has {len(stated):,} operations, where {MOST_NODES:,} are read")
    operations = tuple(_read_operation(each, values) for each in stated)
    outputs = tuple(read_value(each, values) for each in field(document, "outputs", list))
    returned = field(document, "returned", dict)
    leaves = [
        TENSOR if each == TENSOR_LEAF else read_argument(each, {})
        for each in field(returned, "leaves", list)
    ]
    structure = read_structure(field(returned, "structure", str))
    if sum(each is TENSOR for each in leaves) != len(outputs):
        raise NetworkError("its outputs and what it returns differ in number")
    given = iter(leaves)
    nest(structure, given)
    if list(given):
        raise NetworkError("it has more outputs than their structure")
    return Network(operations, tuple(inputs), outputs, constants), leaves, structure


def _tensors_read(network: Network) -> list[Value]:
    """Return the values of tensors that are read or returned, once each."""
    read = [value for each in network.operations for value in each.inputs]
    found = {v.number: v for v in (*read, *network.outputs) if v.number in network.tensors}
    return list(found.values())


def _write_value(value: Value) -> dict[str, Any]:
    return {
        "number": value.number,
        "shape": list(value.shape),
        "dtype": value.dtype,
        "layout": value.layout,
        "name": value.name,
    }


def _define(written: Any, kind: Any, values: dict[int, Value]) -> Value:
    """Return a value, which is known from now on."""
    number, shape = field(written, "number", int), field(written, "shape", list)
    dtype, layout = field(written, "dtype", str), field(written, "layout", str)
    if number in values:
        raise NetworkError(f"it has the value {number} twice")
    if len(shape) > MOST_AXES or not all(type(each) is int and each >= 0 for each in shape):
        raise NetworkError(f"it has a value of shape {quoted(shape)}")
    if dtype not in DTYPES or layout not in LAYOUTS:
        raise NetworkError(f"it has a value of {quoted(dtype)}, {quoted(layout)}")
    name = _name(field(written, "name", str))
    value = Value(number, tuple(shape), dtype, kind, name, layout)
    check_size(value)
    values[number] = value
    return value


def _read_operation(written: Any, values: dict[int, Value]) -> Operation:
    name, function = _name(field(written, "name", str)), field(written, "function", str)
    target, stated = field(written, "target", str), field(written, "arguments", dict)
    arguments = {key: read_argument(each, values) for key, each in stated.items()}
    overload: Any = None
    if target != FUNCTION:
        overload = find_operator(target)
        schema = getattr(overload, "_schema", None)
        if schema is None or schema.is_mutable:
            raise NetworkError(f"it calls {quoted(target)}, which is no operator of plans")
        if overload.overloadpacket.__name__ != function:
            raise NetworkError(f"it calls {quoted(target)} by the name {quoted(function)}")
    elif function != FUNCTION:
        raise NetworkError(f"it calls {quoted(function)} without an operator")
    outputs = tuple(_define(each, "result", values) for each in field(written, "outputs", list))
    if not outputs:
        raise NetworkError("an operation has no output", request=name)
    operation = Operation(name, function, False, arguments, outputs, 0, 0, overload)
    try:
        check_shapes(operation)
    except ConvError as error:
        raise NetworkError(f"its operation {name}: {error.cause}") from None
    return operation


def _name(name: str) -> str:
    if len(name) > LONGEST_NAME or not (name.isprintable()):
        raise NetworkError(f"it has the name {quoted(name)}, which is too long or not printable")
    return name
