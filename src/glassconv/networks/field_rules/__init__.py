"""How each function of ATen moves receptive fields from its inputs to its outputs.

A rule takes an operation and the fields of its inputs, and returns the fields of each output. It
never says too little. A function without a rule reads the whole input.
"""

from __future__ import annotations

from collections.abc import Mapping

from glassconv.networks.field_rules import mixing, shape, windows
from glassconv.networks.field_rules.known import Rule

RULES: Mapping[str, Rule] = {**windows.RULES, **mixing.RULES, **shape.RULES}
