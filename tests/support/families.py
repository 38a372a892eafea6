"""Optimize a network of every architecture family of timm and torchvision that has a convolution.

    PYTHONPATH=tests python -m support.families RECORDS [SECONDS]
    PYTHONPATH=tests python -m support.families RECORDS --time [SECONDS]
    PYTHONPATH=tests python -m support.families RECORDS --page docs/networks-run.md

The first two add lines of JSON to a file until the seconds are over, and go on from there when
they are called again; the last one writes the page. `tests/networks/test_families.py` tries a
slice. The list is that of support/architectures.py.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from inspect import signature
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import torch
from torch import Tensor, nn

from glassconv.errors import ConvError
from glassconv.networks.load import load
from glassconv.networks.optimize import OptimizedNetwork, optimize
from glassconv.networks.plan.steps import KernelStep, PlanStep
from glassconv.networks.usual_input import usual_shape
from support import torchvision_schemas  # noqa: F401  before torchvision
from support.architectures import sources
from support.convolutions_in_plan import shares_of_bounds
from support.processor import describe

PAIRS = 3  # of calls, one of each network, of which the median ratio counts
HEADINGS = (
    "network", "input", "runs", "convolutions and linear layers", "other kernels", "by PyTorch",
    "share of bound", "error / PyTorch's", "time / PyTorch's",
)  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """A network, and how it runs when it is optimized."""

    source: str
    shape: tuple[int, ...] = ()
    error: float | None = None  # rms, over the rms of the outputs
    pytorch_error: float | None = None
    convolutions: int = 0  # and linear layers that kernels compute
    kernels: int = 0  # other steps
    pytorch: Mapping[str, int] | None = None  # functions that stay with PyTorch, and how many
    share: float | None = None  # the largest error of a convolution's, over its bound
    reason: str = ""  # why it runs as it was, or not at all
    ratio: float | None = None  # its time over that of PyTorch's

    @property
    def error_ratio(self) -> float | None:
        """Return its error over that of PyTorch's, None where one is not known or 0."""
        return self.error / self.pytorch_error if self.error and self.pytorch_error else None

    @property
    def how(self) -> str:
        """Return whether it runs whole, partly, as it was, or not in PyTorch either."""
        if self.reason:
            return "as it was" if self.shape else "not"
        return "partly" if self.pytorch else "whole"


def model_and_inputs(source: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return a network of the list, with random weights, and its usual input, twice if it asks."""
    model, given = load(source), sources()[source]
    shape = tuple(map(int, given.split("x"))) if given else usual_shape(model)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    parameters = signature(model.forward).parameters.values()
    needed = (each for each in parameters if each.default is each.empty)
    named = (each for each in needed if each.kind is each.POSITIONAL_OR_KEYWORD)
    return model, (x,) * max(1, sum(1 for _ in named))


def run(source: str, *, verified: bool = True) -> Ran:
    """Optimize a network and compare its outputs, and each convolution with its bound."""
    try:
        model, inputs = model_and_inputs(source)
        fast = optimize(model, inputs)
    except ConvError as error:
        return Ran(source, reason=str(error))
    found = Ran(
        source, tuple(inputs[0].shape), fast.measured.error, fast.measured.pytorch_error,
        reason="; ".join(fast.reasons),
    )  # fmt: skip
    if found.reason:
        return found
    if verified:
        shares = (share for _, share in shares_of_bounds(model, *inputs))
        found = replace(found, share=max(shares, default=None))
    return _with_steps(found, fast.plan(*inputs).steps)


def _with_steps(found: Ran, steps: Sequence[PlanStep]) -> Ran:
    compiled = [each for each in steps if isinstance(each, KernelStep)]
    convolutions = sum(each.problem is not None for each in compiled)
    others = Counter(
        getattr(each.call, "__name__", str(each.call)).partition(".")[0]
        for each in steps
        if not isinstance(each, KernelStep)
    )
    return replace(
        found, convolutions=convolutions, kernels=len(compiled) - convolutions, pytorch=dict(others)
    )


def timed(source: str) -> float:
    """Return the time of an optimized network over that of PyTorch, on one thread.

    They are called in turn, and the processor time of the thread counts, not what others take.
    """
    torch.set_num_threads(1)
    model, inputs = model_and_inputs(source)
    fast = OptimizedNetwork(model, "default")
    ratios = []
    with torch.inference_mode():
        for _ in range(1 + PAIRS):
            start = thread_time()
            model(*inputs)
            between = thread_time()
            fast(*inputs)
            ratios.append((thread_time() - between) / (between - start))
    return median(ratios[1:])


def page(ran: Sequence[Ran]) -> Iterator[str]:
    """Yield the lines of the page."""
    counts = Counter(each.how for each in ran)
    errors = {each.source: each.error_ratio for each in ran if each.error_ratio}
    ratios = {each.source: each.ratio for each in ran if each.ratio}
    shares = {each.source: each.share for each in ran if each.share is not None}
    within = sum(each <= 1 for each in shares.values())
    yield from (
        "# Networks run",
        "",
        "`glassconv.optimize` of the smallest network of every architecture family of timm and",
        "torchvision that has a convolution, with random weights and the network's usual input.",
        "`PYTHONPATH=tests python -m support.families RECORDS --page docs/networks-run.md` writes",
        "this page. On this one:",
        "",
        *(f"    {line}" for line in describe()),
        "",
        f"{len(ran)} of the {len(sources())} networks have been tried: {counts['whole']} run as",
        f"kernels alone, {counts['partly']} with operations of PyTorch's between them,",
        f"{counts['as it was']} as they were, and {counts['not']} cannot be called at all.",
        f"In {within} of {len(shares)} each convolution is within its bound on its own input; the",
        f"largest share of a bound is {max(shares.values(), default=0):.3f}.",
    )
    if errors:
        worst = max(errors, key=lambda each: errors[each])
        yield "The largest rms error over PyTorch's, both against float64, is"
        yield f"{errors[worst]:.2f}, in `{worst}`; it is left out where both are 0, as where the"
        yield "last layer's weights are, and where the network does not run in float64."
    if ratios:
        slowest = max(ratios, key=lambda each: ratios[each])
        yield "The largest time over PyTorch's, both on one thread, is"
        yield f"{ratios[slowest]:.2f}, in `{slowest}`."
    yield from (
        "",
        "What stays with PyTorch, in how many of the networks and how often in them:",
        "",
    )
    yield from _kept(ran)
    yield from ("", f"| {' | '.join(HEADINGS)} |", f"| {' | '.join(['---'] * len(HEADINGS))} |")
    for each in ran:
        yield f"| {' | '.join(_cells(each))} |"
    yield ""
    for each in ran:
        if each.reason:
            verb = "runs as it was" if each.shape else "does not run"
            yield f"- `{each.source}` {verb}: {each.reason.partition('. ')[0]}"


def _kept(ran: Sequence[Ran]) -> Iterator[str]:
    """Yield a table of the functions that stay with PyTorch, those of many networks first."""
    networks = Counter(name for each in ran for name in each.pytorch or {})
    calls: Counter[str] = Counter()
    for each in ran:
        calls.update(each.pytorch or {})
    yield from ("| function | networks | calls |", "| --- | --- | --- |")
    for name, count in networks.most_common():
        yield f"| {name} | {count} | {calls[name]} |"


def _cells(ran: Ran) -> list[str]:
    others = ", ".join(f"{count} {name}" for name, count in (ran.pytorch or {}).items())
    return [
        ran.source, " × ".join(map(str, ran.shape)), ran.how, str(ran.convolutions),
        str(ran.kernels), others, "" if ran.share is None else f"{ran.share:.3f}",
        f"{ran.error_ratio:.2f}" if ran.error_ratio else "",
        "" if ran.ratio is None else f"{ran.ratio:.2f}",
    ]  # fmt: skip


def records(file: Path) -> dict[str, Ran]:
    """Return what a file has of each network, the later lines over the earlier ones."""
    found: dict[str, Ran] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        entry: dict[str, Any] = json.loads(line)
        before = found.get(entry["source"], Ran(entry["source"]))
        shape = tuple(entry.get("shape", before.shape))
        found[before.source] = replace(before, **{**entry, "shape": shape})
    return {source: found[source] for source in sources() if source in found}


def main(arguments: Sequence[str]) -> None:
    """Add to the records, or write the page."""
    file, options = Path(arguments[0]), arguments[1:]
    done = records(file)
    if "--page" in options:
        text = "\n".join(page(list(done.values()))) + "\n"
        Path(options[-1]).write_text(text, encoding="utf-8")
        return
    is_timing = "--time" in options
    end = perf_counter() + float(options[-1] if options and options[-1].isdigit() else 1e9)
    for source in sources():
        if perf_counter() > end:
            return
        if is_timing and source in done and not done[source].reason and done[source].ratio is None:
            entry: dict[str, Any] = {"source": source, "ratio": timed(source)}
        elif not is_timing and source not in done:
            entry = asdict(run(source))
        else:
            continue
        with file.open("a") as lines:
            print(json.dumps(entry), file=lines)


if __name__ == "__main__":
    main(sys.argv[1:])
