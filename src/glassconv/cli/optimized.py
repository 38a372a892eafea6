"""Networks as one plan: what passes and the plan make of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from glassconv.benchmarks.bench import using_threads
from glassconv.cli.words import SeedOption, show, stderr
from glassconv.dispatch.select import ACCURACY
from glassconv.examples.network_input import numbers, shape_or_image_of
from glassconv.networks.load import FORMS, load
from glassconv.networks.optimize import optimize as optimized
from glassconv.networks.report.passes import report_pass
from glassconv.views.json.plan import plan_to_json

Network = Annotated[
    str, typer.Argument(metavar="NETWORK", help=f"{', '.join(FORMS)}.", show_default=False)
]
Given = Annotated[
    str | None,
    typer.Argument(
        metavar="[INPUT]",
        help="Image file, or shape such as 1x3x224x224 (default: the network's usual shape).",
        show_default=False,
    ),
]
AccuracyOption = Annotated[
    str,
    typer.Option(help=f"Accuracy of the outputs: {', '.join(ACCURACY)}.", metavar="NAME"),
]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Number of threads.")]


def optimize(
    network: Network,
    input: Given = None,
    accuracy: AccuracyOption = "default",
    threads: ThreadsOption = None,
    show_pass: Annotated[
        str | None,
        typer.Option("--show", help="Print the network before and after a pass.", metavar="PASS"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    seed: SeedOption = 0,
) -> None:
    """Make one plan of a network, and report its passes, steps, times, memory and errors."""
    with stderr().status(f"loading {network}"):
        model = load(network)
        given = numbers(model, shape_or_image_of(model, input), seed)
    with using_threads(threads), stderr().status(f"optimizing {network}"):
        fast = optimized(model, given, accuracy)
        report = (
            replace(fast.report(given), model=network)
            if show_pass is None
            else report_pass(network, fast.passes(given), show_pass)
        )
    if json:
        typer.echo(plan_to_json(report))
    else:
        show(report)
