"""A network's verification in the terminal: what error each convolution makes, and the whole's."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.network_verification import ConvolutionCheck, NetworkVerification
from glassconv.views.notation import shape, small
from glassconv.views.terminal.layers import fitted, table_of
from glassconv.views.terminal.parts import mark, pairs

COLUMNS = (
    "Made: the largest error that the convolution makes on its own input, over the largest value "
    "of its output; bound: the part of the algorithm's bound that it uses; so far: how far its "
    "output is from that of the network in float64, errors before it included. *: by its kernel."
)
LARGEST = 3  # convolutions that are named as those that make the most error


def verified(report: NetworkVerification) -> RenderableType:
    """Return a row for each convolution, where the error is made, and the error of the outputs."""
    headings = ("layer", "algorithm", "made", "bound", "so far")
    rows = [_row(each) for each in report.checks]
    table = table_of("", *headings, left=("", "layer", "algorithm"))
    for each, row in zip(report.checks, fitted(rows, headings), strict=True):
        table.add_row(mark(each.verification.verdict), *row)
    most = sorted(report.checks, key=lambda each: -each.made)[:LARGEST]
    return Group(
        Text(f"{report.model} on {shape(report.input_shape)}", "bold"),
        table,
        Text(COLUMNS, "dim"),
        "",
        pairs(
            ("most error made", ", ".join(f"{each.name} {small(each.made)}" for each in most)),
            ("network's error", small(report.error)),
            ("with PyTorch", small(report.pytorch_error)),
        ),
        Text.assemble(mark(report.verdict), " ", report.verdict.reason),
    )


def _row(check: ConvolutionCheck) -> list[str]:
    verification = check.verification
    return [
        check.name,
        verification.candidate.replace(" jit", "*"),
        small(check.made),
        f"{100 * verification.share:.3g} %",
        small(check.so_far),
    ]
