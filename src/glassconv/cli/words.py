"""What commands share: their arguments' types, how a problem is read, how reports are printed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from glassconv.networks.load import FORMS
from glassconv.problem.problem import Problem, parse_problem
from glassconv.problem.shorthand import EXAMPLE
from glassconv.reports.verdict import Verdict
from glassconv.views.figures.theme import DARK, LIGHT

LARGEST_SEED = 2**63 - 2  # what PyTorch takes, less the one that a gradient is drawn by


class Style(StrEnum):
    """The names of the themes."""

    dark = DARK.name
    light = LIGHT.name


class Layout(StrEnum):
    """The names of the layouts."""

    nchw = "nchw"
    nhwc = "nhwc"


class ElementType(StrEnum):
    """The names of the element types."""

    float32 = "float32"
    float64 = "float64"
    bfloat16 = "bfloat16"
    float16 = "float16"


StyleOption = Annotated[Style, typer.Option(help="Colour theme of the figures.")]
SeedOption = Annotated[
    int, typer.Option(help="Seed of the random inputs and weights.", min=0, max=LARGEST_SEED)
]
PROBLEM_HELP = (
    "CxHxW OUT@KxK, or NxCxHxW with a batch, then options: sSTRIDE pPADDING dDILATION "
    f"gGROUPS nobias float64 transposed oPADDING. Such as '{EXAMPLE}'."
)
ProblemWords = typer.Argument(metavar="PROBLEM", help=PROBLEM_HELP, show_default=False)
ProblemOrNetwork = typer.Argument(
    metavar="PROBLEM|NETWORK",
    help=f"{PROBLEM_HELP} Or a network: {', '.join(FORMS)}.",
    show_default=False,
)


def parse_words(words: list[str]) -> Problem:
    """Read a problem that may be transposed."""
    return parse_problem(" ".join(words))


def stderr() -> Console:
    """Return where progress is shown."""
    return Console(stderr=True)


def show(*parts: object) -> None:
    """Print reports."""
    console = Console(highlight=False)
    for part in parts:
        console.print(part)


def show_verdict(report: object, verdict: Verdict) -> None:
    """Print a report; exit with 1 where its verdict is that something is not right."""
    show(report)
    if not verdict:
        raise typer.Exit(1)
