"""Commands that draw: the tutorial, figures and animations.

What needs matplotlib is imported where it draws: no other command waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from math import prod
from pathlib import Path
from typing import Annotated

import typer

from glassconv import figure as draw_figure
from glassconv.cli.words import ProblemWords, SeedOption, Style, StyleOption, show, stderr
from glassconv.data import Picture, cifar10, photograph
from glassconv.errors import ArgumentError
from glassconv.examples.tutorial import walk
from glassconv.figures.names import NAMES
from glassconv.problem.problem import Problem, parse_problem
from glassconv.problem.transposed import parse_transposed
from glassconv.views import files
from glassconv.views.figures import animation_file
from glassconv.views.figures.theme import THEMES, Theme
from glassconv.views.terminal.parts import written as written_files
from glassconv.views.terminal.progress import DownloadBar, counted
from glassconv.views.terminal.tutorial import tutorial as tutorial_view


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
    from glassconv.figures.kinds import tutorial_figures
    from glassconv.views.figures.style import to_bytes

    files.prepare(out)
    picture = _picture(image, cifar10, index, download)
    facts = walk(picture.pixels, picture.source)
    pictures = tutorial_figures(facts, THEMES[style])
    contents = {f"{kind}.png": to_bytes(drawn) for kind, drawn in pictures.items()}
    written = files.write_all(out, contents)
    show(*tutorial_view(facts), written_files("Figures", written))


def figure(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}, or animate.")],
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
    from glassconv.figures.animations import ANIMATED
    from glassconv.views.figures.style import FORMATS, to_bytes

    if kind == "animate":
        words = " ".join(problem or [ANIMATED])
        moved = parse_transposed(words) if transposed else parse_problem(words)
        _animate(moved, out or Path("animate.gif"), THEMES[style], seconds_per_frame)
        return
    if transposed:
        raise ArgumentError("--transposed can only be used with animate")
    file = out or Path(f"{kind}.png")
    format = _format(file, tuple(FORMATS))
    with stderr().status(f"drawing {kind}"):
        asked = " ".join(problem) if problem else None
        drawn = draw_figure(kind, asked, style=style, random=random, seed=seed)
        contents = {file.name: to_bytes(drawn, format)}
    show(written_files("Figures", files.write_all(file.parent, contents)))


def _animate(problem: Problem, file: Path, theme: Theme, seconds: float) -> None:
    from glassconv.figures import animations
    from glassconv.views.figures.slide import shown

    format = _format(file, animation_file.FORMATS)
    animation_file.check_format(format)
    frames, size = animations.animation(problem, theme), problem.output_size
    number = len(shown(prod(size), size[-1]))
    drawn = list(counted(frames, number, "drawing", stderr()))
    contents = {file.name: animation_file.to_bytes(drawn, format, seconds)}
    show(written_files("Figures", files.write_all(file.parent, contents)))


def _format(file: Path, formats: Sequence[str]) -> str:
    """Return the format that a file's ending names."""
    format = file.suffix.removeprefix(".").lower()
    if format not in formats:
        raise ArgumentError(f"{file} must end in one of {', '.join('.' + end for end in formats)}")
    return format


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
        with closing(DownloadBar(stderr(), "CIFAR-10")) as bar:
            cifar10.download(folder, cifar10.Archive(), bar)
    return cifar10.read(folder, index or 0)
