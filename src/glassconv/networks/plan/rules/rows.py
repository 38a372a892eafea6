"""Operations along the last axis: layer normalisation and softmax."""

from __future__ import annotations

import torch

from glassconv.networks.graph import Operation
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.places import Place, dense_strides
from glassconv.operations import layer_norm, softmax


def normalized(builder: Builder, operation: Operation) -> str | None:
    """Add a layer normalisation, or return why PyTorch computes it."""
    arguments = operation.arguments
    if len(arguments["normalized_shape"]) != 1:
        return "it normalises over more than the last axis"
    given, output = _along_rows(builder, operation, "input")
    verdict = layer_norm.supports(given.strided, output.strided)
    if not verdict:
        return verdict.reason
    parameters = {}
    for name in ("weight", "bias"):
        if arguments[name] is None:
            continue
        numbers = builder.network.constant(arguments[name])
        if numbers is None:
            return f"its {name} is computed by the network"
        parameters[name] = builder.tensor(
            numbers.detach().clone(memory_format=torch.contiguous_format)
        )
    step = layer_norm.step(
        given.strided,
        output.strided,
        arguments["eps"],
        builder.target,
        builder.threads,
        weight="weight" in parameters,
        bias="bias" in parameters,
    )
    builder.places[operation.outputs[0].number] = output
    builder.operation(operation.name, "layer norm", step, output, input=given, **parameters)
    return None


def softmax_of_rows(builder: Builder, operation: Operation) -> str | None:
    """Add a softmax over the last axis, or return why PyTorch computes it."""
    given, output = _along_rows(builder, operation, "self")
    if operation.arguments["dim"] % max(len(given.shape), 1) != len(given.shape) - 1:
        return "it is not over the last axis"
    if operation.arguments.get("dtype") not in (None, given.dtype):
        return "it changes the element type"
    verdict = softmax.supports(given.strided, output.strided)
    if not verdict:
        return verdict.reason
    step = softmax.step(given.strided, output.strided, builder.target, builder.threads)
    builder.places[operation.outputs[0].number] = output
    builder.operation(operation.name, "softmax", step, output, input=given)
    return None


def _along_rows(builder: Builder, operation: Operation, name: str) -> tuple[Place, Place]:
    """Return the input and the output, both with the last axis contiguous."""
    given = builder.place(operation.arguments[name])
    if not given.strides or given.strides[-1] != 1:
        given = builder.with_strides(given, dense_strides(given.shape, channels_last=False))
    shape = operation.outputs[0].shape
    return given, builder.new(shape, given.dtype, dense_strides(shape, channels_last=False))
