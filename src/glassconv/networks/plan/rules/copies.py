"""Operations that only move numbers: concatenation, changes of memory layout, upsampling."""

from __future__ import annotations

from dataclasses import replace

import torch

from glassconv.networks.graph import Operation
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.places import Place, dense_strides
from glassconv.operations import copy


def joined(builder: Builder, operation: Operation) -> str | None:
    """Add a concatenation: each part is copied into its slice of the output."""
    parts = [builder.place(each) for each in operation.arguments["tensors"]]
    value = operation.outputs[0]
    if {each.dtype for each in parts} != {parts[0].dtype}:
        return "its parts have different element types"
    if any(len(each.shape) != len(value.shape) for each in parts):
        return "its parts have different numbers of axes"
    axis = operation.arguments["dim"] % len(value.shape)
    output = builder.output(value)
    start = 0
    for each in parts:
        offset = output.offset + start * output.strides[axis]
        builder.copy(each, replace(output, shape=each.shape, offset=offset))
        start += each.shape[axis]
    return None


def dense(builder: Builder, operation: Operation) -> str | None:
    """Add a copy for `reshape`, `flatten` or `contiguous` where the strides permit no view."""
    if builder.view(operation):
        return None
    (value,) = operation.outputs
    given = builder.place(operation.arguments["self"])
    if operation.arguments.get("memory_format", torch.contiguous_format) != torch.contiguous_format:
        return "it asks for a memory layout"
    in_order = builder.with_strides(given, dense_strides(given.shape, channels_last=False))
    strides = dense_strides(value.shape, channels_last=False)
    builder.places[value.number] = replace(in_order, shape=value.shape, strides=strides)
    return None


def nearest(builder: Builder, operation: Operation) -> str | None:
    """Add an upsampling to nearest neighbours, or return why PyTorch computes it."""
    value = operation.outputs[0]
    given = builder.place(operation.arguments["input"])
    sizes = tuple(zip(value.shape[2:], given.shape[2:], strict=True))
    if any(large % small for large, small in sizes):
        return "its factors are not whole"
    scales = operation.arguments.get("scale_factors")
    factors = [large // small for large, small in sizes]
    if scales is not None and tuple(scales) != tuple(map(float, factors)):
        return "its factors are not whole"
    output = builder.new(value.shape, given.dtype)
    repeated, split = copy.nearest(given.strided, output.strided, factors)
    source = Place(given.root, repeated.shape, repeated.strides, given.dtype, given.offset)
    builder.copy(source, Place(output.root, split.shape, split.strides, given.dtype))
    builder.places[value.number] = output
    return None
