"""Verifications as text: how wrong each algorithm is, on random numbers and on hard ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.problem import ConvProblem
from glassconv.reports.choice import Candidate
from glassconv.reports.verification import Difference, Sameness, Verification
from glassconv.views.notation import small
from glassconv.views.terminal.parts import mark, pairs, section, table

NAMES = "algorithm"  # the column of text
ROUNDS_TOO = "the definition is rounded as well here: what is equal to it need not be exact"


def verified(
    problem: ConvProblem,
    results: Mapping[str, Sequence[Verification]],
    pytorch: Verification,
    unable: Sequence[Candidate],
    sameness: Sameness | None,
) -> Iterator[RenderableType]:
    """Yield the sections of a verification.

    results: by kind of operands, the random ones first; pytorch: its own, on the random ones.
    """
    random, *hard = results
    yield Text(str(problem), "bold")
    yield from section(1, "How wrong, on random numbers", _errors(results[random], pytorch, unable))
    yield from section(2, "On hard numbers", _hard({kind: results[kind] for kind in hard}))
    if sameness is not None:
        yield from section(3, "Is Conv2d the same as unfold + matmul?", _sameness(sameness))
    failed = [(kind, each) for kind, found in results.items() for each in found if not each.verdict]
    for kind, each in failed:
        yield Text(f"✗ {each.candidate} ({kind}): {each.verdict.reason}", "bold red")
    if not failed:
        yield Text("Every element of every output is within its own bound.")


def _errors(
    results: Sequence[Verification], pytorch: Verification, unable: Sequence[Candidate]
) -> RenderableType:
    shown = table(NAMES, "worst", "÷ bound", "rms", "÷ bound", "÷ aten’s", "ulps", left=[NAMES])
    promises: dict[str, list[str]] = {}
    for result in results:
        bounded = isfinite(result.bound_factor)
        shown.add_row(
            Text.assemble(mark(result.verdict), " ", result.candidate),
            small(result.max_error),
            _percent(result.share) if bounded else "",
            small(result.rms_error),
            _percent(result.rms_share) if bounded else "",
            f"{result.rms_error / pytorch.rms_error:.2f}" if pytorch.rms_error else "",
            _count(result.ulps),
        )
        promise = f"|error| ≤ {small(result.bound_factor)} · ({result.bound_reference})"
        promises.setdefault(f"{promise}, {result.formula}", []).append(result.candidate)
    return Group(
        Text("errors against the definition in float64; ulps: of each output’s own size", "dim"),
        *(Text(ROUNDS_TOO, "dim") for each in results[:1] if _judged_by_its_like(each)),
        shown,
        *(Text(f"{', '.join(names)}: {promise}", "dim") for promise, names in promises.items()),
        *(Text(f"– {each.name}: {each.verdict.reason}", "dim") for each in unable),
    )


def _hard(results: Mapping[str, Sequence[Verification]]) -> RenderableType:
    shown = table(NAMES, *results, left=[NAMES])
    for row in zip(*results.values(), strict=True):
        cells = [_standing(each) for each in row]
        shown.add_row(row[0].candidate, *cells)
    return Group(
        Text("how much of its bound the worst output used; – where an overflow on the way", "dim"),
        Text("is possible; NaN, ∞: how many times the outputs that they reach by right", "dim"),
        shown,
    )


def _standing(result: Verification) -> Text:
    """Return a cell: failed, whom NaN and infinity reached, exact, or the share of the bound."""
    if not result.verdict:
        return Text("✗", "bold red")
    if result.not_finite_by_definition:
        return Text(f"{result.not_finite / result.not_finite_by_definition:.3g} ×")
    if not result.elements:
        return Text("empty", "dim")
    if result.unbounded == result.elements:
        return Text("–", "dim")
    if result.max_error == 0:
        return Text("equal" if _judged_by_its_like(result) else "exact")
    return Text(_percent(result.share))


def _judged_by_its_like(result: Verification) -> bool:
    """Return whether the definition is of the same element type and rounds as much."""
    return result.problem.dtype == "float64"


def _sameness(same: Sameness) -> RenderableType:
    outputs = same.outputs.array.size
    rows = [
        ("to the last bit", f"{same.equal:,} of {outputs:,} outputs are equal"),
        (
            "torch.allclose",
            f"False: {same.not_close:,} differ by more than 1e-08 + 1e-05·|y|"
            if same.not_close
            else "True",
        ),
    ]
    doubt = same.least_close
    if doubt is not None:
        place = ", ".join(map(str, doubt.index))
        rows += [
            ("least close", f"y[{place}] = {small(doubt.first)} and {small(doubt.second)}"),
            ("in float64", f"{small(doubt.reference)}, the sum of terms of {doubt.magnitude:.3g}"),
            ("", _why_not_close(same.problem)),
            ("rounding", f"may part the two by {small(doubt.bound)} there"),
        ]
    rows += [
        ("outputs", _differ(same.outputs)),
        *((f"{each.candidate}", f"off by {small(each.max_error)}, {_percent(each.share)} of its "
           "bound at the worst") for each in same.checks),
        ("input gradients", _differ(same.grad_inputs)),
        ("weight gradients", _differ(same.grad_weights)),
    ]  # fmt: skip
    agree = [same.outputs, same.grad_inputs, same.grad_weights]
    yes = all(each.verdict for each in agree)
    answer = "Yes, up to rounding." if yes else "No: they differ by more than rounding explains."
    return Group(Text(answer, "bold"), pairs(*rows))


def _why_not_close(problem: ConvProblem) -> str:
    """Say what parts two numbers further than allclose allows."""
    u = problem.format.unit_roundoff
    if u < 1e-5:
        return "in size: they cancel, and the tolerance is a share of what is left"
    return f"in size; one rounding alone may be {u:.2g} of it, more than the tolerance"


def _differ(difference: Difference) -> str:
    if not difference.maximum:
        return "are the same to the last bit"
    sign = "" if difference.verdict else ": more than rounding explains"
    return (
        f"differ by {small(difference.maximum)} at most, where rounding may do "
        f"{small(difference.bound)}{sign}"
    )


def _percent(share: float) -> str:
    """Write a share of a bound."""
    if share >= 10:
        return f"{share:.2g} ×"
    return f"{100 * share:.2g}%" if share >= 1e-4 or share == 0 else "<0.01%"


def _count(ulps: float) -> str:
    """Write a count that may be large."""
    return f"{ulps:,.1f}" if ulps < 1000 else f"{ulps:.1e}".replace("e+0", "e")
