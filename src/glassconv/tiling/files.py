"""files: a network over an array on disk, into a file, from where a stopped run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import nn

from glassconv.errors import DataError, ShapeError
from glassconv.networks.byte_size import bytes_in
from glassconv.tiling.arrays import element_type, numpy_dtype, read, write
from glassconv.tiling.disk import Stored, check_output, create, stored
from glassconv.tiling.passes import with_means
from glassconv.tiling.plan import plan_of, regions_of
from glassconv.tiling.program import Program
from glassconv.tiling.record import Record
from glassconv.tiling.regions import Region, sizes

Tasks = Iterable[tuple[int, Region]]  # the number of a tile, and its region
Compute = Callable[[Program, Stored, Stored, Tasks], Iterator[int]]


def compute_tile(program: Program, source: Stored, target: Stored, region: Region) -> None:
    """Compute one tile from a file into another, until the output's part is on the disk."""
    with torch.inference_mode():
        write(target.array, region, program(read(source.array, program.reads(region)), region))
    target.flush()


def one_by_one(program: Program, source: Stored, target: Stored, tasks: Tasks) -> Iterator[int]:
    """Compute tiles one after the other, each by all of PyTorch's threads."""
    for number, region in tasks:
        compute_tile(program, source, target, region)
        yield number


class FileJob:
    """A network over an array in a file, into another file.

    The tiles that a stopped run has finished are kept, and are not computed again. input: `.npy`,
    `.zarr` or `.tif`; output: one of them. compute: what computes tiles. Other arguments and
    errors as for `glassconv.tile`. Raises `DataError` for files that cannot be read or written, and
    for an output that is another's.
    """

    def __init__(
        self,
        model: nn.Module,
        input: Path,
        output: Path,
        memory: int | str = "2 GiB",
        *,
        accuracy: str = "default",
        two_pass: bool = False,
        compute: Compute = one_by_one,
    ) -> None:
        check_output(output)
        self.source, self.output, self.compute = stored(input), output, compute
        dtype = element_type(self.source.array.dtype)
        shape = self.source.array.shape
        self.program = Program(model, shape, dtype, accuracy, two_pass=two_pass)
        check_output(output, self.program.output_shape)
        element_name = numpy_dtype(self.program).name
        network = type(model).__name__
        self.plan = plan_of(self.program, network, bytes_in(memory), dtype.itemsize)
        self.regions = list(regions_of(self.program, self.plan.tiles))
        self.record = Record.of(output, self.program, self.plan.tiles, input)
        with _told(output):
            if not self.record.begin():
                shape = self.program.output_shape
                create(output, shape, element_name, sizes(self.regions[0]))
            self.target = Stored(output, writable=True)
            self._check_shape()

    @property
    def finished(self) -> int:
        """Return the number of tiles that are on the disk."""
        return len(self.record.finished)

    def tiles(self) -> Iterator[int]:
        """Compute what is left, and yield the number of each tile once it is on the disk.

        Global means are computed anew, by this process.
        """
        tasks = [each for each in enumerate(self.regions) if each[0] not in self.record.finished]
        with _told(self.output):
            with torch.inference_mode():
                known = with_means(self.program, self.plan, partial(read, self.source.array))
            for number in self.compute(known, self.source, self.target, tasks):
                self.record.add(number)
                yield number
            self.record.end()

    def _check_shape(self) -> None:
        shape, wanted = tuple(self.target.array.shape), self.program.output_shape
        if shape != wanted:
            cause = f"it has shape {list(shape)}, and the output has {list(wanted)}"
            raise ShapeError(cause, request=str(self.output))


@contextmanager
def _told(output: Path) -> Iterator[None]:
    """Raise what the disk refuses as one sentence that names the output."""
    try:
        yield
    except OSError as error:
        if isinstance(error, DataError):
            raise
        cause = f"it cannot be written: {error.strerror or error}"
        raise DataError(cause, request=str(output)) from None
