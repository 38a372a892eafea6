"""The blocks that an explanation is made of, and the facts that both kinds of convolution share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from glassconv.reports.explanation import Explanation
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class Pairs:
    """Rows of a label and a text; an empty label continues the row above."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Note:
    """A sentence about the facts."""

    text: str


@dataclass(frozen=True)
class AlgorithmTable:
    """The table of algorithms: headings, and for each row a verdict and its cells."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Verdict, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Listing:
    """A piece of Python under its title."""

    title: str
    code: str


Block = Pairs | Note | AlgorithmTable | Listing


@dataclass(frozen=True)
class Chapter:
    """A heading and its blocks."""

    title: str
    blocks: tuple[Block, ...]


def bias_text(facts: Explanation) -> str:
    """Write what a bias adds to the operations."""
    count = facts.arithmetic
    if not facts.subject.bias:
        return "none"
    total = count.flops + count.bias_additions
    return f"{count.bias_additions:,} additions, not in the FLOPs; {total:,} with them"


def torch_count_text(facts: Explanation) -> str:
    """Return where torch.utils.flop_counter agrees, and where it does not."""
    count = facts.arithmetic
    pairs = (
        ("forward pass", count.flops, count.torch.forward),
        ("input gradient", count.input_gradient_flops, count.torch.input_gradient),
        ("weight gradient", count.weight_gradient_flops, count.torch.weight_gradient),
    )
    agreed = [name for name, ours, theirs in pairs if ours == theirs]
    everywhere = len(agreed) == len(pairs)
    texts = ["agrees" + ("" if everywhere else f" on the {' and '.join(agreed)}")]
    texts += [
        f"it counts {theirs:,} for the {name}, {theirs / ours:.3g} × as many"
        + text_if(theirs == ours * facts.subject.groups, ", as if there were no groups")
        for name, ours, theirs in pairs
        if ours != theirs
    ]
    texts += ["it counts no bias"] if facts.subject.bias else []
    return f"torch.utils.flop_counter {'; '.join(texts)}"


def equation(product: str, result: int) -> str:
    """Write a product and what it comes to, or that alone where it is the same."""
    return f"{result:,}" if product == str(result) else f"{product} = {result:,}"


def times(sizes: Iterable[int]) -> str:
    """Write factors of a product."""
    return " · ".join(map(str, sizes))


def by(sizes: Iterable[int]) -> str:
    """Write sizes of an array."""
    return " × ".join(map(str, sizes))


def step_text(sizes: tuple[int, ...]) -> str:
    """Write equal steps once: 2 for (2, 2)."""
    return str(sizes[0]) if len(set(sizes)) == 1 else by(sizes)


def text_if(condition: bool, text: str) -> str:
    """Return the text, or nothing."""
    return text if condition else ""
