"""Networks as one plan: what passes and the plan make of one, and its answer for an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from glassconv.benchmarks.bench import using_threads
from glassconv.benchmarks.networks import benchmark
from glassconv.benchmarks.peers import ENGINES
from glassconv.benchmarks.peers.case import prepare
from glassconv.benchmarks.tune import problems_of, tune_plan
from glassconv.cli.words import SeedOption, show, stderr
from glassconv.dispatch import tuning_store
from glassconv.dispatch.select import ACCURACY
from glassconv.examples.network_input import normalised_image, numbers, shape_or_image_of
from glassconv.networks.answer import answer, read_labels
from glassconv.networks.load import FORMS, load
from glassconv.networks.optimize import optimize as optimized
from glassconv.networks.report.passes import report_pass
from glassconv.reports.answer import Answer
from glassconv.reports.network_benchmark import NetworkBenchmarks
from glassconv.reports.tuning import NetworkTuning
from glassconv.views import files
from glassconv.views.json.plan import plan_to_json
from glassconv.views.terminal.network_benchmark import benchmarks_to_json
from glassconv.views.terminal.parts import written as written_files

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
    memory: Annotated[
        str | None,
        typer.Option(help="Limit of the plan's memory, such as '500 MB'.", metavar="SIZE"),
    ] = None,
    threads: ThreadsOption = None,
    show_pass: Annotated[
        str | None,
        typer.Option("--show", help="Print the network before and after a pass.", metavar="PASS"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(help="Save the network after its passes, .safetensors.", metavar="FILE"),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Make one plan of a network, and report its passes, steps, times, memory and errors."""
    with stderr().status(f"loading {network}"):
        model = load(network)
        given = numbers(model, shape_or_image_of(model, input), seed)
    with using_threads(threads), stderr().status(f"optimizing {network}"):
        fast = optimized(model, given, accuracy, memory=memory)
        report = (
            replace(fast.report(given), model=network)
            if show_pass is None
            else report_pass(network, fast.passes(given), show_pass)
        )
        if save is not None:
            fast.save(save, given)
    if json:
        typer.echo(plan_to_json(report))
    else:
        show(report)


def answer_image(network: str, image: Path, labels: Path | None, accuracy: str) -> Answer:
    """Return what a network says of an image, in the preprocessing that is usual for it."""
    names = [] if labels is None else read_labels(labels)
    model = load(network)
    given, how = normalised_image(model, image)
    return replace(answer(optimized(model, given, accuracy), given, names, network), image=how)


def tune_network(network: str, input: str | None, threads: int | None) -> None:
    """Time the kernels of each problem of a network's plan, in a table that grows."""
    with stderr().status(f"loading {network}"):
        model = load(network)
        given = numbers(model, shape_or_image_of(model, input), seed=0)
    with using_threads(threads) as used:
        with stderr().status(f"optimizing {network}"):
            plan = optimized(model, given).plan(given)
        how = f"{', '.join(map(str, given.shape))}; {used} threads"
        report = NetworkTuning(network, how, len(problems_of(plan)), ())
        with Live(report, console=Console(), auto_refresh=False, transient=True) as live:
            for each in tune_plan(plan):
                report = replace(report, tuned=(*report.tuned, each))
                live.update(report, refresh=True)
    show(report, written_files("Records", [tuning_store.file()]))


def bench_network(network: str, threads: int | None, json: Path | None) -> None:
    """Time a network by every engine, each in a process of its own."""
    with using_threads(threads) as used, TemporaryDirectory(prefix="glassconv-") as folder:
        with stderr().status(f"loading {network}"):
            case = replace(prepare(network, Path(folder)), threads=used)
        with stderr().status(f"timing {network} by {len(ENGINES)} engines in turn"):
            results = benchmark(case, ENGINES)
    show(results)
    if json is not None:
        contents = {json.name: benchmarks_to_json(NetworkBenchmarks((results,))).encode()}
        show(written_files("Results", files.write_all(json.parent, contents)))
