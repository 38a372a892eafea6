"""`glassconv explore`: which convolution or network, and whether to write its page or serve it."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from glassconv.data import photograph
from glassconv.errors import ArgumentError
from glassconv.examples.network_input import numbers, shape_or_image
from glassconv.explore.links import project_links
from glassconv.explore.network import NetworkPages
from glassconv.explore.page import page
from glassconv.explore.reports import Exploration, introduction, of_picture, of_problems
from glassconv.explore.server import Server
from glassconv.networks.load import FORMS, is_source, load
from glassconv.problem.problem import parse_problem
from glassconv.problem.shorthand import EXAMPLE, split
from glassconv.views import files

PAGE = Path("explorer.html")


def explore(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROBLEM|NETWORK|IMAGE",
            help=f"A problem such as '{EXAMPLE}', several problems, which become layers, or an "
            "image file such as cat.png (default: the guided introduction). Or, with --serve, a "
            f"network, and an image that it gets: {', '.join(FORMS)}.",
            show_default=False,
        ),
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(help="Shape of the network's input, such as 1x3x224x224.", metavar="NxCxHxW"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help=f"Output file, .html (default: {PAGE}).", metavar="FILE"),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve", help="Serve the page on this machine; Python computes large layers."
        ),
    ] = False,
    browser: Annotated[
        bool,
        typer.Option("--browser/--no-browser", help="With --serve, open the page in the browser."),
    ] = True,
) -> None:
    """Write or serve the explorer, an interactive page that draws each step of a convolution."""
    if serve and out is not None:
        raise ArgumentError("give --out or --serve, not both")
    if not browser and not serve:
        raise ArgumentError("--no-browser can only be used with --serve")
    words = subjects or []
    sources = [each for each in words if is_source(each)]
    if sources and not serve:
        raise ArgumentError("a network has a page for each convolution: add --serve")
    if sources:
        _serve(_network(sources, [each for each in words if not is_source(each)], input), browser)
        return
    if input is not None:
        raise ArgumentError("--input can only be used with a network")
    exploration = _exploration(words)
    report, title = exploration.to_json(), f"glassconv · {exploration.title}"
    if serve:
        _serve({"/": page(report, title, remote=True)}, browser)
        return
    file = out or PAGE
    if file.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"{file} must end in .html")
    contents = {file.name: page(report, title).encode()}
    (written,) = files.write_all(file.parent, contents)
    typer.echo(f"{written}, {written.stat().st_size / 1e3:,.0f} kB: open it in any browser")


def _network(sources: list[str], others: list[str], input: str | None) -> NetworkPages:
    """Return the pages of a network on an image, or on random numbers without one."""
    if len(sources) > 1 or len(others) > 1 or not all(map(_is_picture, others)):
        raise ArgumentError("explore takes one network, and at most one image that it gets")
    image = Path(others[0]) if others else None
    model = load(sources[0])
    given = numbers(model, shape_or_image(model, input, image), seed=0)
    return NetworkPages(model, given, sources[0], image.name if image else "")


def _exploration(subjects: list[str]) -> Exploration:
    """Return an image, an image and its problem, or problems; the introduction without any."""
    pictures = [Path(each) for each in subjects if _is_picture(each)]
    words = [each for each in subjects if not _is_picture(each)]
    problems = [parse_problem(text) for text in split(" ".join(words))]
    if not pictures:
        return of_problems(problems) if problems else introduction(project_links())
    if len(pictures) > 1 or len(problems) > 1:
        raise ArgumentError("explore takes one image, and at most one problem that reads it")
    (problem,) = problems or (None,)
    if problem is None:
        return of_picture(photograph.read(pictures[0]))
    height, width = problem.input_size if problem.ndim == 2 else (photograph.SIDE,) * 2
    return of_picture(photograph.read(pictures[0], (height, width)), problem)


def _is_picture(subject: str) -> bool:
    """Return whether an argument names a file: no shorthand has a dot or a slash."""
    return "." in subject or "/" in subject or Path(subject).is_file()


def _serve(pages: Mapping[str, str], browser: bool) -> None:
    with Server(pages) as server:
        typer.echo(f"{server.address}\nonly this machine can open it; press Ctrl-C to stop")
        if browser:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo()
