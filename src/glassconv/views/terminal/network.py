"""A network in a terminal of 80 columns: its convolutions, what they see, memory, what fuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.network import (
    ConvolutionFacts,
    FusionFacts,
    NetworkExplanation,
    NetworkMemory,
)
from glassconv.views.network_words import (
    bytes_text,
    count,
    field_text,
    halo_text,
    percent,
    problem_text,
)
from glassconv.views.notation import duration, number_of, shape
from glassconv.views.terminal.layers import fitted, table_of
from glassconv.views.terminal.parts import pairs, section

BAR = 8  # characters of the largest share
BARS: Sequence[str] = ["", *"▏▎▍▌▋▊▉█"]
WIDEST_PROBLEM = 24  # characters, beside two names of algorithms
NAMES = 4  # that are listed where a reason is the same
PROBLEMS = "Problems are written without their bias, and without what is usual: s1 and p0."
CHOICES = (
    "The fastest that is predicted for this machine, and the next one. `glassconv explain PROBLEM` "
    "says why others cannot run."
)
FIELD = (
    "Field: the size of the window of the input that an output reads, padding included; all where "
    "it reads every position, as behind global pooling. Stride: from one output's window to the "
    "next one's. Offset: where the first one begins. Halo: what a tile needs before and after its "
    "own positions. Forward: bytes of the activations that are read and written; backward: of what "
    "is kept, and of both gradients."
)


def explained(facts: NetworkExplanation) -> RenderableType:
    """Return a network's summary and its sections."""
    outputs = ", ".join(map(shape, facts.output_shapes))
    summary = (
        f"{number_of(len(facts.convolutions), 'convolution')}, {count(facts.macs)} MACs; "
        f"{count(facts.parameters)} parameters; {bytes_text(facts.memory.peak_bytes)} of memory"
    )
    return Group(
        Text(facts.model, "bold"),
        Text(f"{shape(facts.input_shape)} → {outputs}"),
        Text(summary),
        "",
        *_sections(facts),
    )


def _sections(facts: NetworkExplanation) -> Iterator[RenderableType]:
    bodies = {
        "Convolutions": _convolutions(facts),
        "Algorithms": _algorithms(facts.convolutions),
        "Receptive fields and activations": _fields(facts.convolutions),
        "Memory": _memory(facts.memory),
        "Operations that convolutions can take over": _fusions(facts.fusions),
        "Counts": _counts(facts),
    }
    for place, (title, body) in enumerate(bodies.items(), start=1):
        yield from section(place, title, body)


def _convolutions(facts: NetworkExplanation) -> RenderableType:
    timed = any(each.seconds is not None for each in facts.convolutions)
    total = sum(each.seconds or 0.0 for each in facts.operations)
    largest = max((each.macs for each in facts.convolutions), default=0)
    headings = ("layer", "problem", "MACs", "%", *(("time", "%") if timed else ("",)))
    rows = []
    for each in facts.convolutions:
        row = [each.name, problem_text(each.shorthand), count(each.macs)]
        row.append(percent(each.macs, facts.macs))
        seconds = each.seconds or 0.0
        row += [duration(seconds), percent(seconds, total)] if timed else [_bar(each.macs, largest)]
        rows.append(row)
    table = table_of(*headings, left=("layer", "problem", ""))
    for row in fitted(rows, headings):
        table.add_row(*(Text(cell, "cyan" if set(cell) & {*BARS} else "") for cell in row))
    return Group(table, Text(PROBLEMS, "dim"), *_time_notes(facts, total))


def _time_notes(facts: NetworkExplanation, total: float) -> Iterator[Text]:
    if not total:
        return
    others: Counter[str] = Counter()
    convolutions = {each.name for each in facts.convolutions}
    for each in facts.operations:
        if each.name not in convolutions:
            others[each.function.removesuffix("_")] += round((each.seconds or 0.0) * 1e9)
    largest = ", ".join(
        f"{name} {percent(nanoseconds / 1e9, total)} %"
        for name, nanoseconds in others.most_common(NAMES)
    )
    yield Text(f"All operations take {duration(total)} with PyTorch; besides: {largest}.", "dim")


def _bar(value: int, largest: int) -> str:
    """Return a bar in eighths of a character, of which the smallest share has one."""
    eighths: int = max(1, round(8 * BAR * value / largest)) if largest else 0
    return BARS[8] * (eighths // 8) + BARS[eighths % 8]


def _algorithms(convolutions: Sequence[ConvolutionFacts]) -> RenderableType:
    """Return a row for each problem: what computes it and what would be next."""
    headings = ("problem", "algorithm", "time", "next", "time")
    choices = {problem_text(each.shorthand): each.choice for each in convolutions}
    is_narrow = max(map(len, choices), default=0) <= WIDEST_PROBLEM
    table = table_of(*headings, left=("problem", "algorithm", "next"), gap=1 + is_narrow)
    for problem, choice in choices.items():
        if choice is None:
            table.add_row(problem, "none: memory")
            continue
        following = choice.next_algorithm or ""
        later = choice.next_seconds
        table.add_row(
            problem,
            choice.algorithm,
            duration(choice.seconds),
            following,
            "" if later is None else duration(later),
        )
    return Group(table, Text(CHOICES, "dim"))


def _fields(convolutions: Sequence[ConvolutionFacts]) -> RenderableType:
    headings = ("layer", "field", "stride", "offset", "halo", "forward", "backward")
    rows = [
        [
            each.name,
            field_text(each.receptive_field, "size", "all"),
            field_text(each.receptive_field, "stride"),
            field_text(each.receptive_field, "offset"),
            halo_text(each.receptive_field),
            bytes_text(each.forward_bytes),
            bytes_text(each.backward_bytes),
        ]
        for each in convolutions
    ]
    table = table_of(*headings, left=("layer",))
    for row in fitted(rows, headings):
        table.add_row(*row)
    return Group(table, Text(FIELD, "dim"))


def _memory(memory: NetworkMemory) -> RenderableType:
    workspaces = f"workspaces of {number_of(memory.threads, 'thread')} included"
    return Group(
        pairs(
            ("parameters, buffers", bytes_text(memory.parameter_bytes)),
            ("input", bytes_text(memory.input_bytes)),
            (
                "activations",
                f"{bytes_text(memory.activation_bytes)} at once, at {memory.operation}",
            ),
            ("peak", bytes_text(memory.peak_bytes)),
        ),
        Text(f"Predicted for inference by PyTorch's operators, {workspaces}.", "dim"),
    )


def _fusions(fusions: Sequence[FusionFacts]) -> RenderableType:
    able = Counter(each.kind for each in fusions if each.into is not None)
    total = Counter(each.kind for each in fusions)
    verbs = {"normalisation": "fold into weights", "residual": "fuse", "activation": "fuse"}
    rows = [
        (f"{kind}s", f"{able[kind]:,} of {number:,} {verbs[kind]}")
        for kind, number in total.items()
    ]
    if not rows:
        return Text("no batch normalisation, residual or activation", "dim")
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in fusions:
        if each.into is None:
            reasons.setdefault((each.kind, each.reason), []).append(each.name)
    kept = [
        Text.assemble((f"{kind}: {reason}: ", "dim"), _listed(names))
        for (kind, reason), names in reasons.items()
    ]
    return Group(pairs(*rows), *kept)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


def _counts(facts: NetworkExplanation) -> RenderableType:
    agree = facts.macs == facts.counted_macs
    counted = "the same" if agree else f"{facts.counted_macs:,}, not the same"
    functions = Counter(each.function.removesuffix("_") for each in facts.operations)
    return Group(
        pairs(
            ("MACs of convolutions", f"{facts.macs:,}"),
            ("by torch.utils.flop_counter", counted),
            ("MACs of other operations", f"{facts.other_macs:,} by the same counter"),
            ("parameters", f"{facts.parameters:,}"),
            ("operations", ", ".join(f"{n} {name}" for name, n in functions.most_common())),
        ),
        *(Text(note) for note in facts.notes),
    )
