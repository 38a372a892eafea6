"""Commands that compute a convolution, or say what it is: explain, trace, verify and others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glassconv.algorithms import ALGORITHMS
from glassconv.benchmarks.suites import read_suite
from glassconv.cli.networks import (
    ImageOption,
    InputOption,
    explain_gradients_of_source,
    explain_source,
    source_of,
    verify_gradients_of_source,
    verify_source,
)
from glassconv.cli.words import (
    Layout,
    ProblemOrNetwork,
    ProblemWords,
    SeedOption,
    parse_words,
    show,
    show_verdict,
    stderr,
)
from glassconv.dispatch.select import AUTO, choose
from glassconv.errors import ArgumentError
from glassconv.explanation.explain import explain as explain_problem
from glassconv.explanation.gradients import explain_gradients
from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem, as_convolution
from glassconv.reports.verification import Verification
from glassconv.tracing.addition_order import addition_orders
from glassconv.tracing.backward import backward as run_backward
from glassconv.tracing.forward import trace as trace_problem
from glassconv.verification.compare_unfold import same
from glassconv.verification.gradients import GradientTargets, gathered
from glassconv.verification.hashes import (
    GRADIENTS,
    OUTPUT,
    hash_each,
    hash_gradients,
    suite_hash,
)
from glassconv.verification.running_bounds import ORDERED, running_bounds
from glassconv.verification.stress_inputs import STRESS_INPUTS, run_stress_inputs
from glassconv.verification.verify import verification_targets
from glassconv.verification.verify import verify as verify_problem
from glassconv.views import files
from glassconv.views.terminal.addition_order import addition_orders as render_addition_orders
from glassconv.views.terminal.algorithms import listed
from glassconv.views.terminal.hashes import hashes as render_hashes
from glassconv.views.terminal.parts import written as written_files
from glassconv.views.terminal.progress import counted
from glassconv.views.terminal.verification import render_verification

ONLY_NETWORKS = "can only be used with a network, such as torchvision:resnet18"


def explain(
    problem: Annotated[list[str], ProblemOrNetwork],
    input: InputOption = None,
    image: ImageOption = None,
    time: Annotated[
        bool, typer.Option("--time", help="Time the operations of the network.")
    ] = False,
    backward: Annotated[
        bool, typer.Option("--backward", help="Explain the gradients in training instead.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Save the report of the network as a page.", metavar="FILE")
    ] = None,
    node_data: Annotated[
        Path | None,
        typer.Option(help="Save shares of MACs as node data for Model Explorer.", metavar="FILE"),
    ] = None,
) -> None:
    """Report the sizes, costs and algorithms of a convolution, or of all of a network's."""
    source = source_of(problem)
    if backward and (time or html or node_data):
        raise ArgumentError("--backward takes no --time, --html and --node-data")
    if source is not None and backward:
        explain_gradients_of_source(source, input, image, json=json)
        return
    if source is not None:
        explain_source(source, input, image, timed=time, json=json, html=html, node_data=node_data)
        return
    if input or image or time or html or node_data:
        raise ArgumentError(f"--input, --image, --time, --html and --node-data {ONLY_NETWORKS}")
    parsed = parse_words(problem)
    report = explain_gradients(parsed) if backward else explain_problem(parsed)
    if json:
        typer.echo(report.to_json())
    else:
        show(report)


def verify(
    problem: Annotated[list[str] | None, ProblemOrNetwork] = None,
    input: InputOption = None,
    image: ImageOption = None,
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
    backward: Annotated[
        bool,
        typer.Option("--backward", help="Verify the gradients instead, or hash them with --hash."),
    ] = False,
) -> None:
    """Compare algorithms with the definition in float64, each output within its error bound."""
    if backward and not hash:
        if algorithm or suite or not problem:
            raise ArgumentError("--backward takes a problem, or --hash; no --algorithm and --suite")
        _verify_gradients(problem, input, image, seed)
        return
    if problem and (source := source_of(problem)) is not None:
        if algorithm or suite or hash:
            raise ArgumentError("--algorithm, --suite and --hash can only be used with a problem")
        verify_source(source, input, image, seed)
        return
    if input or image:
        raise ArgumentError(f"--input and --image {ONLY_NETWORKS}")
    if hash or suite is not None:
        _hash(problem, suite, hash, backward)
        return
    if not problem:
        raise ArgumentError("verify needs a problem, such as 3x32x32 4@5x5, or --suite NAME --hash")
    parsed = parse_words(problem)
    chosen = choose(parsed, algorithm or AUTO, accuracy="any")
    requested = [
        each for each in chosen.candidates if algorithm is None or each.name == chosen.algorithm
    ]
    targets = verification_targets(parsed, [each.name for each in requested if each.verdict])
    running = run_stress_inputs(parsed, targets, seed)
    results: dict[str, list[Verification]] = {}
    for kind, result in counted(running, len(targets) * len(STRESS_INPUTS), "verifying", stderr()):
        results.setdefault(kind, []).append(result)
    with stderr().status("comparing with PyTorch"):
        pytorch = verify_problem(parsed, "aten", seed=seed)
        sameness = None
        if algorithm is None and parsed.batch and isinstance(parsed, ConvProblem):
            sameness = same(parsed, seed=seed)
    bounds = None
    if parsed.batch and any(each.name == ORDERED for each in requested):
        with stderr().status("bounding the published order"):
            bounds = running_bounds(parsed, seed=seed)
    unsupported = [each for each in requested if not each.verdict]
    inputs = {kind: stress.about for kind, stress in STRESS_INPUTS.items()}
    show(*render_verification(parsed, results, pytorch, unsupported, sameness, bounds, inputs))
    verified = [each for found in results.values() for each in found]
    if not all(each.verdict for each in verified) or (bounds and not bounds.verdict):
        raise typer.Exit(1)


def _verify_gradients(problem: list[str], input: str | None, image: Path | None, seed: int) -> None:
    """Verify the gradients of a problem or a network; exit with 1 where something is not right."""
    if (source := source_of(problem)) is not None:
        verify_gradients_of_source(source, input, image, seed)
        return
    if input or image:
        raise ArgumentError(f"--input and --image {ONLY_NETWORKS}")
    targets = GradientTargets.of(parse_words(problem))
    found = counted(targets.run(seed), len(targets), "verifying", stderr())
    report = gathered(targets.problem, found)
    show_verdict(report, report.verdict)


def _hash(problem: list[str] | None, suite: str | None, hash: bool, backward: bool) -> None:
    """Print hashes of outputs or of gradients, the same from either layout."""
    if not hash or bool(problem) is (suite is not None):
        raise ArgumentError("verify --hash takes a problem or --suite NAME; --suite needs --hash")
    problems: list[Problem] = [parse_words(problem)] if problem else []
    if suite is not None:
        problems = [layer.problem for layer in read_suite(suite)]
    hashes, hashed = (hash_gradients, GRADIENTS) if backward else (hash_each, OUTPUT)
    each = counted(hashes(problems), len(problems), "hashing", stderr())
    report = suite_hash(suite or str(problems[0]), each, hashed)
    show(render_hashes(report))
    if report != suite_hash(report.suite, hashes(problems, Layout.nhwc.name), hashed):
        show("inputs with channels last give another hash")
        raise typer.Exit(1)


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
        with stderr().status("probing"):
            found = addition_orders(as_convolution(parse_words(problem), "trace --order"))
        show(render_addition_orders(found))
        return
    with stderr().status(f"running {algorithm}"):
        traced = trace_problem(parse_words(problem), algorithm, seed=seed)
    show(traced)
    if save is not None:
        contents = {save.name: files.arrays_to_bytes(traced)}
        show(written_files("Arrays", files.write_all(save.parent, contents)))


def backward(
    problem: Annotated[list[str], ProblemWords],
    algorithm: Annotated[
        str, typer.Option(help="Algorithm of the two convolutions.", metavar="NAME")
    ] = AUTO,
    seed: SeedOption = 0,
) -> None:
    """Compute both gradients, as convolutions and as matrix products; print every array."""
    parsed = as_convolution(parse_words(problem), "backward")
    with stderr().status("running both gradients"):
        both = run_backward(parsed, algorithm, seed=seed)
    show(both)


def algorithms(problem: Annotated[list[str] | None, ProblemWords] = None) -> None:
    """List the algorithms, or whether each supports PROBLEM."""
    show(choose(parse_words(problem)) if problem else listed(list(ALGORITHMS.values())))
