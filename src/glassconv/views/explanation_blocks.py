"""The blocks of an explanation, and the texts that both kinds of convolution share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from glassconv.reports.explanation import Explanation
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class Pairs:
    """Rows of (label, text); an empty label continues the row before."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Note:
    """A note."""

    text: str


@dataclass(frozen=True)
class AlgorithmTable:
    """The table of algorithms: its headings, and the verdict and cells of each row."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Verdict, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Listing:
    """Python code with a title."""

    title: str
    code: str


Block = Pairs | Note | AlgorithmTable | Listing


@dataclass(frozen=True)
class Section:
    """A title and its content."""

    title: str
    blocks: tuple[Block, ...]


def bias_text(facts: Explanation) -> str:
    """Write how many additions the bias takes."""
    count = facts.arithmetic
    if not facts.subject.bias:
        return "none"
    total = count.flops + count.bias_additions
    return f"{count.bias_additions:,} additions, not included ({total:,} FLOPs with bias)"


def torch_count_text(facts: Explanation) -> str:
    """Write which of torch.utils.flop_counter's counts are the same, and which differ."""
    count = facts.arithmetic
    pairs = (
        ("forward", count.flops, count.torch.forward),
        ("the input gradient", count.input_gradient_flops, count.torch.input_gradient),
        ("the weight gradient", count.weight_gradient_flops, count.torch.weight_gradient),
    )
    agreed = [name for name, ours, theirs in pairs if ours == theirs]
    all_agree = len(agreed) == len(pairs)
    where = "forward and backward" if all_agree else f"for {' and '.join(agreed)}"
    parts = [f"reports the same {where}"] if agreed else []
    parts += [
        f"for {name} it reports {theirs:,}, {theirs / ours:.3g} × as many"
        + text_if(theirs == ours * facts.subject.groups, " because it ignores groups")
        for name, ours, theirs in pairs
        if ours != theirs
    ]
    parts += ["it does not count the bias"] if facts.subject.bias else []
    return f"torch.utils.flop_counter: {'; '.join(parts)}"


def equation(product: str, result: int) -> str:
    """Write a product and its result, or only the result if both are the same."""
    return f"{result:,}" if product == str(result) else f"{product} = {result:,}"


def times(sizes: Iterable[int]) -> str:
    """Write the factors of a product, as in 3 · 5 · 5."""
    return " · ".join(map(str, sizes))


def by(sizes: Iterable[int]) -> str:
    """Write sizes, as in 5 × 5."""
    return " × ".join(map(str, sizes))


def step_text(sizes: tuple[int, ...]) -> str:
    """Write equal sizes once: 2 for (2, 2)."""
    return str(sizes[0]) if len(set(sizes)) == 1 else by(sizes)


def text_if(condition: bool, text: str) -> str:
    """Return the text, or nothing."""
    return text if condition else ""
