"""Operations on rows of numbers: layer and group normalisation, softmax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Literal

import torch
from torch import Tensor

from glassconv.networks.graph import Operation
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.places import Place, dense_strides, permuted
from glassconv.operations import layer_norm, softmax
from glassconv.operations.elementwise import Array, Binary, Expression, Name
from glassconv.problem.memory_layout import NCHW

SCALE_AND_SHIFT: tuple[tuple[Literal["mul", "add"], Name], ...] = (
    ("mul", "weight"),
    ("add", "bias"),
)


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
    """Add a softmax, or return why PyTorch computes it."""
    given, output = _along_rows(builder, operation, "self", operation.arguments["dim"])
    if operation.arguments.get("dtype") not in (None, given.dtype):
        return "it changes the element type"
    verdict = softmax.supports(given.strided, output.strided)
    if not verdict:
        return verdict.reason
    step = softmax.step(given.strided, output.strided, builder.target, builder.threads)
    axes = list(range(len(given.shape)))
    axes.insert(operation.arguments["dim"] % max(len(axes), 1), axes.pop())
    builder.places[operation.outputs[0].number] = permuted(output, axes)
    builder.operation(operation.name, "softmax", step, output, input=given)
    return None


def normalized_groups(builder: Builder, operation: Operation) -> str | None:
    """Add a normalisation of groups of channels, or return why PyTorch computes it."""
    arguments = operation.arguments
    given, groups = builder.place(arguments["input"]), arguments["num_groups"]
    parameters = {name: builder.network.constant(arguments[name]) for name in ("weight", "bias")}
    if any(arguments[name] is not None and each is None for name, each in parameters.items()):
        return "its weight or its bias is computed by the network"
    given = builder.without_gaps(given, builder.layout if groups == 1 else NCHW)
    count = given.shape[0] * groups
    if not count:
        return "its input is empty"
    shape = (count, prod(given.shape) // count)
    output = builder.output(operation.outputs[0], given.strides)
    # All numbers of a group are adjacent, in both layouts where there is one group only.
    rows, written = (replace(each, shape=shape, strides=(shape[1], 1)) for each in (given, output))
    verdict = layer_norm.supports(rows.strided, written.strided)
    if not verdict:
        return verdict.reason
    step = layer_norm.step(
        rows.strided, written.strided, arguments["eps"], builder.target, builder.threads,
        weight=False, bias=False,
    )  # fmt: skip
    builder.operation(operation.name, "group norm", step, written, input=rows)
    _scale_channels(builder, operation.name, output, parameters)
    return None


def _scale_channels(
    builder: Builder, name: str, output: Place, parameters: Mapping[str, Tensor | None]
) -> None:
    """Add weight · output + bias in the place of the output, with numbers for each channel."""
    expression: Expression = Array("input")
    places: dict[Name, Place] = {"input": output}
    for function, parameter in SCALE_AND_SHIFT:
        numbers = parameters[parameter]
        if numbers is None:
            continue
        column = numbers.detach().clone().reshape(-1, *(1 for _ in output.shape[2:]))
        places[parameter] = builder.tensor(column)
        expression = Binary(function, expression, Array(parameter))
    if len(places) > 1:
        builder.expression(name, expression, output, places)


def _along_rows(
    builder: Builder, operation: Operation, name: str, axis: int = -1
) -> tuple[Place, Place]:
    """Return the input and the output with an axis as the last one, and contiguous along it."""
    given = builder.place(operation.arguments[name])
    if given.shape:
        axes = list(range(len(given.shape)))
        axes.append(axes.pop(axis))
        given = permuted(given, axes)
    if not given.strides or given.strides[-1] != 1:
        given = builder.with_strides(given, dense_strides(given.shape, channels_last=False))
    shape = given.shape
    return given, builder.new(shape, given.dtype, dense_strides(shape, channels_last=False))
