"""How each function of ATen moves receptive fields from its inputs to its outputs.

A rule takes an operation and the fields of its inputs, and returns the fields of each output. It
never says too little. A function without a rule reads the whole input, and so does one with a rule
for its first input whose others depend on the input as well: a convolution by computed weights.
"""

from __future__ import annotations

from collections.abc import Mapping

from glassconv.networks.field_rules import mixing, shape, windows
from glassconv.networks.field_rules.known import Known, Rule
from glassconv.networks.graph import Operation
from glassconv.networks.reads import WHOLE, Fields, union

OF_EVERY_INPUT = (  # rules that look at all inputs
    shape.pointwise, shape.copied, shape.joined, shape.stacked,
    mixing.matrix_product, mixing.attention,
)  # fmt: skip
SHAPE_ONLY = ("to", "type_as", "view_as", "reshape_as")  # of their other inputs

RULES: Mapping[str, Rule] = {**windows.RULES, **mixing.RULES, **shape.RULES}


def by_rule(operation: Operation, known: Known) -> list[Fields]:
    """Return what the outputs of an operation read whose function has a rule."""
    rule = RULES[operation.function]
    outputs = rule(operation, known)
    if rule in OF_EVERY_INPUT or operation.function in SHAPE_ONLY:
        return outputs
    for value in operation.inputs[1:]:
        whole = (None if reads is None else WHOLE for reads in known.of(value))
        others = tuple(whole)
        outputs = [tuple(map(union, fields, others)) for fields in outputs]
    return outputs
