"""Matrix products: Gemm is nn.Linear where that computes the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glassconv.networks.onnx.layers import as_parameter, with_weights
from glassconv.networks.onnx.node import Call, Node, call


def gemm(node: Node) -> Call:
    """Return nn.Linear if the weight is in the file and nothing is scaled, or a function."""
    weight, bias = node.constant(1), node.constant(2)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    transposed = (bool(node.get("transA", 0)), bool(node.get("transB", 0)))
    is_plain = not transposed[0] and alpha == beta == 1
    if is_plain and weight is not None and weight.is_floating_point() and weight.ndim == 2:
        weight = weight if transposed[1] else as_parameter(weight.detach().T.contiguous())
        has_vector = bias is not None and bias.shape == weight.shape[:1]
        if has_vector or not node.has(2):
            outputs, inputs = weight.shape
            layer = nn.Linear(inputs, outputs, bias=has_vector, device="meta")
            return call(with_weights(layer, weight=weight, bias=bias), node.value(0))
    return call(scaled_product, *node.values, alpha=alpha, beta=beta, transposed=transposed)


def scaled_product(
    first: Tensor,
    second: Tensor,
    added: Tensor | None = None,
    *,
    alpha: float,
    beta: float,
    transposed: tuple[bool, bool],
) -> Tensor:
    """Return alpha · first · second + beta · added."""
    if transposed[0]:
        first = first.T
    if transposed[1]:
        second = second.T
    product = _scaled(first @ second, alpha)
    return product if added is None else product + _scaled(added, beta)


def _scaled(values: Tensor, factor: float) -> Tensor:
    return values if factor == 1 else (values * factor).to(values.dtype)


def einsum(node: Node) -> Call:
    """Return PyTorch's einsum, whose equation is ONNX's."""
    return call(torch.einsum, node.get("equation", "").replace(" ", ""), *node.values)


CONVERTERS = {
    "Gemm": gemm,
    "MatMul": lambda node: call(torch.matmul, *node.values),
    "Einsum": einsum,
}
