"""Attention stays with PyTorch, whose fast kernel takes rows of adjacent channels."""

from __future__ import annotations

from glassconv.networks.graph import Operation, Value
from glassconv.networks.plan.builder import Builder
from glassconv.problem.memory_layout import NCHW

REASON = "PyTorch's kernel for attention is fast"
OPERANDS = ("query", "key", "value", "attn_mask")


def attention(builder: Builder, operation: Operation) -> str:
    """Return why PyTorch computes it; what it reads is copied where its last axis has gaps.

    Otherwise PyTorch multiplies whole matrices, and takes memory for the products of all rows.
    """
    for name in OPERANDS:
        value: Value | None = operation.arguments[name]
        if value is None:
            continue
        place = builder.place(value)
        if place.shape[-1] > 1 and place.strides[-1] != 1:
            builder.places[value.number] = builder.without_gaps(place, NCHW)
    return REASON
