"""Replace operations in place by those that return their result: `relu_` becomes `relu`.

The graph gives each value a number of its own, so an operation in place already reads one value and
writes another. What is overwritten through a view of it has no such operation, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from glassconv.errors import NetworkError
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.network import Network

NAME = "functional"


def run(network: Network) -> Network:
    """Return the network without operations in place.

    Raises `NetworkError` for one that writes through a view, or into an argument that no function
    of the same name returns.
    """
    return replace(network, operations=tuple(map(_functional, network.operations)))


def _functional(operation: Operation) -> Operation:
    overload = operation.overload
    if overload is None:
        raise NetworkError("it writes into a view of another tensor", request=operation.name)
    if not overload._schema.is_mutable:
        return operation
    if any(value.kind in ("parameter", "constant") for value in written_by(operation)):
        raise NetworkError("it writes into what the network keeps", request=operation.name)
    name = operation.function.removesuffix("_")
    packet = getattr(torch.ops.aten, name, None)
    same: Any = getattr(packet, overload._overloadname, None)
    is_same = same is not None and len(same._schema.arguments) == len(operation.arguments)
    if name == operation.function or not is_same or same._schema.is_mutable:
        cause = f"{operation.function} writes into its arguments"
        raise NetworkError(cause, request=operation.name)
    names = (argument.name for argument in same._schema.arguments)
    arguments = dict(zip(names, operation.arguments.values(), strict=True))
    return replace(operation, function=name, overload=same, arguments=arguments)


def written_by(operation: Operation) -> Iterator[Value]:
    """Yield the values that an operation writes over."""
    if operation.overload is None:
        return
    for schema in operation.overload._schema.arguments:
        argument = operation.arguments[schema.name]
        if schema.alias_info is not None and schema.alias_info.is_write:
            yield from (each for each in [argument] if isinstance(each, Value))
