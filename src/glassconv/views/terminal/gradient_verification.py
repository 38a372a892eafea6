"""Verified gradients as text: of one convolution by all that computes them, or of a network."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.gradient_verification import (
    GradientCheck,
    GradientVerification,
    NetworkGradientVerification,
)
from glassconv.reports.verification import Verification
from glassconv.views.notation import shape
from glassconv.views.terminal.layers import fitted, table_of
from glassconv.views.terminal.parts import mark, section
from glassconv.views.terminal.verification import error_rows

COMPILED = " jit"  # after the name of what ran as a kernel
LEGEND = (
    "Errors against the definition in float64, of a random gradient of the output. max: the "
    "largest; rms: the root mean square; ÷ bound: as a share of the error bound; ulps: the "
    "largest, in units in the last place. name*: a compiled kernel; name: the readable steps of an "
    "algorithm; pytorch: torch.ops.aten.convolution_backward. In the bounds, x and w are the "
    "operands of the convolution that equals the gradient; u is the unit roundoff."
)
OF_NETWORK = (
    "Each convolution gets the input that it gets in the network, and a random gradient of its "
    "output. In %: the part of its error bound that the largest error uses. *: by its kernel; "
    "pytorch: by PyTorch, where that is predicted to be faster."
)


def verified(report: GradientVerification) -> RenderableType:
    """Return a section for each gradient, with a row for everything that computes it."""
    return Group(*_lines(report))


def _lines(report: GradientVerification) -> Iterator[RenderableType]:
    yield Text(str(report.problem), "bold")
    yield Text(LEGEND, "dim")
    yield ""
    for place, (name, results) in enumerate(report.named.items(), start=1):
        equal = Text(f"as the convolution {results[0].problem}")
        body = Group(equal, error_rows(results, None))
        yield from section(place, f"The {name}'s gradient", body)
    yield Text.assemble(mark(report.verdict), " ", report.verdict.reason)


def network_verified(report: NetworkGradientVerification) -> RenderableType:
    """Return a row for each convolution: what computed its gradients, and how well."""
    headings = ("layer", "input's", "", "weight's", "", "bias's")
    rows = [_row(each) for each in report.checks]
    table = table_of("", *headings, left=("", "layer", "input's", "weight's"))
    for check, row in zip(report.checks, fitted(rows, headings), strict=True):
        wrong = [each.verdict for each in check.verifications if not each.verdict]
        table.add_row(mark((wrong or [check.of_weight.verdict])[0]), *row)
    return Group(
        Text(f"{report.model} on {shape(report.input_shape)}", "bold"),
        Text("The gradients of its convolutions, by what computes them in training."),
        table,
        Text(OF_NETWORK, "dim"),
        "",
        Text.assemble(mark(report.verdict), " ", report.verdict.reason),
    )


def _row(check: GradientCheck) -> list[str]:
    of_bias = "" if check.of_bias is None else _share(check.of_bias)
    of_input = ("none asked", "")
    if check.of_input is not None:
        of_input = _name(check.of_input), _share(check.of_input)
    return [check.name, *of_input, _name(check.of_weight), _share(check.of_weight), of_bias]


def _name(verification: Verification) -> str:
    return verification.candidate.replace(COMPILED, "*")


def _share(verification: Verification) -> str:
    return f"{100 * verification.share:.3g} %"
