"""Verifications as text: the errors of each algorithm on random inputs and on stress inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, prod

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.choice import Candidate
from glassconv.reports.running_bounds import RunningBounds
from glassconv.reports.verification import Difference, Sameness, Verification
from glassconv.views.notation import small
from glassconv.views.terminal.parts import mark, pairs, section, table

NAMES = "algorithm"  # the column of text
COMPILED = " jit"  # after the name of an algorithm that ran as its kernel
ALSO_ROUNDED = 'The definition itself is rounded in float64: "equal" does not imply exact.'
COLUMNS = (
    "Errors against the definition in float64. max: the largest; rms: the root mean",
    "square; ÷ bound: as a share of the error bound; ÷ aten’s: rms over PyTorch’s;",
    "ulps: the largest, in units in the last place of the output it belongs to.",
    "name*: the compiled kernel of an algorithm; name: its readable steps.",
)
CELLS = (
    "Each cell is the largest error, in % of its bound; exact: no error; –: a sum",
    "may overflow before it is complete, so that the output is not judged.",
    "NaN, ∞: outputs that are not finite ÷ those of the definition; 1× is right.",
)
NO_COMPARISON = "Not compared with unfold + matmul: unfold has no windows of a transposed problem."


def render_verification(
    problem: Problem,
    results: Mapping[str, Sequence[Verification]],
    pytorch: Verification,
    unsupported: Sequence[Candidate],
    sameness: Sameness | None,
    bounds: RunningBounds | None,
    inputs: Mapping[str, str],
) -> Iterator[RenderableType]:
    """Yield the sections of a verification.

    results: by kind of operands, the random ones first; pytorch: its own, on the random ones.
    inputs: what the operands of each kind are.
    """
    random, *stress = results
    yield Text(str(problem), "bold")
    yield from section(1, "Errors on random inputs", _errors(results[random], pytorch, unsupported))
    yield from section(
        2, "Errors on stress inputs", _stress({kind: results[kind] for kind in stress}, inputs)
    )
    if sameness is not None:
        title = f"Is Conv{problem.ndim}d the same as unfold + matmul?"
        yield from section(3, title, _sameness(sameness))
    if bounds is not None:
        title = "Bounds of the published order"
        yield from section(3 if sameness is None else 4, title, _bounds(bounds))
    if isinstance(problem, TransposedProblem):
        yield Text(NO_COMPARISON, "dim")
    failed = [(kind, each) for kind, found in results.items() for each in found if not each.verdict]
    for kind, each in failed:
        yield Text(f"✗ {_name(each)} ({kind}): {each.verdict.reason}", "bold red")
    if bounds is not None and not bounds.verdict:
        yield Text(f"✗ published order: {bounds.verdict.reason}", "bold red")
    elif not failed:
        yield Text("All outputs that have an error bound are within it.")


def verified(report: Verification | Sameness | Difference) -> RenderableType:
    """Return one verification, or one comparison of two outputs."""
    if isinstance(report, Verification):
        verdict = Text.assemble(mark(report.verdict), " ", report.verdict.reason)
        return Group(Text(str(report.problem), "bold"), _errors([report], None, []), verdict)
    if isinstance(report, Sameness):
        return Group(Text(str(report.problem), "bold"), _sameness(report))
    title = Text(f"{report.first} compared with {report.second}", "bold")
    place = ", ".join(map(str, report.index))
    return Group(title, Text(_differ(report)), Text(f"largest at y[{place}]", "dim"))


def _errors(
    results: Sequence[Verification],
    pytorch: Verification | None,
    unsupported: Sequence[Candidate],
) -> RenderableType:
    return Group(
        *(Text(line, "dim") for line in COLUMNS),
        *(Text(ALSO_ROUNDED, "dim") for each in results[:1] if _reference_has_same_dtype(each)),
        error_rows(results, pytorch),
        *(
            Text(f"not supported: {each.name}: {each.verdict.reason}", "dim")
            for each in unsupported
        ),
    )


def error_rows(results: Sequence[Verification], pytorch: Verification | None) -> RenderableType:
    """Return a row for each verification, and below them the bounds.

    pytorch: a column says how large each error is beside this one; None for no such column.
    """
    to_pytorch = () if pytorch is None else ("÷ aten’s",)
    columns = ("max", "÷ bound", "rms", "÷ bound", *to_pytorch, "ulps")
    shown = table(NAMES, *columns, left=[NAMES])
    bounds: dict[str, list[str]] = {}
    for result in results:
        bounded = isfinite(result.bound_factor)
        shown.add_row(
            Text.assemble(mark(result.verdict), " ", _name(result)),
            small(result.max_error),
            _percent(result.share) if bounded else "",
            small(result.rms_error),
            _percent(result.rms_share) if bounded else "",
            *([] if pytorch is None else [_ratio(result, pytorch)]),
            _count(result.ulps),
        )
        bound = f"|error| ≤ {small(result.bound_factor)} · ({result.bound_reference}) + underflow"
        bound += f", {small(result.bound_factor)} = {result.formula}"
        bounds.setdefault(bound, []).append(_name(result))
    return Group(
        shown,
        *(Text(f"{', '.join(names)}: {bound}", "dim") for bound, names in bounds.items()),
        *(
            Text(f"{', '.join(names)}: {reason}", "dim")
            for reason, names in _stray_reasons(results).items()
        ),
    )


def _ratio(result: Verification, pytorch: Verification) -> str:
    return f"{result.rms_error / pytorch.rms_error:.2f}" if pytorch.rms_error else ""


def _stray_reasons(results: Sequence[Verification]) -> dict[str, list[str]]:
    """Return why NaN may appear beyond its windows, with the algorithms in which it may."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.stray_non_finite:
            reasons.setdefault(
                f"{result.stray_non_finite}; outputs that become NaN so are not judged", []
            ).append(_name(result))
    return reasons


def _name(result: Verification) -> str:
    """Return an algorithm's name, with an asterisk where it ran as its compiled kernel."""
    if result.candidate.endswith(COMPILED):
        return result.candidate.removesuffix(COMPILED) + "*"
    return result.candidate


def _stress(
    results: Mapping[str, Sequence[Verification]], inputs: Mapping[str, str]
) -> RenderableType:
    shown = table(NAMES, *results, left=[NAMES])
    for row in zip(*results.values(), strict=True):
        cells = [_format_result(each) for each in row]
        shown.add_row(_name(row[0]), *cells)
    return Group(
        Text("The columns, by what goes in:", "dim"),
        pairs(*((kind, inputs[kind]) for kind in results)),
        *(Text(line, "dim") for line in CELLS),
        shown,
    )


def _format_result(result: Verification) -> Text:
    """Return a cell: failed, the spread of NaN and infinity, exact, or the share of the bound."""
    if not result.verdict:
        return Text("✗", "bold red")
    if result.not_finite_by_definition:
        return Text(f"{result.not_finite / result.not_finite_by_definition:.3g}×")
    if not result.elements:
        return Text("empty", "dim")
    if result.unbounded == result.elements:
        return Text("–", "dim")
    if result.max_error == 0:
        return Text("equal" if _reference_has_same_dtype(result) else "exact")
    return Text(_percent(result.share))


def _reference_has_same_dtype(result: Verification) -> bool:
    """Return whether the definition is computed in the same element type and rounds as much."""
    return result.problem.dtype == "float64"


def _sameness(same: Sameness) -> RenderableType:
    outputs = same.outputs.array.size
    rows = [
        ("bitwise equal", f"{same.equal:,} of {outputs:,} outputs"),
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
            ("least close", f"y[{place}]: they differ by {small(abs(doubt.first - doubt.second))}"),
            ("float64 result", f"{small(doubt.reference)}; Σ|x||w| = {doubt.magnitude:.3g}"),
            ("", _why_not_close(same.problem)),
            ("bound", f"{small(doubt.bound)} on the difference there"),
        ]
    rows += [
        ("outputs", _differ(same.outputs)),
        *((f"{each.candidate}", f"max error {small(each.max_error)} ({_percent(each.share)} of "
           "bound)") for each in same.checks),
        ("input gradients", _differ(same.grad_inputs)),
        ("weight gradients", _differ(same.grad_weights)),
    ]  # fmt: skip
    agree = [same.outputs, same.grad_inputs, same.grad_weights]
    yes = all(each.verdict for each in agree)
    answer = "Equal up to rounding." if yes else "Not equal: the difference exceeds the bound."
    return Group(Text(answer, "bold"), pairs(*rows))


def running_bounds(report: RunningBounds) -> RenderableType:
    """Return a problem with the bounds of its outputs in the published order."""
    verdict = Text.assemble(mark(report.verdict), " ", report.verdict.reason)
    return Group(Text(str(report.problem), "bold"), _bounds(report), verdict)


def _bounds(report: RunningBounds) -> RenderableType:
    """Return the largest error in the published order, and the largest of each bound on it."""
    outputs = prod(report.problem.output_shape)
    judged = f"{report.outputs:,} of {outputs:,} outputs"
    bounds = [
        ("n·u·(Σ|x||w| + |b|)", report.plain),
        ("guaranteed", report.guaranteed),
        (f"with probability 1 − {report.probability:.0e}", report.probable),
    ]
    rows = [(name, f"{small(bound)}{_times(bound, report.error)}") for name, bound in bounds]
    return Group(
        Text(f"{judged}, summed as accuracy='strict' does. The largest of each:", "dim"),
        pairs(("error", small(report.error)), *rows),
        Text(
            f"The last bound assumes random roundings; {report.improbable} outputs exceed it.",
            "dim",
        ),
    )


def _times(bound: float, error: float) -> str:
    return f", {bound / error:,.3g} × the error" if error else ""


def _why_not_close(problem: Problem) -> str:
    """Explain why allclose returns False."""
    u = problem.format.unit_roundoff
    if u < 1e-5:
        return "Strong cancellation: the result is small, and so is its relative tolerance."
    return f"A single rounding, {u:.2g} of the result, can exceed the tolerance."


def _differ(difference: Difference) -> str:
    if not difference.maximum:
        return "bitwise equal"
    sign = "" if difference.verdict else ": exceeds the bound"
    return f"max difference {small(difference.maximum)} (bound {small(difference.bound)}){sign}"


def _percent(share: float) -> str:
    """Write a share of a bound."""
    if share >= 10:
        return f"{share:.2g} ×"
    return f"{100 * share:.2g}%" if share >= 1e-4 or share == 0 else "<0.01%"


def _count(ulps: float) -> str:
    """Write a count that may be large."""
    return f"{ulps:,.1f}" if ulps < 1000 else f"{ulps:.1e}".replace("e+0", "e")
