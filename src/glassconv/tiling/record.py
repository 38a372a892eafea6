"""record: which tiles of an output on disk are finished, so that a stopped run goes on.

The record is a file beside the output. Its first line says what is computed: the network with its
weights, the input, the tiles. Each further line is the number of a tile that is on disk. A line is
written once the tile is, so a tile that was being written when the process ended is computed again.
The record is there before the output and is removed last: an output without one is complete.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Self

import torch

from glassconv.errors import DataError
from glassconv.tiling.plan import Tiles
from glassconv.tiling.program import Program


class Record:
    """The finished tiles of an output."""

    def __init__(self, output: Path, content: str) -> None:
        self.output = output
        self.path = output.with_name(f"{output.name}.tiles")
        self.content = content
        self.finished: set[int] = set()

    def begin(self) -> bool:
        """Read the record, or begin one; return whether the output is there in part.

        Raises `DataError` where the output is there and is not in part this one.
        """
        if not self.path.exists():
            if self.output.exists():
                cause = "it is there already; remove it, or write to another place"
                raise DataError(cause, request=str(self.output))
            self.path.write_text(f"{self.content}\n")
            return False
        content, *lines = self.path.read_text().split("\n")
        if content != self.content:
            cause = (
                f"it is there in part, of another network, input or memory; remove it and "
                f"{self.path.name} to begin anew"
            )
            raise DataError(cause, request=str(self.output))
        if not self.output.exists():
            self.path.write_text(f"{self.content}\n")
            return False
        self.finished = {int(line) for line in lines[:-1]}  # the last is empty, or half a line
        return True

    def add(self, tile: int) -> None:
        """Record a tile that is on disk."""
        self.finished.add(tile)
        with self.path.open("a") as file:
            file.write(f"{tile}\n")
            file.flush()
            os.fsync(file.fileno())

    def end(self) -> None:
        """Remove the record: the output is complete."""
        self.path.unlink()

    @classmethod
    def of(cls, output: Path, program: Program, tiles: Tiles, source: Path) -> Self:
        """Return the record of an output, which knows by its content what is computed."""
        found = hashlib.sha256()
        state = source.stat()
        described = [
            [(each.name, each.function, str(each.arguments)) for each in program.graph.operations],
            program.input, program.accuracy, tiles, str(source.resolve()), state.st_mtime_ns,
        ]  # fmt: skip
        found.update(repr(described).encode())
        for number in sorted(program.constants):
            flat = program.constants[number].contiguous().view(-1)
            found.update(flat.view(torch.uint8).numpy().data)
        return cls(output, f"glassconv tiles {found.hexdigest()}")
