"""The command-line interface."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from math import prod
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from glassconv import __version__
from glassconv import figure as draw_figure
from glassconv.algorithms import ALGORITHMS
from glassconv.benchmarks import inspect_kernel as looking
from glassconv.benchmarks.bench import bench as bench_layers
from glassconv.benchmarks.bench import using_threads
from glassconv.benchmarks.random_layers import NUMBER, random_layers
from glassconv.benchmarks.suites import read_suite, suite_names
from glassconv.benchmarks.tune import tune as tune_problems
from glassconv.codegen.analysis.roofline import measure as measure_roofline
from glassconv.data import Picture, cifar10, photograph
from glassconv.dispatch import machine_store, tuning_store
from glassconv.dispatch.select import AUTO, choose
from glassconv.errors import ArgumentError, ConvError
from glassconv.examples.tutorial import walk
from glassconv.explanation.explain import explain as explain_problem
from glassconv.explore.command import explore
from glassconv.figures import animations
from glassconv.figures.kinds import KINDS, tutorial_figures
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import arithmetic
from glassconv.problem.problem import Problem, as_convolution, parse_problem
from glassconv.problem.shorthand import EXAMPLE
from glassconv.problem.transposed import parse_transposed
from glassconv.reports.benchmark import Benchmark
from glassconv.reports.verification import Verification
from glassconv.tracing.addition_order import addition_orders
from glassconv.tracing.backward import backward as run_backward
from glassconv.tracing.forward import trace as trace_problem
from glassconv.verification.compare_unfold import same
from glassconv.verification.hashes import hash_each, suite_hash
from glassconv.verification.running_bounds import ORDERED, running_bounds
from glassconv.verification.stress_inputs import STRESS_INPUTS, run_stress_inputs
from glassconv.verification.verify import verification_targets
from glassconv.verification.verify import verify as verify_problem
from glassconv.views import files
from glassconv.views.figures import animation_file
from glassconv.views.figures.slide import shown
from glassconv.views.figures.style import DARK, FORMATS, LIGHT, THEMES, Theme, to_bytes
from glassconv.views.terminal.addition_order import addition_orders as render_addition_orders
from glassconv.views.terminal.algorithms import listed
from glassconv.views.terminal.benchmark import bench_to_json
from glassconv.views.terminal.hashes import hashes as render_hashes
from glassconv.views.terminal.parts import written as written_files
from glassconv.views.terminal.progress import DownloadBar, counted
from glassconv.views.terminal.streams import guard_streams
from glassconv.views.terminal.tutorial import tutorial as tutorial_view
from glassconv.views.terminal.verification import render_verification

ABOUT = f"""Convolution you can see through: explain, verify, draw and benchmark it.

PROBLEM is the input's CxHxW, then OUT_CHANNELS@KxK and options, such as {EXAMPLE}."""
LARGEST_SEED = 2**63 - 2  # what PyTorch takes, less the one that a gradient is drawn by

app = typer.Typer(
    help=ABOUT,
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
ProblemWords = typer.Argument(
    metavar="PROBLEM",
    help="CxHxW OUT@KxK, or NxCxHxW with a batch, then options: sSTRIDE pPADDING dDILATION "
    f"gGROUPS nobias float64 transposed oPADDING. Such as '{EXAMPLE}'.",
    show_default=False,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Output folder.", metavar="DIR")] = Path(
        "glassconv-demo"
    ),
    style: StyleOption = Style.dark,
    image: Annotated[
        Path | None,
        typer.Option(help="Image file to use instead of the built-in photograph.", metavar="FILE"),
    ] = None,
    cifar10: Annotated[
        Path | None, typer.Option(help="Folder of the CIFAR-10 data set.", metavar="DIR")
    ] = None,
    index: Annotated[
        int | None, typer.Option(min=0, help="Index of the CIFAR-10 image (default: 0).")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Download CIFAR-10 into its folder first.")
    ] = False,
) -> None:
    """Run the tutorial: a convolution as a matrix product, step by step."""
    files.prepare(out)
    picture = _picture(image, cifar10, index, download)
    facts = walk(picture.pixels, picture.source)
    pictures = tutorial_figures(facts, THEMES[style])
    contents = {f"{kind}.png": to_bytes(drawn) for kind, drawn in pictures.items()}
    written = files.write_all(out, contents)
    _print(*tutorial_view(facts), written_files("Figures", written))


@app.command()
def verify(
    problem: Annotated[list[str] | None, ProblemWords] = None,
    algorithm: Annotated[
        str | None, typer.Option(help="Algorithm to verify (default: all).", metavar="NAME")
    ] = None,
    seed: SeedOption = 0,
    suite: Annotated[
        str | None, typer.Option(help="Network name or .csv file, with --hash.", metavar="NAME")
    ] = None,
    hash: Annotated[
        bool,
        typer.Option("--hash", help="Hash outputs in the published order: alike on all machines."),
    ] = False,
) -> None:
    """Compare algorithms with the definition in float64, each output within its error bound."""
    if hash or suite is not None:
        _hash(problem, suite, hash)
        return
    if not problem:
        raise ArgumentError("verify needs a problem, such as 3x32x32 4@5x5, or --suite NAME --hash")
    parsed = _parse_any(problem)
    chosen = choose(parsed, algorithm or AUTO, accuracy="any")
    requested = [
        each for each in chosen.candidates if algorithm is None or each.name == chosen.algorithm
    ]
    targets = verification_targets(parsed, [each.name for each in requested if each.verdict])
    running = run_stress_inputs(parsed, targets, seed)
    results: dict[str, list[Verification]] = {}
    for kind, result in counted(running, len(targets) * len(STRESS_INPUTS), "verifying", _stderr()):
        results.setdefault(kind, []).append(result)
    with _stderr().status("comparing with PyTorch"):
        pytorch = verify_problem(parsed, "aten", seed=seed)
        sameness = None
        if algorithm is None and parsed.batch and isinstance(parsed, ConvProblem):
            sameness = same(parsed, seed=seed)
    bounds = None
    if parsed.batch and any(each.name == ORDERED for each in requested):
        with _stderr().status("bounding the published order"):
            bounds = running_bounds(parsed, seed=seed)
    unsupported = [each for each in requested if not each.verdict]
    inputs = {kind: stress.about for kind, stress in STRESS_INPUTS.items()}
    _print(*render_verification(parsed, results, pytorch, unsupported, sameness, bounds, inputs))
    verified = [each for found in results.values() for each in found]
    if not all(each.verdict for each in verified) or (bounds and not bounds.verdict):
        raise typer.Exit(1)


def _hash(problem: list[str] | None, suite: str | None, hash: bool) -> None:
    """Print the hashes of a problem's or a suite's outputs, the same from either layout."""
    if not hash or bool(problem) is (suite is not None):
        raise ArgumentError("verify --hash takes a problem or --suite NAME; --suite needs --hash")
    problems: list[Problem] = [_parse_any(problem)] if problem else []
    if suite is not None:
        problems = [layer.problem for layer in read_suite(suite)]
    each = counted(hash_each(problems), len(problems), "hashing", _stderr())
    report = suite_hash(suite or str(problems[0]), each)
    _print(render_hashes(report))
    if report != suite_hash(report.suite, hash_each(problems, Layout.nhwc.name)):
        _print("inputs with channels last give another hash")
        raise typer.Exit(1)


@app.command()
def trace(
    problem: Annotated[list[str], ProblemWords],
    algorithm: Annotated[str, typer.Option(help="Algorithm to trace.", metavar="NAME")] = "im2col",
    seed: SeedOption = 0,
    save: Annotated[
        Path | None, typer.Option(help="Save every array to a .npz file.", metavar="FILE")
    ] = None,
    order: Annotated[
        bool, typer.Option("--order", help="Draw the order of additions, ours and PyTorch's.")
    ] = False,
) -> None:
    """Run an algorithm step by step and print its intermediate arrays."""
    if order:
        with _stderr().status("probing"):
            found = addition_orders(as_convolution(_parse_any(problem), "trace --order"))
        _print(render_addition_orders(found))
        return
    with _stderr().status(f"running {algorithm}"):
        traced = trace_problem(_parse_any(problem), algorithm, seed=seed)
    _print(traced)
    if save is not None:
        contents = {save.name: files.arrays_to_bytes(traced)}
        _print(written_files("Arrays", files.write_all(save.parent, contents)))


@app.command()
def explain(
    problem: Annotated[list[str], ProblemWords],
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Report the sizes, costs, algorithms and equivalent code of a convolution; run nothing."""
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
        str, typer.Option(help="Algorithm of the two convolutions.", metavar="NAME")
    ] = AUTO,
    seed: SeedOption = 0,
) -> None:
    """Compute both gradients, as convolutions and as matrix products; print every array."""
    parsed = as_convolution(_parse_any(problem), "backward")
    with _stderr().status("running both gradients"):
        both = run_backward(parsed, algorithm, seed=seed)
    _print(both)


@app.command()
def figure(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}, or animate.")],
    problem: Annotated[list[str] | None, ProblemWords] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output file: .png, .svg or .pdf; for animate .gif, .png or .mp4, which needs "
            "ffmpeg (default: KIND.png or animate.gif).",
            metavar="FILE",
        ),
    ] = None,
    style: StyleOption = Style.dark,
    transposed: Annotated[
        bool, typer.Option("--transposed", help="Animate PROBLEM as a transposed convolution.")
    ] = False,
    random: Annotated[
        bool, typer.Option("--random", help="Use random numbers instead of small integers.")
    ] = False,
    seed: SeedOption = 0,
    seconds_per_frame: Annotated[
        float, typer.Option(min=0.02, max=60, help="How long animate shows each frame.")
    ] = animation_file.SECONDS,
) -> None:
    """Draw a figure of PROBLEM, or of the tutorial's convolution."""
    if kind == "animate":
        words = " ".join(problem or [animations.ANIMATED])
        moved = parse_transposed(words) if transposed else parse_problem(words)
        _animate(moved, out or Path("animate.gif"), THEMES[style], seconds_per_frame)
        return
    if transposed:
        raise ArgumentError("--transposed can only be used with animate")
    file = out or Path(f"{kind}.png")
    format = _format(file, tuple(FORMATS))
    with _stderr().status(f"drawing {kind}"):
        asked = " ".join(problem) if problem else None
        drawn = draw_figure(kind, asked, style=style, random=random, seed=seed)
        contents = {file.name: to_bytes(drawn, format)}
    _print(written_files("Figures", files.write_all(file.parent, contents)))


def _animate(problem: Problem, file: Path, theme: Theme, seconds: float) -> None:
    format = _format(file, animation_file.FORMATS)
    animation_file.check_format(format)
    frames, size = animations.animation(problem, theme), problem.output_size
    number = len(shown(prod(size), size[-1]))
    drawn = list(counted(frames, number, "drawing", _stderr()))
    contents = {file.name: animation_file.to_bytes(drawn, format, seconds)}
    _print(written_files("Figures", files.write_all(file.parent, contents)))


def _format(file: Path, formats: Sequence[str]) -> str:
    """Return the format that a file's ending names."""
    format = file.suffix.removeprefix(".").lower()
    if format not in formats:
        raise ArgumentError(f"{file} must end in one of {', '.join('.' + end for end in formats)}")
    return format


@app.command()
def bench(
    suite: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join(suite_names())}; random, for {NUMBER:,} random layers; or a "
            ".csv file.",
            metavar="NAME",
        ),
    ],
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
    """Time a network's layers, alternating with PyTorch; the output of each is verified first."""
    layers = random_layers() if suite == "random" else read_suite(suite, batch, dtype.name)
    names = algorithm or [AUTO]
    with using_threads(threads) as used:
        roofline = measure_roofline(arithmetic(layers[0].problem.dtype)) if layers else None
        timings = (
            row
            for name in names
            for row in bench_layers(layers, name, layout=layout.name, roofline=roofline)
        )
        rows = list(counted(timings, len(names) * len(layers), "timing", _stderr()))
    how = f"batch {batch}, {used} threads, {layout.name}, {dtype.name}"
    if suite == "random":
        how = f"{used} threads, {layout.name}"
    results = Benchmark(suite, how, tuple(rows), roofline)
    _print(results)
    if json is not None:
        contents = {json.name: bench_to_json(results).encode()}
        _print(written_files("Results", files.write_all(json.parent, contents)))
    if any(row.ratio is None for row in rows):
        raise typer.Exit(1)


@app.command()
def kernel(
    problem: Annotated[list[str], ProblemWords],
    algorithm: Annotated[
        str, typer.Option(help="Algorithm whose kernel to inspect.", metavar="NAME")
    ] = AUTO,
    layout: Annotated[Layout, typer.Option(help="Memory layout.")] = Layout.nchw,
    ir: Annotated[bool, typer.Option("--ir", help="Print the LLVM IR only.")] = False,
    asm: Annotated[bool, typer.Option("--asm", help="Print the assembly only.")] = False,
) -> None:
    """Inspect a kernel: its loops, registers and bytes, and its speed against the roofline."""
    parsed = _parse_any(problem)
    if ir and asm:
        raise ArgumentError("give --ir or --asm, not both")
    if ir or asm:
        written = looking.llvm if ir else looking.machine_code
        typer.echo(written(parsed, algorithm, layout.name))
        return
    with _stderr().status("verifying and timing"):
        report = looking.inspect(parsed, algorithm, layout.name)
    _print(report)
    if not report.benchmark.verdict:
        raise typer.Exit(1)


@app.command()
def machine(
    json: Annotated[bool, typer.Option("--json", help="Print the rates as JSON.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Measure again, and keep that instead.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
) -> None:
    """Show the rates of this machine, by which "auto" predicts what a kernel takes."""
    with using_threads(threads):
        if again:
            machine_store.measure_again()
        report = machine_store.machine()
    if json:
        typer.echo(report.to_json())
    else:
        _print(report, written_files("Rates", [machine_store.file()]))


@app.command()
def tune(
    problem: Annotated[list[str] | None, ProblemWords] = None,
    suite: Annotated[
        str | None,
        typer.Option(help="Network name or .csv file; all its layers are tuned.", metavar="NAME"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size of --suite.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
    layout: Annotated[Layout, typer.Option(help="Memory layout.")] = Layout.nchw,
) -> None:
    """Time every kernel on this machine; "auto" then chooses by the results."""
    problems: list[Problem] = [_parse_any(problem)] if problem else []
    if suite is not None:
        problems += [layer.problem for layer in read_suite(suite, batch)]
    if not problems:
        raise ArgumentError("tune needs a problem, such as 3x32x32 4@5x5, or --suite NAME")
    with using_threads(threads) as used:
        tuning = tune_problems(problems, layout.name)
        rows = [row for each in counted(tuning, len(problems), "timing", _stderr()) for row in each]
    _print(
        Benchmark("tuned", f"{used} threads, {layout.name}", tuple(rows)),
        written_files("Records", [tuning_store.file()]),
    )


@app.command()
def algorithms(problem: Annotated[list[str] | None, ProblemWords] = None) -> None:
    """List the algorithms, or whether each supports PROBLEM."""
    _print(choose(_parse_any(problem)) if problem else listed(list(ALGORITHMS.values())))


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Convolution you can see through: explain, verify, draw and benchmark it."""
    if version:
        _print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; an error is printed to stderr and exits with code 2."""
    outlet = guard_streams()
    try:
        app()
    except (ConvError, OSError) as error:
        print(f"glassconv: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    finally:
        sys.stdout.flush()
        lost = outlet.error if outlet else None
        if lost is not None and lost.errno != errno.EPIPE:
            print(f"glassconv: cannot write the output: {lost.strerror}", file=sys.stderr)  # noqa: T201
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


def _parse_any(words: list[str]) -> Problem:
    """Read a problem that may be transposed."""
    return parse_problem(" ".join(words))


def _stderr() -> Console:
    return Console(stderr=True)


def _print(*parts: object) -> None:
    console = Console(highlight=False)
    for part in parts:
        console.print(part)
