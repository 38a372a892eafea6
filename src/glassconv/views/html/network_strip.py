"""The network strip: a block for each operation that makes activations, skips as arcs, as SVG.

A block is as tall as the activations that the operation writes, on a scale of square roots, and as
dark as its share of the network's MACs. An arc leads from an operation to one that reads its output
later than the next block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import sqrt

from glassconv.reports.network import ConvolutionFacts, NetworkExplanation, OperationFacts
from glassconv.views.network_words import bytes_text, count, field_text, percent, problem_text
from glassconv.views.notation import shape

BLOCK, GAP = 12, 4  # pixels of a block's width and of the gap beside it
HEIGHT, BASE = 96, 128  # of the tallest block; where blocks stand
SHOWN = ("pool", "add", "cat", "mul", "linear", "matmul", "attention", "upsample", "mean")


def strip(facts: NetworkExplanation, links: Mapping[str, str]) -> str:
    """Return the strip as one `<svg>`. links: the address to open for a problem's shorthand."""
    convolutions = {each.name: each for each in facts.convolutions}
    shown = _blocks(facts.operations, convolutions)
    places = {operation: place for place, operation in enumerate(shown)}
    largest = max((facts.operations[each].output_bytes for each in shown), default=1)
    densest = max((each.macs for each in facts.convolutions), default=0)
    width = len(shown) * (BLOCK + GAP) + GAP
    blocks, arcs = [], []
    for place, operation in enumerate(shown):
        each = facts.operations[operation]
        found = convolutions.get(each.name)
        blocks.append(_block(each, found, place, largest, densest, facts.macs, links))
    for first, last in _skips(facts.operations, places):
        arcs.append(_arc(first, last))
    label = f"{len(shown)} operations of {facts.model}, {len(arcs)} skips"
    return (
        f'<svg class="strip" role="img" aria-label="{escape(label)}" width="{width}" '
        f'height="{BASE + 8}" viewBox="0 0 {width} {BASE + 8}">'
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


def _block(
    operation: OperationFacts,
    found: ConvolutionFacts | None,
    place: int,
    largest: int,
    densest: int,
    macs: int,
    links: Mapping[str, str],
) -> str:
    height = max(3.0, HEIGHT * sqrt(operation.output_bytes / largest))
    lines = [operation.name, f"{operation.function} → {shape(operation.output_shape)}"]
    lines.append(f"writes {bytes_text(operation.output_bytes)}")
    look = "other"
    shade = 0.0
    if found is not None:
        look, shade = "conv", found.macs / densest if densest else 0.0
        lines[1] = problem_text(found.shorthand)
        lines.append(f"{count(found.macs)} MACs, {percent(found.macs, macs)} %")
        lines.append(f"receptive field {field_text(found.receptive_field, 'size', 'all')}")
        if found.choice is not None:
            lines.append(found.choice.algorithm)
    title = escape("\n".join(lines))
    rect = (
        f'<rect class="{look}" style="--share:{shade:.3f}" x="{_left(place)}" '
        f'y="{BASE - height:.1f}" width="{BLOCK}" height="{height:.1f}" rx="1.5">'
        f"<title>{title}</title></rect>"
    )
    link = links.get(found.shorthand) if found is not None else None
    return f'<a href="{escape(link)}">{rect}</a>' if link else rect


def _arc(first: int, last: int) -> str:
    """Return an arc over the blocks between; a skip from the input starts before the first."""
    start, end = (_left(place) + BLOCK / 2 for place in (first, last))
    rise = min(24.0, 6 + 2.0 * (last - first))
    top = BASE - HEIGHT - rise + 24
    return (
        f'<path class="skip" d="M{start:g} {BASE - HEIGHT}C{start:g} {top:g} {end:g} {top:g} '
        f'{end:g} {BASE - HEIGHT}"/>'
    )
