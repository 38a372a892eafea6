"""A stack of layers in the terminal: a row for each."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glassconv.reports.network import LayerFacts, NetworkExplanation
from glassconv.views.explanation_blocks import by
from glassconv.views.notation import shape


def explained(facts: NetworkExplanation) -> RenderableType:
    """Return a table of the layers with their shapes, parameters, MACs and receptive fields."""
    first, last = facts.layers[0], facts.layers[-1]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading, right in (
        ("layer", False), ("output shape", False), ("parameters", True), ("MACs", True),
        ("receptive field", True), ("jump", True),
    ):  # fmt: skip
        table.add_column(heading, justify="right" if right else "left")
    for layer in facts.layers:
        table.add_row(*_cells(layer))
    parameters, macs = (
        sum(getattr(layer, name) for layer in facts.layers) for name in ("parameters", "macs")
    )
    table.add_row("total", "", f"{parameters:,}", f"{macs:,}", "", "", style="bold")
    notes = [f"{layer.name} {layer.kind}: {layer.note}" for layer in facts.layers if layer.note]
    return Group(
        Text(f"{shape(first.input_shape)} → {shape(last.output_shape)}", "bold"),
        table,
        Text("Receptive field and jump: in positions of the input, padding included; the", "dim"),
        Text("jump is the distance from one output's field to the next one's.", "dim"),
        *(Text(note, "dim") for note in notes),
    )


def _cells(layer: LayerFacts) -> tuple[str, ...]:
    kind = layer.module.partition("(")[0]
    return (
        f"{layer.name}  {kind}",
        shape(layer.output_shape),
        f"{layer.parameters:,}" if layer.parameters else "",
        f"{layer.macs:,}" if layer.macs else "",
        by(layer.receptive_field),
        " × ".join(f"{jump:g}" for jump in layer.jump),
    )
