"""The network strip: a block for each operation that makes activations, skips as arcs, as SVG.

A block is as tall as the activations that the operation writes, on a scale of square roots. A
convolution's colour goes from green to red with its share of the MACs. An arc leads from an
operation to one that reads its output later than the next block. Colours are of middle lightness,
so that the picture is right on light and on dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import sqrt

from glassconv.reports.network import ConvolutionFacts, NetworkExplanation, OperationFacts
from glassconv.views.network_words import bytes_text, count, field_text, percent, problem_text
from glassconv.views.notation import shape

STRIP = (  # what pages say of it
    "Each block is an operation: as tall as the activations that it writes, on a scale of square "
    "roots; a convolution's colour goes from green to red with its share of the MACs. Arcs are "
    "skips."
)
FEW, MANY = (42, 157, 143), (231, 111, 81)  # red, green and blue of no MACs and of the most
OTHER, SKIP = "#8888", "#888"
BLOCK, GAP = 12, 4  # pixels of a block's width and of the gap beside it
HEIGHT, BASE = 96, 128  # of the tallest block; where blocks stand
SHOWN = ("pool", "add", "cat", "mul", "linear", "matmul", "attention", "upsample", "mean")


def strip(facts: NetworkExplanation, links: Mapping[str, str]) -> str:
    """Return the strip as one `<svg>`. links: the address to open for a convolution's name."""
    convolutions = {each.name: each for each in facts.convolutions}
    shown = _blocks(facts.operations, convolutions)
    places = {operation: place for place, operation in enumerate(shown)}
    largest = max((facts.operations[each].output_bytes for each in shown), default=1)
    densest = max((each.macs for each in facts.convolutions), default=0) or 1
    tops, blocks = [], []
    for place, operation in enumerate(shown):
        each = facts.operations[operation]
        found = convolutions.get(each.name)
        height = max(3.0, HEIGHT * sqrt(each.output_bytes / largest))
        tops.append(BASE - height)
        fill = OTHER if found is None else _colour(found.macs / densest)
        block = _block(place, height, fill, _title(each, found, facts.macs))
        link = links.get(each.name)
        blocks.append(f'<a href="{escape(link)}">{block}</a>' if link else block)
    arcs = [_arc(first, last, tops) for first, last in _skips(facts.operations, places)]
    width = len(shown) * (BLOCK + GAP) + GAP
    label = escape(f"{len(shown)} operations of {facts.model}, {len(arcs)} skips")
    return (
        f'<svg class="strip" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'width="{width}" height="{BASE + 8}" viewBox="0 0 {width} {BASE + 8}">'
        f"{''.join(arcs)}{''.join(blocks)}</svg>"
    )


def _blocks(
    operations: Sequence[OperationFacts], convolutions: Mapping[str, ConvolutionFacts]
) -> list[int]:
    """Return the places of the operations to show: convolutions, pooling, joins, linear layers."""
    return [
        place
        for place, each in enumerate(operations)
        if each.name in convolutions or any(kind in each.function for kind in SHOWN)
    ]


def _skips(
    operations: Sequence[OperationFacts], places: Mapping[int, int]
) -> list[tuple[int, int]]:
    """Return (from, to) of the blocks that read an output further back than the block before."""
    sources: dict[int, frozenset[int]] = {-1: frozenset({-1})}
    found = []
    for place, each in enumerate(operations):
        read = frozenset().union(*(sources[input] for input in each.inputs))
        if place in places:
            found += [
                (source, places[place]) for source in sorted(read) if source < places[place] - 1
            ]
            read = frozenset({places[place]})
        sources[place] = read
    return found


def _left(place: int) -> int:
    return GAP + place * (BLOCK + GAP)


def _title(operation: OperationFacts, found: ConvolutionFacts | None, macs: int) -> str:
    """Return the lines that a block shows when it is pointed at."""
    lines = [operation.name, f"{operation.function} → {shape(operation.output_shape)}"]
    if found is not None:
        lines[1] = problem_text(found.shorthand)
        lines.append(f"{count(found.macs)} MACs, {percent(found.macs, macs)} %")
        lines.append(f"receptive field {field_text(found.receptive_field, 'size', 'all')}")
        lines += [found.choice.algorithm] if found.choice is not None else []
    return "\n".join([*lines, f"writes {bytes_text(operation.output_bytes)}"])


def _block(place: int, height: float, fill: str, title: str) -> str:
    return (
        f'<rect fill="{fill}" x="{_left(place)}" y="{BASE - height:.1f}" width="{BLOCK}" '
        f'height="{height:.1f}" rx="1.5"><title>{escape(title)}</title></rect>'
    )


def _colour(share: float) -> str:
    """Return the colour of a share, from 0 to 1."""
    mixed = (round(few + share * (many - few)) for few, many in zip(FEW, MANY, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _arc(first: int, last: int, tops: Sequence[float]) -> str:
    """Return an arc from the top of a block to that of another; the input is before the first."""
    start, end = (_left(place) + BLOCK / 2 for place in (first, last))
    top, last_top = tops[max(first, 0)] - 2, tops[last] - 2
    apex = max(2.0, min(tops[max(first, 0) : last + 1]) - min(40.0, 8 + 3.0 * (last - first)))
    return (
        f'<path fill="none" stroke="{SKIP}" d="M{start:g} {top:.1f}'
        f'C{start:g} {apex:.1f} {end:g} {apex:.1f} {end:g} {last_top:.1f}"/>'
    )
