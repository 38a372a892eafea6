"""Explain a network of every architecture family of timm and torchvision that has a convolution.

    PYTHONPATH=tests python -m support.architectures docs/networks-seen.md

writes the page of the results, in about five minutes; `tests/networks/test_architectures.py` tries
a slice. `architectures.csv` lists the smallest member of each family, by parameters; timm's
families are its modules.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from glassconv.errors import ConvError
from glassconv.explanation.network import explain_network
from glassconv.networks.load import load
from glassconv.networks.usual_input import usual_shape
from glassconv.reports.network import NetworkExplanation
from glassconv.views.network_words import count, field_text
from support import torchvision_schemas  # noqa: F401  before torchvision
from support.processor import describe

LIST = Path(__file__).with_suffix(".csv")
HEADINGS = (
    "network", "input", "convolutions", "MACs", "flop_counter", "field of the last", "activations",
    "predicted / measured",
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A network, and its explanation or the reason why there is none."""

    source: str
    facts: NetworkExplanation | None
    measured_bytes: int  # of activations at once, by PyTorch's profiler
    reason: str = ""


def sources() -> dict[str, str]:
    """Return the networks of the list, such as "timm:convnext_atto", and an input or nothing."""
    with LIST.open(newline="") as lines:
        return {f"{row['library']}:{row['name']}": row["input"] for row in csv.DictReader(lines)}


def see(source: str) -> Seen:
    """Explain a network on its usual input, and measure the memory of its activations."""
    try:
        model = load(source)
        given = sources()[source]
        shape = tuple(map(int, given.split("x"))) if given else usual_shape(model)
        facts = explain_network(model, shape, source).facts
        return Seen(source, facts, measured(model, torch.rand(shape)))
    except ConvError as error:
        return Seen(source, None, 0, str(error))


def measured(model: nn.Module, x: Tensor) -> int:
    """Return the most bytes that were allocated at once in a first call, by profiler's events."""
    model = model.eval()
    activities = [ProfilerActivity.CPU]
    with torch.inference_mode(), profile(activities=activities, profile_memory=True) as seen:
        model(x)
    events = [each for each in seen.profiler.kineto_results.events() if each.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda each: each.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def page(seen: Sequence[Seen]) -> Iterator[str]:
    """Yield the lines of the page."""
    explained = [each.facts for each in seen if each.facts is not None]
    ratios = [_ratio(each) for each in seen if each.facts is not None]
    close = sum(abs(ratio - 1) <= 0.05 for ratio in ratios)
    agree = sum(facts.macs == facts.counted_macs for facts in explained)
    number = len(explained)
    yield from (
        "# Networks seen",
        "",
        "`glassconv explain` of the smallest network of every architecture family of timm and",
        "torchvision that has a convolution, with random weights and the network's usual input.",
        "`PYTHONPATH=tests python -m support.architectures docs/networks-seen.md` writes this",
        "page. On this one:",
        "",
        *(f"    {line}" for line in describe()),
        "",
        f"{number} of {len(seen)} are explained. The MACs of the convolutions are those of",
        f"`torch.utils.flop_counter` in {agree} of {number}. The predicted peak of activations'",
        f"memory is within 5 % of what PyTorch's profiler measures in {close} of {number}.",
        "Elsewhere PyTorch makes copies that no shape shows: of attention's operands in more than",
        "four dimensions, of arrays that softmax and linear layers read with gaps, of views of",
        "tokens.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"| {' | '.join(['---'] * len(HEADINGS))} |",
    )
    for each in seen:
        if each.facts is not None:
            yield f"| {' | '.join(_cells(each, each.facts))} |"
    yield ""
    for each in seen:
        if each.facts is None:
            yield f"- `{each.source}` is not explained: {each.reason.partition('. ')[0]}"
        elif each.facts.notes:
            yield f"- `{each.source}`: {'; '.join(each.facts.notes[:2])}"


def _ratio(seen: Seen) -> float:
    assert seen.facts is not None
    return seen.facts.memory.activation_bytes / seen.measured_bytes


def _cells(seen: Seen, facts: NetworkExplanation) -> list[str]:
    agrees = facts.macs == facts.counted_macs
    last = facts.convolutions[-1].receptive_field if facts.convolutions else ()
    return [
        seen.source,
        " × ".join(map(str, facts.input_shape)),
        str(len(facts.convolutions)),
        count(facts.macs),
        "the same" if agrees else count(facts.counted_macs),
        field_text(last, "size", "all"),
        f"{count(facts.memory.activation_bytes)}B",
        f"{_ratio(seen):.3f}",
    ]


if __name__ == "__main__":
    lines = page([see(source) for source in sources()])
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")
