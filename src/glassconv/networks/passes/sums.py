"""Convolutions and linear layers: sums of products, whose outputs an epilogue may follow."""

from __future__ import annotations

from glassconv.networks.convolutions import FORWARD, TRANSPOSED, read
from glassconv.networks.graph import Operation
from glassconv.networks.passes.network import Network
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem

LINEAR = "linear"
SUMS = (*FORWARD, *TRANSPOSED, LINEAR)
EPILOGUE = ("residual", "activation")  # arguments that passes add
COMPILED = ("float32", "float64")


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


def refusal(network: Network, operation: Operation) -> str | None:
    """Return why no kernel of a plan computes a convolution or a linear layer, None if one does."""
    arguments = operation.arguments
    for name in ("weight", "bias"):
        if arguments[name] is not None and network.constant(arguments[name]) is None:
            return f"its {name} is computed by the network"
    dtypes = {arguments[name].dtype for name in ("input", "weight")}
    if not dtypes.issubset(COMPILED):
        return f"kernels of a plan compute float32 and float64, not {arguments['input'].dtype}"
    if 0 in operation.outputs[0].shape or 0 in arguments["input"].shape:
        return "its input or its output is empty"
    if operation.function == LINEAR:
        return "its weight has one axis" if len(arguments["weight"].shape) < 2 else None
    return _refusal_of_problem(read(operation).problem)


def _refusal_of_problem(problem: Problem) -> str | None:
    if problem.ndim > 2:
        return "kernels compute one or two spatial axes"
    if isinstance(problem, TransposedProblem) and problem.is_cut and set(problem.stride) == {1}:
        return "its padding is wider than its kernel"
    return None
