"""Expressions of arrays, element by element (passes/fuse_elementwise.py)."""

from __future__ import annotations

from glassconv.networks.graph import Operation
from glassconv.networks.plan.builder import Builder
from glassconv.operations.elementwise import ARRAYS


def expression(builder: Builder, operation: Operation) -> str | None:
    """Add an expression."""
    arguments = operation.arguments
    values = {name: arguments[name] for name in ARRAYS if name in arguments}
    output = builder.output(operation.outputs[0])
    places = {}
    for name, value in values.items():
        place = builder.place(value)
        # Arrays of the output's shape are read along with it; others are small.
        is_whole = place.shape == output.shape
        places[name] = builder.in_layout(place) if is_whole else place
    builder.expression(operation.name, arguments["expression"], output, places)
    return None
