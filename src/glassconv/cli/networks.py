"""What `explain` and `verify` do with a network in place of a problem."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from glassconv.cli.words import SeedOption, show, stderr
from glassconv.data import photograph
from glassconv.errors import ArgumentError
from glassconv.explanation.network import explain_network
from glassconv.networks.load import load
from glassconv.networks.usual_input import usual_shape
from glassconv.verification.network import verify_network
from glassconv.views import files
from glassconv.views.terminal.parts import written as written_files

SIZES = re.compile(r"\d{1,9}(x\d{1,9}){2,4}", re.ASCII)
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
        given = shape_or_image(model, input, image)
        if not isinstance(given, Tensor):
            generator = torch.Generator().manual_seed(seed)
            given = torch.rand(*given, generator=generator).to(_dtype(model))
    with stderr().status(f"verifying {source}"):
        report = verify_network(model, given, source)
    show(report)
    if not report.verdict:
        raise typer.Exit(1)


def shape_or_image(
    model: nn.Module, input: str | None, image: Path | None
) -> Tensor | tuple[int, ...]:
    """Return the shape that is asked for or usual, or an image of that shape."""
    if input is not None and not SIZES.fullmatch(input.replace("×", "x")):
        raise ArgumentError(f"--input is a shape such as 1x3x224x224, got {input!r}")
    shape = usual_shape(model) if input is None else tuple(map(int, re.split("[x×]", input)))
    if image is None:
        return shape
    if len(shape) != 4 or shape[:2] not in ((1, 1), (1, 3)):
        cause = f"--image needs an input [1, 3, height, width] or of one channel, not {list(shape)}"
        raise ArgumentError(cause)
    pixels = torch.from_numpy(photograph.read(image, shape[2:]).pixels.copy())
    tensor = pixels.permute(2, 0, 1)[None] / 255
    return (tensor if shape[1] == 3 else tensor.mean(1, keepdim=True)).to(_dtype(model))


def _dtype(model: nn.Module) -> torch.dtype:
    first = next((each for each in model.parameters() if each.is_floating_point()), None)
    return torch.float32 if first is None else first.dtype
