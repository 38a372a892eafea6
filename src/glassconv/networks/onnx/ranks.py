"""The number of axes of a node's outputs, as far as the layers that depend on it need it.

nn.BatchNorm1d, 2d and 3d do the same; which it is follows from the number of axes.
"""

from __future__ import annotations

from glassconv.networks.onnx.node import Node

# Their output has as many axes as the input that has most.
KEPT = frozenset(
    """Conv ConvTranspose MaxPool AveragePool LpPool GlobalMaxPool GlobalAveragePool GlobalLpPool
    BatchNormalization InstanceNormalization LayerNormalization GroupNormalization LRN
    Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign
    ThresholdedRelu Mish Softmax LogSoftmax Clip Add Sub Mul Div Pow Max Min Sum Mean Abs Neg Sqrt
    Exp Log Erf Where Identity Dropout Concat Split Slice Pad Resize Upsample Cast
    DepthToSpace SpaceToDepth Transpose QuantizeLinear DequantizeLinear Gemm""".split()
)


def rank_of_outputs(node: Node) -> dict[str, int]:
    """Return the number of axes of each output, nothing if it is not known."""
    ranks = [node.rank(index) for index in range(len(node.inputs)) if node.has(index)]
    known = [rank for rank in ranks if rank is not None]
    if node.operator == "Flatten":
        return {node.outputs[0]: 2}
    if node.operator not in KEPT or not known or len(known) < len(ranks):
        return {}
    return dict.fromkeys(filter(None, node.outputs), max(known))
