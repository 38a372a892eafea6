"""Upsampling to nearest neighbours, and bilinear upsampling of images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from glassconv.networks.graph import Operation, Value
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.places import Place
from glassconv.operations import copy, upsample
from glassconv.operations.upsample import Bilinear


def nearest(builder: Builder, operation: Operation) -> str | None:
    """Add an upsampling to nearest neighbours, or return why PyTorch computes it."""
    value, given = operation.outputs[0], _input(operation)
    sizes = tuple(zip(value.shape[2:], given.shape[2:], strict=True))
    if any(large % small for large, small in sizes):
        return "its factors are not whole"
    scales = _scales(operation)
    factors = [large // small for large, small in sizes]
    if scales is not None and scales != tuple(map(float, factors)):
        return "its factors are not whole"
    place, output = builder.in_layout(builder.place(given)), builder.output(value)
    repeated, split = copy.nearest(place.strided, output.strided, factors)
    source = Place(place.root, repeated.shape, repeated.strides, place.dtype, place.offset)
    builder.copy(source, replace(output, shape=split.shape, strides=split.strides))
    return None


def bilinear(builder: Builder, operation: Operation) -> str | None:
    """Add a bilinear upsampling, or return why PyTorch computes it."""
    scales: Any = _scales(operation)
    found = Bilinear(operation.arguments["align_corners"], scales)
    given = builder.in_layout(builder.place(_input(operation)))
    output = builder.output(operation.outputs[0])
    verdict = upsample.supports(given.strided, output.strided)
    if not verdict:
        return verdict.reason
    step = upsample.step(found, given.strided, output.strided, builder.target, builder.threads)
    builder.operation(operation.name, "bilinear upsampling", step, output, input=given)
    return None


def _input(operation: Operation) -> Value:
    """Return the input, which the function's overloads call by two names."""
    arguments = operation.arguments
    found: Value = arguments["input"] if "input" in arguments else arguments["self"]
    return found


def _scales(operation: Operation) -> tuple[float, ...] | None:
    """Return the factors, None where the sizes decide."""
    arguments = operation.arguments
    if "scale_factors" in arguments:
        given = arguments["scale_factors"]
    else:
        names = [name for name in ("scales", "scales_h", "scales_w") if name in arguments]
        given = [arguments[name] for name in names]
        given = None if None in given else given
    return None if given is None else tuple(map(float, given))
