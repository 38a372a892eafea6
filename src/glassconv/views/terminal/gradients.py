"""What computes gradients in training, in a terminal of 80 columns: of a layer, or of a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.gradients import (
    GradientExplanation,
    LayerGradients,
    NetworkGradients,
    PartFacts,
)
from glassconv.views.network_words import bytes_text, problem_text
from glassconv.views.notation import duration, number_of, shape, size, small
from glassconv.views.terminal.layers import fitted, table_of
from glassconv.views.terminal.parts import pairs, section

TITLES = {
    "output": "The output",
    "input": "The input's gradient",
    "weight": "The weight's gradient",
    "bias": "The bias's gradient",
}
KEPT = (
    "Kept are the arrays that the backward pass reads: the call's own, or copies in float32 of "
    "arrays of 16 bits that are computed in that. No packed weight is kept: a weight that changes "
    "at each step is packed into memory that the next call of the thread uses again."
)
OF_NETWORK = (
    "What computes the output and both gradients in training: a kernel where that is predicted to "
    "be faster, else PyTorch. Kept: bytes of the input, which the backward pass reads; an input of "
    "several convolutions is kept once. `glassconv explain PROBLEM --backward` says more."
)


def explained(facts: GradientExplanation) -> RenderableType:
    """Return a section for each gradient, and one for what is kept."""
    return Group(*_lines(facts))


def _lines(facts: GradientExplanation) -> Iterator[RenderableType]:
    yield Text(facts.shorthand, "bold")
    yield Text(f"in training, {facts.layout}, {number_of(facts.threads, 'thread')}")
    yield ""
    for place, part in enumerate(facts.parts, start=1):
        yield from section(place, TITLES[part.name], pairs(*_part(part)))
    kept = [(each.name, f"{shape(each.shape)}, {size(each.bytes)}") for each in facts.kept]
    body = Group(pairs(*kept, ("in all", size(facts.kept_bytes))), "", Text(KEPT, "dim"))
    yield from section(len(facts.parts) + 1, "Kept for the backward pass", body)


def _part(part: PartFacts) -> Iterator[tuple[str, str]]:
    equals = "convolution" if "@" in part.convolution else "is"
    yield equals, part.convolution
    computed = f"the kernel {part.kernel}" if part.kernel else "PyTorch"
    yield "computed by", f"{computed}: {part.reason}"
    if part.pytorch_seconds is not None:
        ours = "no kernel" if part.seconds is None else duration(part.seconds)
        yield "predicted", f"{ours}, PyTorch {duration(part.pytorch_seconds)}"
    bound = part.bound
    if bound.factor is None:
        yield "error bound", "none"
        return
    yield "error bound", f"{small(bound.factor)} · ({bound.measure})"
    yield "", f"{small(bound.factor)} = {bound.formula}"


def network_explained(facts: NetworkGradients) -> RenderableType:
    """Return a row for each convolution."""
    headings = ("layer", "problem", "output", "input's", "weight's", "kept")
    rows = [_row(each) for each in facts.layers]
    table = table_of(*headings, left=headings[:-1], gap=1)
    for row in fitted(rows, headings):
        table.add_row(*row)
    threads = number_of(facts.layers[0].explanation.threads, "thread")
    return Group(
        Text(facts.model, "bold"),
        Text(f"{shape(facts.input_shape)}, in training, {threads}"),
        table,
        Text(OF_NETWORK, "dim"),
        "",
        pairs(*_shares(facts.layers), ("kept in all", bytes_text(facts.kept_bytes))),
    )


def _row(layer: LayerGradients) -> list[str]:
    explanation = layer.explanation
    by = {part.name: part.kernel or "pytorch" for part in explanation.parts}
    return [
        layer.name,
        problem_text(explanation.shorthand),
        by["output"],
        by.get("input", "–"),
        by["weight"],
        bytes_text(explanation.kept[0].bytes),
    ]


def _shares(layers: Sequence[LayerGradients]) -> Iterator[tuple[str, str]]:
    """Yield how many of each gradient kernels compute."""
    for name, title in (("input", "input's by kernels"), ("weight", "weight's by kernels")):
        parts = [part for layer in layers for part in layer.explanation.parts if part.name == name]
        by_kernels = sum(part.kernel is not None for part in parts)
        yield title, f"{by_kernels} of {len(parts)}"
