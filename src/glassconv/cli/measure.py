"""Commands that time: layers, kernels, this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glassconv.benchmarks import inspect_kernel as looking
from glassconv.benchmarks.bench import bench as bench_layers
from glassconv.benchmarks.bench import using_threads
from glassconv.benchmarks.inspect_gradients import inspect_gradients
from glassconv.benchmarks.random_layers import NUMBER, random_layers
from glassconv.benchmarks.suites import read_suite, suite_names
from glassconv.benchmarks.tune import tune as tune_problems
from glassconv.cli.networks import InputOption, source_of
from glassconv.cli.optimized import bench_network, tune_network
from glassconv.cli.words import (
    ElementType,
    Layout,
    ProblemOrNetwork,
    ProblemWords,
    parse_words,
    show,
    show_verdict,
    stderr,
)
from glassconv.codegen.analysis.roofline import measure as measure_roofline
from glassconv.dispatch import machine_store, tuning_store
from glassconv.dispatch.select import AUTO
from glassconv.errors import ArgumentError
from glassconv.networks.load import FORMS
from glassconv.problem.dtypes import arithmetic
from glassconv.problem.problem import Problem
from glassconv.reports.benchmark import Benchmark
from glassconv.views import files
from glassconv.views.terminal.benchmark import bench_to_json
from glassconv.views.terminal.parts import written as written_files
from glassconv.views.terminal.progress import counted


def bench(
    network: Annotated[
        str | None,
        typer.Argument(
            metavar="NETWORK",
            help=f"Time a whole network by every installed engine: {', '.join(FORMS)}.",
            show_default=False,
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help=f"One of {', '.join(suite_names())}; random, for {NUMBER:,} random layers; or a "
            ".csv file.",
            metavar="NAME",
        ),
    ] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            help="Algorithm to time; may be given several times (default: auto, which chooses).",
            metavar="NAME",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
    layout: Annotated[Layout, typer.Option(help="Memory layout.")] = Layout.nchw,
    dtype: Annotated[
        ElementType, typer.Option(help="Element type of a network's layers.")
    ] = ElementType.float32,
    json: Annotated[
        Path | None, typer.Option(help="Save the results as JSON.", metavar="FILE")
    ] = None,
) -> None:
    """Time a network's layers, alternating with PyTorch; the output of each is verified first.

    A whole network is timed by PyTorch, glassconv and whichever engines are installed.
    """
    if (network is None) is (suite is None):
        raise ArgumentError("bench needs a network, such as torchvision:resnet18, or --suite NAME")
    if network is not None:
        if algorithm or batch != 1 or layout != Layout.nchw or dtype != ElementType.float32:
            cause = "--algorithm, --batch, --layout and --dtype can only be used with --suite"
            raise ArgumentError(cause)
        bench_network(network, threads, json)
        return
    assert suite is not None, "one of both"
    layers = random_layers() if suite == "random" else read_suite(suite, batch, dtype.name)
    names = algorithm or [AUTO]
    with using_threads(threads) as used:
        roofline = measure_roofline(arithmetic(layers[0].problem.dtype)) if layers else None
        timings = (
            row
            for name in names
            for row in bench_layers(layers, name, layout=layout.name, roofline=roofline)
        )
        rows = list(counted(timings, len(names) * len(layers), "timing", stderr()))
    how = f"batch {batch}, {used} threads, {layout.name}, {dtype.name}"
    if suite == "random":
        how = f"{used} threads, {layout.name}"
    results = Benchmark(suite, how, tuple(rows), roofline)
    show(results)
    if json is not None:
        contents = {json.name: bench_to_json(results).encode()}
        show(written_files("Results", files.write_all(json.parent, contents)))
    if any(row.ratio is None for row in rows):
        raise typer.Exit(1)


def kernel(
    problem: Annotated[list[str], ProblemWords],
    algorithm: Annotated[
        str, typer.Option(help="Algorithm whose kernel to inspect.", metavar="NAME")
    ] = AUTO,
    layout: Annotated[Layout, typer.Option(help="Memory layout.")] = Layout.nchw,
    ir: Annotated[bool, typer.Option("--ir", help="Print the LLVM IR only.")] = False,
    asm: Annotated[bool, typer.Option("--asm", help="Print the assembly only.")] = False,
    backward: Annotated[
        bool,
        typer.Option("--backward", help="Show what computes the gradients in training instead."),
    ] = False,
) -> None:
    """Inspect a kernel: its loops, registers and bytes, and its speed against the roofline."""
    parsed = parse_words(problem)
    if ir + asm + backward > 1:
        raise ArgumentError("give one of --ir, --asm and --backward")
    if backward and algorithm != AUTO:
        raise ArgumentError("--backward shows what auto takes, so it takes no --algorithm")
    if backward:
        show(inspect_gradients(parsed, layout.name))
        return
    if ir or asm:
        written = looking.llvm if ir else looking.machine_code
        typer.echo(written(parsed, algorithm, layout.name))
        return
    with stderr().status("verifying and timing"):
        report = looking.inspect(parsed, algorithm, layout.name)
    show_verdict(report, report.benchmark.verdict)


def machine(
    json: Annotated[bool, typer.Option("--json", help="Print the rates as JSON.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Measure again, and keep that instead.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
) -> None:
    """Show the rates of this machine, by which "auto" predicts what a kernel takes."""
    with using_threads(threads):
        report = machine_store.measure_again() if again else machine_store.machine()
    if json:
        typer.echo(report.to_json())
    elif report.is_busy:
        show(report)
    else:
        show(report, written_files("Rates", [machine_store.file()]))


def tune(
    problem: Annotated[list[str] | None, ProblemOrNetwork] = None,
    input: InputOption = None,
    suite: Annotated[
        str | None,
        typer.Option(help="Network name or .csv file; all its layers are tuned.", metavar="NAME"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size of --suite.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
    layout: Annotated[Layout, typer.Option(help="Memory layout.")] = Layout.nchw,
) -> None:
    """Time every kernel on this machine; "auto" and plans then choose by the results."""
    if problem and (source := source_of(problem)) is not None:
        if suite is not None or batch != 1 or layout != Layout.nchw:
            raise ArgumentError("--suite, --batch and --layout can only be used with a problem")
        tune_network(source, input, threads)
        return
    if input is not None:
        raise ArgumentError("--input can only be used with a network, such as torchvision:resnet18")
    problems: list[Problem] = [parse_words(problem)] if problem else []
    if suite is not None:
        problems += [layer.problem for layer in read_suite(suite, batch)]
    if not problems:
        raise ArgumentError("tune needs a problem, such as 3x32x32 4@5x5, or --suite NAME")
    with using_threads(threads) as used:
        tuning = tune_problems(problems, layout.name)
        rows = [row for each in counted(tuning, len(problems), "timing", stderr()) for row in each]
    show(
        Benchmark("tuned", f"{used} threads, {layout.name}", tuple(rows)),
        written_files("Records", [tuning_store.file()]),
    )
