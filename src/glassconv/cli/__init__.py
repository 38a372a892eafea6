"""The command-line interface."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from glassconv import __version__
from glassconv.cli.draw import demo, figure
from glassconv.cli.measure import bench, kernel, machine, tune
from glassconv.cli.optimized import optimize
from glassconv.cli.run import run
from glassconv.cli.study import algorithms, backward, explain, trace, verify
from glassconv.cli.tiles import tile
from glassconv.cli.words import show
from glassconv.errors import ConvError
from glassconv.explore.command import explore
from glassconv.problem.shorthand import EXAMPLE
from glassconv.views.terminal.streams import guard_streams

ABOUT = f"""Convolution you can see through: explain, verify, draw and benchmark it.

PROBLEM is the input's CxHxW, then OUT_CHANNELS@KxK and options, such as {EXAMPLE}."""
COMMANDS = (
    demo, verify, trace, explain, explore, backward,
    optimize, figure, tile, run, bench, kernel, machine, tune, algorithms,
)  # fmt: skip

app = typer.Typer(
    help=ABOUT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in COMMANDS:
    app.command()(command)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Convolution you can see through: explain, verify, draw and benchmark it."""
    if version:
        show(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; an error is printed to stderr and exits with code 2."""
    outlet = guard_streams()
    try:
        app()
    except (ConvError, OSError) as error:
        sys.stderr.write(f"glassconv: {error}\n")
        sys.exit(2)
    finally:
        sys.stdout.flush()
        lost = outlet.error if outlet else None
        if lost is not None and lost.errno != errno.EPIPE:
            sys.stderr.write(f"glassconv: cannot write the output: {lost.strerror}\n")
            sys.exit(2)
