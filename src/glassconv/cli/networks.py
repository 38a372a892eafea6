"""What `explain` and `verify` do with a network in place of a problem."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glassconv.cli.words import SeedOption, show, show_verdict, stderr
from glassconv.examples.network_input import numbers, shape_or_image
from glassconv.explanation.gradients import explain_network_gradients
from glassconv.explanation.network import explain_network
from glassconv.networks.load import load
from glassconv.verification.network import verify_network
from glassconv.verification.network_gradients import verify_network_gradients
from glassconv.views import files
from glassconv.views.terminal.parts import written as written_files

InputOption = Annotated[
    str | None,
    typer.Option(help="Shape of the network's input, such as 1x3x224x224.", metavar="NxCxHxW"),
]
ImageOption = Annotated[
    Path | None, typer.Option(help="Image file that the network gets.", metavar="FILE")
]


def source_of(words: list[str]) -> str | None:
    """Return the network that words name, None where they are a problem.

    >>> source_of(["torchvision:resnet18"]), source_of(["3x32x32", "4@5x5"])
    ('torchvision:resnet18', None)
    """
    is_one = len(words) == 1 and "@" not in words[0].split(":")[0]
    return words[0] if is_one and (":" in words[0] or Path(words[0]).suffix) else None


def explain_source(
    source: str,
    input: str | None,
    image: Path | None,
    *,
    timed: bool,
    json: bool,
    html: Path | None,
    node_data: Path | None,
) -> None:
    """Explain a network, and write what is asked for."""
    with stderr().status(f"loading {source}"):
        model = load(source)
        given = shape_or_image(model, input, image)
    with stderr().status(f"timing {source}" if timed else f"explaining {source}"):
        report = explain_network(model, given, source, timed=timed)
    if json:
        typer.echo(report.to_json())
    else:
        show(report)
    written = []
    if html is not None:
        from glassconv.views.html.network import page

        written += files.write_all(html.parent, {html.name: page(report.facts).encode()})
    if node_data is not None:
        from glassconv.views.json.model_explorer import node_data as to_node_data

        document = to_node_data(report.facts).encode()
        written += files.write_all(node_data.parent, {node_data.name: document})
    if written:
        stderr().print(written_files("Files", written))


def verify_source(source: str, input: str | None, image: Path | None, seed: SeedOption) -> None:
    """Verify a network's convolutions and outputs; exit with 1 where something is not right."""
    with stderr().status(f"loading {source}"):
        model = load(source)
        given = numbers(model, shape_or_image(model, input, image), seed)
    with stderr().status(f"verifying {source}"):
        report = verify_network(model, given, source)
    show_verdict(report, report.verdict)


def explain_gradients_of_source(
    source: str, input: str | None, image: Path | None, *, json: bool
) -> None:
    """Explain the gradients of a network's convolutions."""
    with stderr().status(f"explaining {source}"):
        model = load(source)
        report = explain_network_gradients(model, shape_or_image(model, input, image), source)
    if json:
        typer.echo(report.to_json())
    else:
        show(report)


def verify_gradients_of_source(
    source: str, input: str | None, image: Path | None, seed: SeedOption
) -> None:
    """Verify the gradients of a network's convolutions; exit with 1 where one is not right."""
    with stderr().status(f"verifying {source}"):
        model = load(source)
        given = numbers(model, shape_or_image(model, input, image), seed)
        report = verify_network_gradients(model, given, source)
    show_verdict(report, report.verdict)
