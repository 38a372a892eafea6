"""Pooling and means over positions."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from glassconv.networks.graph import Operation
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.places import Place, dense_strides, permuted
from glassconv.networks.windows import windows_of
from glassconv.operations import mean, pooling
from glassconv.operations.pooling import AdaptivePooling, Pooling


def pool(builder: Builder, operation: Operation) -> str | None:
    """Add a maximum or an average over windows, or return why PyTorch computes it."""
    arguments = operation.arguments
    given = builder.place(arguments["self"])
    if len(given.shape) != int(operation.function[-2]) + 2:
        return "it has no batch axis"
    found = Pooling(
        "max" if operation.function.startswith("max") else "average",
        *windows_of(operation),
        arguments["ceil_mode"],
        arguments.get("count_include_pad", True),
        arguments.get("divisor_override"),
    )
    return _pooled(builder, operation, found, given)


def adaptive_average(builder: Builder, operation: Operation) -> str | None:
    """Add an average over a number of windows, or of all positions."""
    given = builder.place(operation.arguments["self"])
    ndim = int(operation.function[-2])
    if len(given.shape) != ndim + 2:
        return "it has no batch axis"
    value, sizes = operation.outputs[0], given.shape[2:]
    wanted = value.shape[2:]
    if sizes == wanted:
        builder.copy(given, builder.output(value))
        return None
    if prod(wanted) == 1:
        return _mean(builder, operation, given)
    return _pooled(builder, operation, AdaptivePooling("average", wanted), given)


def mean_of_positions(builder: Builder, operation: Operation) -> str | None:
    """Add the mean over all axes but the batch and one other, or return why PyTorch computes it."""
    arguments = operation.arguments
    given, dims = builder.place(arguments["self"]), arguments.get("dim") or ()
    axes = sorted(axis % len(given.shape) for axis in dims)
    others = [axis for axis in range(len(given.shape)) if axis not in axes]
    if not axes or len(others) != 2 or others[0] != 0:
        return "it is no mean over all positions"
    given = permuted(given, (*others, *axes))
    if arguments.get("dtype") not in (None, given.dtype):
        return "it changes the element type"
    return _mean(builder, operation, given)


def _mean(builder: Builder, operation: Operation, given: Place) -> str | None:
    value = operation.outputs[0]
    place = builder.output(value, dense_strides(value.shape, channels_last=False))
    # Without the axes of size 1 that the output may have in the places of positions.
    to = replace(
        place, shape=given.shape[:2], strides=dense_strides(given.shape[:2], channels_last=False)
    )
    if not mean.supports(given.strided, to.strided):
        given = builder.in_layout(given)
    verdict = mean.supports(given.strided, to.strided)
    if not verdict:
        return verdict.reason
    step = mean.step(given.strided, to.strided, builder.target, builder.threads)
    builder.operation(operation.name, "mean", step, to, input=given)
    return None


def _pooled(
    builder: Builder, operation: Operation, found: Pooling | AdaptivePooling, given: Place
) -> str | None:
    place, given = builder.output(operation.outputs[0]), builder.in_layout(given)
    verdict = pooling.supports(found, given.strided, place.strided)
    if not verdict:
        return verdict.reason
    step = pooling.step(found, given.strided, place.strided, builder.target, builder.threads)
    builder.operation(operation.name, f"{found.kind} pooling", step, place, input=given)
    return None
