"""Compute what follows from constants alone when a network is loaded.

That is weights that are rearranged, converted or dequantised, and lists of sizes. Only operators
whose result is about as large as their inputs are computed, and in all only as many bytes as the
weights account for: a short file cannot ask for much.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from glassconv.networks.onnx.node import Call, Node, Value

FOLDED = frozenset(
    """Identity Cast Transpose Reshape Flatten Squeeze Unsqueeze Concat Slice
    QuantizeLinear DequantizeLinear""".split()
)
FOLDED_IF_FEW = frozenset("Add Sub Mul Div Neg Gather ConstantOfShape".split())
FEW = 64  # elements: a list of sizes, axes or pads
BYTES_FOR_BYTES = 16  # int8 weights become float32, and may be rearranged before and after
BYTES_FOR_LISTS = 2**20


class Folding:
    """Computes nodes of constants, within a number of bytes."""

    def __init__(self, constants: Mapping[str, Tensor]) -> None:
        self.constants = constants
        self.bytes_left = BYTES_FOR_LISTS + BYTES_FOR_BYTES * sum(
            t.nbytes for t in constants.values()
        )

    def results(self, node: Node, converted: Call | Tensor) -> dict[str, Tensor]:
        """Return a node's outputs by name, nothing if they are left to the network."""
        if isinstance(converted, Tensor):  # the operator Constant
            return {node.outputs[0]: converted}
        inputs = [self.constants.get(name) for name in node.inputs if name]
        known = [constant for constant in inputs if constant is not None]
        if len(known) < len(inputs) or len(node.outputs) != 1 or not self._is_small(node, known):
            return {}
        with torch.no_grad():
            result: Tensor = self._evaluate(converted)
        return {node.outputs[0]: result.detach()}

    def _is_small(self, node: Node, inputs: list[Tensor]) -> bool:
        if node.operator in FOLDED_IF_FEW:
            is_shape = node.operator == "ConstantOfShape"
            return all(each.numel() <= FEW for each in inputs) and not (
                is_shape and prod(inputs[0].tolist()) > FEW
            )
        needed = 8 * sum(each.numel() for each in inputs)  # bytes, in the widest type
        if node.operator not in FOLDED or needed > self.bytes_left:
            return False
        self.bytes_left -= needed
        return True

    def _evaluate(self, argument: Any) -> Any:
        if isinstance(argument, Value):
            return self.constants[argument.name]
        if isinstance(argument, tuple):
            return tuple(map(self._evaluate, argument))
        if not isinstance(argument, Call):
            return argument
        options = {key: self._evaluate(each) for key, each in argument.options.items()}
        return argument.function(*map(self._evaluate, argument.arguments), **options)
