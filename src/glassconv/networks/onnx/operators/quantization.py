"""Quantisation: values are rounded to integers and back; what is between computes in floats."""

from __future__ import annotations

import torch
from torch import Tensor

from glassconv.networks.onnx.node import Call, Node, call
from glassconv.networks.onnx.tensors import dtype_of


def quantize(node: Node) -> Call:
    """Return a function to the element type of the zero point, by default uint8."""
    zero, number = node.constant(2), node.get("output_dtype", 0)
    dtype = dtype_of(number, "its result") if number else torch.uint8
    return call(
        quantized, *node.values, dtype=dtype if zero is None else zero.dtype, **_along(node)
    )


def quantized(
    input: Tensor,
    scale: Tensor,
    zero: Tensor | None = None,
    *,
    dtype: torch.dtype,
    axis: int,
    block: int,
) -> Tensor:
    """Return input / scale + zero, rounded half to even and within the element type's limits."""
    dtype = dtype if zero is None else zero.dtype
    rounded = (input / _broadcast(scale, input, axis, block)).round()
    if zero is not None:
        rounded = rounded + _broadcast(zero, input, axis, block)
    limits = torch.iinfo(dtype)
    return rounded.clamp(limits.min, limits.max).to(dtype)


def dequantize(node: Node) -> Call:
    """Return a function to the element type of the scale."""
    number = node.get("output_dtype", 0)
    dtype = dtype_of(number, "its result") if number else None
    return call(dequantized, *node.values, dtype=dtype, **_along(node))


def dequantized(
    input: Tensor,
    scale: Tensor,
    zero: Tensor | None = None,
    *,
    dtype: torch.dtype | None,
    axis: int,
    block: int,
) -> Tensor:
    """Return (input − zero) · scale."""
    values = input.to(torch.float32)
    if zero is not None:
        values = values - _broadcast(zero, input, axis, block)
    return (values * _broadcast(scale, input, axis, block)).to(dtype or scale.dtype)


def dynamically_quantized(input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the input as uint8, and the scale and zero point that follow from its range."""
    low, high = input.min().clamp(max=0), input.max().clamp(min=0)
    scale = torch.where(high == low, 1, high - low) / 255
    zero = (-low / scale).clamp(0, 255).round()
    return (
        ((input / scale).round() + zero).clamp(0, 255).to(torch.uint8),
        scale,
        zero.to(torch.uint8),
    )


def _broadcast(values: Tensor, input: Tensor, axis: int, block: int) -> Tensor:
    """Return a scale or zero point for each element: of all, along an axis, or of each block."""
    if values.numel() == 1:
        return values.reshape(())
    if block:
        places = torch.arange(input.shape[axis], device=input.device) // block
        return values.index_select(axis, places)
    shape = [1] * input.ndim
    shape[axis] = input.shape[axis]
    return values.reshape(shape)


def _along(node: Node) -> dict[str, int]:
    return {"axis": node.get("axis", 1), "block": node.get("block_size", 0)}


CONVERTERS = {
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "DynamicQuantizeLinear": lambda node: call(dynamically_quantized, node.value(0)),
}
