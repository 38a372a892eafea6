"""The command `run`: a network on an image, or over an array on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glassconv.cli.optimized import answer_image
from glassconv.cli.tiles import (
    AccuracyOption,
    MemoryOption,
    Source,
    TwoPassOption,
    run_files,
)
from glassconv.cli.words import show, stderr
from glassconv.errors import ArgumentError
from glassconv.tiling.dask_graph import LOCAL


def run(
    network: Annotated[str, Source],
    input: Annotated[
        Path | None, typer.Argument(metavar="IN", help="A .npy, .zarr or .tif.")
    ] = None,
    output: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="A .npy, .zarr or .tif.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="Image file that the network gets.", metavar="FILE")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Names of the classes, one on each line.", metavar="FILE")
    ] = None,
    memory: MemoryOption = "2GiB",
    dask: Annotated[
        str | None,
        typer.Option(
            help=f"Address of a Dask scheduler, or {LOCAL!r} for this machine's cores; the limit "
            "of memory is for each worker.",
            metavar="ADDRESS",
        ),
    ] = None,
    accuracy: AccuracyOption = "default",
    two_pass: TwoPassOption = False,
) -> None:
    """Run a network on an image (--image), or over an array on disk, tile by tile (IN OUT).

    On an image it prints the most probable classes, or the shapes of its outputs.

    Over an array, a run that was stopped goes on where it was.
    """
    if image is not None and input is None:
        with stderr().status(f"running {network}"):
            show(answer_image(network, image, labels, accuracy))
    elif input is not None and output is not None and image is None:
        run_files(network, input, output, memory, dask, accuracy, two_pass)
    else:
        cause = "it takes either --image FILE, or an array IN and where to write OUT"
        raise ArgumentError(cause, request=f"run {network}")
