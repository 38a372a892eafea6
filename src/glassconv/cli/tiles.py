"""The commands for images larger than memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from glassconv.cli.words import ElementType, show, stderr
from glassconv.errors import ArgumentError
from glassconv.examples.network_input import SIZES
from glassconv.networks.load import FORMS, load
from glassconv.tiling.dask_graph import on_cluster
from glassconv.tiling.files import FileJob, one_by_one
from glassconv.tiling.tile import plan_tiles
from glassconv.views.terminal.progress import counted

MemoryOption = Annotated[str, typer.Option(help="Limit of memory, such as 2GiB.")]
AccuracyOption = Annotated[
    str, typer.Option(help="Of convolutions: strict, default, fast or any. strict: the same bits.")
]
TwoPassOption = Annotated[
    bool, typer.Option("--two-pass", help="Compute what global means are of once more, before.")
]
Source = typer.Argument(metavar="NETWORK", help=f"One of: {', '.join(FORMS)}.", show_default=False)


def tile(
    source: Annotated[str, Source],
    shape: Annotated[
        str,
        typer.Argument(metavar="SHAPE", help="Of the input, NxCxHxW, such as 1x3x32768x32768."),
    ],
    memory: MemoryOption = "2GiB",
    element_type: Annotated[
        str, typer.Option("--type", help="Element type of the input, such as uint8.")
    ] = ElementType.float32.value,
    accuracy: AccuracyOption = "default",
    two_pass: TwoPassOption = False,
    _: Annotated[
        bool, typer.Option("--plan", help="Print the plan: all that this command does.")
    ] = True,
) -> None:
    """Plan the tiles of a network over an image larger than memory; nothing is computed."""
    if not SIZES.fullmatch(shape):
        raise ArgumentError(f"SHAPE is a shape such as 1x3x32768x32768, got {shape!r}")
    dtype = getattr(torch, element_type, None)
    if not isinstance(dtype, torch.dtype):
        raise ArgumentError(f"--type is an element type such as uint8, got {element_type!r}")
    with stderr().status(f"planning {source}"):
        sizes = tuple(map(int, shape.split("x")))
        found = plan_tiles(
            load(source), sizes, memory, dtype=dtype, accuracy=accuracy, two_pass=two_pass
        )
    show(replace(found, network=source))


def run_files(
    source: str,
    input: Path,
    output: Path,
    memory: str,
    dask: str | None,
    accuracy: str,
    two_pass: bool,
) -> None:
    """Run a network over an array on disk, tile by tile; a stopped run goes on where it was."""
    job = FileJob(
        load(source), input, output, memory,
        accuracy=accuracy,
        two_pass=two_pass,
        compute=on_cluster(dask) if dask else one_by_one,
    )  # fmt: skip
    if job.finished:
        stderr().print(f"{job.finished:,} of {job.plan.count:,} tiles are finished already")
    names = f"{input.name} → {output.name}"
    try:
        for _ in counted(job.tiles(), job.plan.count, names, stderr(), job.finished):
            pass
    except KeyboardInterrupt:
        done = f"{job.finished:,} of {job.plan.count:,} tiles are finished"
        stderr().print(f"stopped: {done}; the same command goes on")
        raise
