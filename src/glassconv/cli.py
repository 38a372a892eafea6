"""Command-line interface."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from math import prod
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from glassconv import __version__, figures
from glassconv.algorithms import ALGORITHMS
from glassconv.benchmarks import inspect_kernel
from glassconv.benchmarks.bench import bench as bench_layers
from glassconv.benchmarks.bench import using_threads
from glassconv.benchmarks.suites import read_suite
from glassconv.benchmarks.tune import tune as tune_problems
from glassconv.codegen.analysis.roofline import measure as measure_roof
from glassconv.data import Picture, cifar10, photograph
from glassconv.dispatch import tuning_store
from glassconv.dispatch.select import AUTO, choose
from glassconv.errors import ArgumentError, ConvError
from glassconv.examples.tutorial import walk
from glassconv.explanation.explain import explain as explain_problem
from glassconv.explore.command import explore
from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem, parse_problem
from glassconv.problem.shorthand import EXAMPLE, parse
from glassconv.problem.transposed import parse_transposed
from glassconv.reports.verification import Verification
from glassconv.tracing.backward import backward as run_backward
from glassconv.tracing.forward import trace as trace_problem
from glassconv.verification.compare_unfold import same
from glassconv.verification.stress_inputs import ADVERSARIES, trials
from glassconv.verification.verify import subjects
from glassconv.verification.verify import verify as verify_problem
from glassconv.views import files
from glassconv.views.figures import animation
from glassconv.views.figures.slide import frame_positions
from glassconv.views.figures.style import DARK, FORMATS, LIGHT, THEMES, Theme, to_bytes
from glassconv.views.terminal.algorithms import algorithms as algorithms_table
from glassconv.views.terminal.benchmark import bench_to_json, benchmark_table
from glassconv.views.terminal.kernel import kernel_report
from glassconv.views.terminal.parts import written as written_files
from glassconv.views.terminal.progress import DownloadBar, counted
from glassconv.views.terminal.trace import backward as backward_view
from glassconv.views.terminal.trace import trace as trace_view
from glassconv.views.terminal.tutorial import tutorial as tutorial_view
from glassconv.views.terminal.verification import verified

MAX_SEED = 2**63 - 2  # PyTorch's largest seed less 1: gradients use seed + 1

app = typer.Typer(
    help="Explain, verify and benchmark convolution algorithms.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Style(StrEnum):
    """The names of the themes."""

    dark = DARK.name
    light = LIGHT.name


class Layout(StrEnum):
    """The names of the memory layouts."""

    nchw = "nchw"
    nhwc = "nhwc"


StyleOption = Annotated[Style, typer.Option(help="Color theme of the figures.")]
SeedOption = Annotated[int, typer.Option(help="Random seed for the operands.", min=0, max=MAX_SEED)]
ProblemWords = typer.Argument(
    metavar="PROBLEM",
    help=f"Convolution problem, such as '{EXAMPLE}': [BATCHx]CHANNELSxHEIGHTxWIDTH FILTERS@KERNEL, "
    "then any of sSTRIDE pPADDING dDILATION gGROUPS nobias and a dtype.",
    show_default=False,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Output directory.", metavar="DIR")] = Path(
        "glassconv-demo"
    ),
    style: StyleOption = Style.dark,
    image: Annotated[
        Path | None,
        typer.Option(help="Image file to use instead of the photograph.", metavar="FILE"),
    ] = None,
    cifar10: Annotated[
        Path | None, typer.Option(help="Directory of the CIFAR-10 data set.", metavar="DIR")
    ] = None,
    index: Annotated[
        int | None, typer.Option(min=0, help="Index of the CIFAR-10 image (default: 0).")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Download CIFAR-10 first.")] = False,
) -> None:
    """Run the tutorial: a convolution, step by step, as a matrix product."""
    files.prepare(out)
    picture = _picture(image, cifar10, index, download)
    facts = walk(picture.pixels, picture.source)
    pictures = figures.tutorial_pictures(facts, THEMES[style])
    contents = {f"{kind}.png": to_bytes(drawn) for kind, drawn in pictures.items()}
    written = files.write_all(out, contents)
    _print(*tutorial_view(facts), written_files("Figures", written))


@app.command()
def verify(
    problem: Annotated[list[str], ProblemWords],
    algorithm: Annotated[
        str | None, typer.Option(help="Algorithm to verify (default: all).", metavar="NAME")
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Compare algorithms with a float64 reference, and each output's error with its bound."""
    parsed = _parse(problem)
    chosen = choose(parsed, algorithm or AUTO, accuracy="any")
    requested = [
        candidate
        for candidate in chosen.candidates
        if algorithm is None or candidate.name == chosen.algorithm
    ]
    supported = subjects(parsed, [candidate.name for candidate in requested if candidate.verdict])
    running = trials(parsed, supported, seed)
    results: dict[str, list[Verification]] = {}
    total = len(supported) * len(ADVERSARIES)
    for kind, verification in counted(running, total, "verifying", _stderr()):
        results.setdefault(kind, []).append(verification)
    with _stderr().status("comparing with PyTorch"):
        pytorch = verify_problem(parsed, "aten", seed=seed)
        sameness = same(parsed, seed=seed) if algorithm is None and parsed.batch else None
    unsupported = [candidate for candidate in requested if not candidate.verdict]
    _print(*verified(parsed, results, pytorch, unsupported, sameness))
    if not all(result.verdict for group in results.values() for result in group):
        raise typer.Exit(1)


@app.command()
def trace(
    problem: Annotated[list[str], ProblemWords],
    algorithm: Annotated[str, typer.Option(help="Algorithm to trace.", metavar="NAME")] = "im2col",
    seed: SeedOption = 0,
    save: Annotated[
        Path | None, typer.Option(help="Save all arrays to a .npz file.", metavar="FILE")
    ] = None,
) -> None:
    """Run an algorithm step by step and print its intermediate arrays."""
    with _stderr().status(f"running {algorithm}"):
        traced = trace_problem(_parse_any(problem), algorithm, seed=seed)
    _print(trace_view(traced))
    if save is not None:
        contents = {save.name: files.arrays_to_bytes(traced)}
        _print(written_files("Arrays", files.write_all(save.parent, contents)))


@app.command()
def explain(
    problem: Annotated[list[str], ProblemWords],
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Report a convolution's sizes, costs, algorithms and equivalent code, without running it."""
    report = explain_problem(_parse_any(problem))
    if json:
        typer.echo(report.to_json())
    else:
        _print(report)


app.command()(explore)


@app.command()
def backward(
    problem: Annotated[list[str], ProblemWords],
    algorithm: Annotated[
        str, typer.Option(help="Algorithm for both convolutions.", metavar="NAME")
    ] = AUTO,
    seed: SeedOption = 0,
) -> None:
    """Compute both gradients, as convolutions and as matrix products, and print all arrays."""
    with _stderr().status("running both gradients"):
        both = run_backward(_parse(problem), algorithm, seed=seed)
    _print(*backward_view(both))


@app.command()
def figure(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(figures.KINDS)}, or animate.")],
    problem: Annotated[list[str] | None, ProblemWords] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output file: .png, .svg or .pdf; for animate, .gif, .png or .apng "
            "(default: KIND.png or animate.gif).",
            metavar="FILE",
        ),
    ] = None,
    style: StyleOption = Style.dark,
    transposed: Annotated[
        bool, typer.Option("--transposed", help="Animate PROBLEM as a transposed convolution.")
    ] = False,
) -> None:
    """Draw a figure of the tutorial's convolution or of PROBLEM."""
    if kind == "animate":
        _animate(" ".join(problem or [figures.ANIMATED]), out, THEMES[style], transposed)
        return
    if transposed:
        raise ArgumentError("--transposed can only be used with animate")
    file = out or Path(f"{kind}.png")
    format = _format(file, tuple(FORMATS))
    with _stderr().status(f"drawing {kind}"):
        drawn = figures.picture(kind, _parse(problem) if problem else None, THEMES[style])
        contents = {file.name: to_bytes(drawn, format)}
    _print(written_files("Figures", files.write_all(file.parent, contents)))


def _animate(problem: str, out: Path | None, theme: Theme, transposed: bool) -> None:
    file = out or Path("animate.gif")
    format = _format(file, animation.FORMATS)
    if transposed:
        convolution = parse_transposed(problem)
        frames = figures.transposed_animation(convolution, theme)
        size = convolution.output_size
    else:
        parsed = parse(problem)
        frames, size = figures.animation(parsed, theme), parsed.output_size
    number = len(frame_positions(prod(size), size[-1]))
    drawn = list(counted(frames, number, "drawing", _stderr()))
    contents = {file.name: animation.to_bytes(drawn, format)}
    _print(written_files("Figures", files.write_all(file.parent, contents)))


def _format(file: Path, formats: Sequence[str]) -> str:
    """Return the format that a file's ending names."""
    format = file.suffix.removeprefix(".").lower()
    if format not in formats:
        raise ArgumentError(f"{file} must end in one of {', '.join('.' + end for end in formats)}")
    return format


@app.command()
def bench(
    suite: Annotated[str, typer.Option(help="Network name or .csv file.", metavar="NAME")],
    algorithm: Annotated[
        list[str] | None, typer.Option(help="Algorithm to benchmark (repeatable).", metavar="NAME")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
    layout: Annotated[Layout, typer.Option(help="Memory layout.")] = Layout.nchw,
    json: Annotated[
        Path | None, typer.Option(help="Save the results as JSON.", metavar="FILE")
    ] = None,
) -> None:
    """Benchmark a network's layers against PyTorch: verified, then timed in alternation."""
    layers = read_suite(suite, batch)
    names = algorithm or [AUTO]
    with using_threads(threads) as used:
        roof = measure_roof(layers[0].problem.dtype) if layers else None
        timings = (
            row
            for name in names
            for row in bench_layers(layers, name, layout=layout.name, roof=roof)
        )
        rows = list(counted(timings, len(names) * len(layers), "timing", _stderr()))
    how = f"batch {batch}, {used} threads, {layout.name}, float32"
    _print(benchmark_table(suite, how, rows, roof))
    if json is not None:
        contents = {json.name: bench_to_json(suite, how, rows, roof).encode()}
        _print(written_files("Results", files.write_all(json.parent, contents)))
    if any(row.ratio is None for row in rows):
        raise typer.Exit(1)


@app.command()
def kernel(
    problem: Annotated[list[str], ProblemWords],
    algorithm: Annotated[
        str, typer.Option(help="Algorithm whose kernel is inspected.", metavar="NAME")
    ] = AUTO,
    layout: Annotated[Layout, typer.Option(help="Memory layout.")] = Layout.nchw,
    ir: Annotated[bool, typer.Option("--ir", help="Print only the LLVM IR.")] = False,
    asm: Annotated[bool, typer.Option("--asm", help="Print only the assembly.")] = False,
) -> None:
    """Inspect a compiled kernel: loop nest, registers, memory traffic, roofline."""
    parsed = _parse(problem)
    if ir and asm:
        raise ArgumentError("give --ir or --asm, not both")
    if ir or asm:
        written = inspect_kernel.llvm if ir else inspect_kernel.machine_code
        typer.echo(written(parsed, algorithm, layout.name))
        return
    with _stderr().status("verifying and timing"):
        report = inspect_kernel.inspect(parsed, algorithm, layout.name)
    _print(kernel_report(report))
    if not report.benched.verdict:
        raise typer.Exit(1)


@app.command()
def tune(
    problem: Annotated[list[str] | None, ProblemWords] = None,
    suite: Annotated[
        str | None,
        typer.Option(help="Network name or .csv file; all its layers are timed.", metavar="NAME"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size for --suite.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
    layout: Annotated[Layout, typer.Option(help="Memory layout.")] = Layout.nchw,
) -> None:
    """Time all kernels on this machine; auto then uses the measurements."""
    problems = [_parse(problem)] if problem else []
    if suite is not None:
        problems += [layer.problem for layer in read_suite(suite, batch)]
    if not problems:
        raise ArgumentError("tune needs a problem, such as 3x32x32 4@5x5, or --suite NAME")
    with using_threads(threads) as used:
        tuning = tune_problems(problems, layout.name)
        timed = counted(tuning, len(problems), "timing", _stderr())
        rows = [row for layer_rows in timed for row in layer_rows]
    _print(
        benchmark_table("tuned", f"{used} threads, {layout.name}", rows),
        written_files("Records", [tuning_store.file()]),
    )


@app.command()
def algorithms(problem: Annotated[list[str] | None, ProblemWords] = None) -> None:
    """List the algorithms, or which of them support PROBLEM."""
    choice = choose(_parse_any(problem)) if problem else None
    _print(algorithms_table(list(ALGORITHMS.values()), choice))


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Explain, verify and benchmark convolution algorithms."""
    if version:
        _print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; an error is printed to stderr, with exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without γ
    try:
        app()
    except ConvError as error:
        print(f"glassconv: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


def _picture(image: Path | None, folder: Path | None, index: int | None, download: bool) -> Picture:
    if image is not None and folder is not None:
        raise ArgumentError("give --image or --cifar10, not both")
    if folder is None and (download or index is not None):
        raise ArgumentError("--index and --download require --cifar10 DIR")
    if image is not None:
        return photograph.read(image)
    if folder is None:
        return photograph.chelsea()
    if download:
        with closing(DownloadBar(_stderr(), "CIFAR-10")) as bar:
            cifar10.download(folder, cifar10.Archive(), bar)
    return cifar10.read(folder, index or 0)


def _parse(words: list[str]) -> ConvProblem:
    return parse(" ".join(words))


def _parse_any(words: list[str]) -> Problem:
    """Read a problem that may be transposed."""
    return parse_problem(" ".join(words))


def _stderr() -> Console:
    return Console(stderr=True)


def _print(*parts: object) -> None:
    console = Console(highlight=False)
    for part in parts:
        console.print(part)
