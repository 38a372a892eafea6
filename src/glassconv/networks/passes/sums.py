"""Convolutions and linear layers: sums of products, whose outputs an epilogue may follow."""

from __future__ import annotations

from glassconv.networks.convolutions import FORWARD, TRANSPOSED
from glassconv.networks.graph import Operation

LINEAR = "linear"
SUMS = (*FORWARD, *TRANSPOSED, LINEAR)
EPILOGUE = ("residual", "activation")  # arguments that passes add


def is_sum(operation: Operation) -> bool:
    """Return whether an operation is a convolution or a linear layer."""
    return operation.function in SUMS


def is_plain_sum(operation: Operation) -> bool:
    """Return whether an operation is one without a residual and an activation."""
    return is_sum(operation) and not any(operation.arguments.get(name) for name in EPILOGUE)


def groups_of(operation: Operation) -> int:
    """Return the number of groups; a linear layer has one."""
    groups: int = operation.arguments.get("groups", 1)
    return groups
