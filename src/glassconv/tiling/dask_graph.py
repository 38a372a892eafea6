"""dask_graph: tiles as tasks of Dask, on threads, on a local cluster or on any scheduler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from glassconv.errors import DataError, MissingExtraError
from glassconv.networks.graph import Operation
from glassconv.reports.array import Array
from glassconv.reports.tiles import TilePlan
from glassconv.tiling.arrays import numpy_dtype, to_tensor
from glassconv.tiling.disk import Stored
from glassconv.tiling.files import Compute, Tasks, compute_tile
from glassconv.tiling.means import mean_of
from glassconv.tiling.plan import Tiles, regions_of
from glassconv.tiling.program import Program
from glassconv.tiling.regions import Interval, sizes, slices

LOCAL = "local"  # in place of an address: a cluster of this machine's cores, while it is needed


def lazily(program: Program, plan: TilePlan, x: Any) -> Any:
    """Return the output as a dask array, of which nothing is computed yet.

    Each tile is a block, and depends on the blocks of x that hold what it reads. The network is one
    task, whose result Dask sends once to each worker; global means are known after their tiles.
    """
    array, delayed = _library("dask.array"), _library("dask").delayed
    known: dict[int, Any] = {}  # means, by their values' numbers

    def blocks_of(program: Program, tiles: Tiles) -> list[Any]:
        network, block = task(program), delayed(_block, pure=False)
        return [
            block(network, x[slices(program.reads(region))], tuple(map(tuple, region)))
            for region in regions_of(program, tiles)
        ]

    def task(program: Program) -> Any:
        network = delayed(program, pure=False, traverse=False)
        return delayed(_knowing, pure=False)(network, known) if known else network

    for (operation, of), before in zip(program.means, plan.before, strict=True):
        tiles = blocks_of(of, before.tiles)
        known[operation.outputs[0].number] = delayed(_mean, pure=False)(operation, tiles)
    meta = np.empty((0,) * len(program.output_shape), numpy_dtype(program))
    counts = [1] * meta.ndim
    for dim, lengths in zip(program.dims, plan.tiles, strict=True):
        counts[dim] = len(lengths)
    found = np.empty(counts, dtype=object)
    regions = regions_of(program, plan.tiles)
    computed = blocks_of(program, plan.tiles)
    for place, region, block in zip(np.ndindex(*counts), regions, computed, strict=True):
        found[place] = array.from_delayed(block, sizes(region), meta=meta)
    return array.block(found.tolist())


def on_cluster(address: str) -> Compute:
    """Return what computes the tiles of files on a scheduler's workers, which see the same files.

    A lost worker's tiles are computed by another. Raises `DataError` where no scheduler answers.
    """
    distributed = _library("distributed")

    def compute(program: Program, source: Stored, target: Stored, tasks: Tasks) -> Iterator[int]:
        with _client(distributed, address) as client:
            network = client.submit(_itself, program, pure=False)  # made again if it is lost
            numbers = {
                client.submit(compute_tile, network, source, target, region, pure=False): number
                for number, region in tasks
            }
            for future in distributed.as_completed(numbers):
                future.result()
                yield numbers[future]

    return compute


def _client(distributed: Any, address: str) -> Any:
    if address == LOCAL:
        return distributed.Client(threads_per_worker=1, dashboard_address=None)
    try:
        return distributed.Client(address)
    except (OSError, ValueError) as error:  # nothing answers, or it is no address
        raise DataError(f"no scheduler of Dask answers at {address!r}: {error}") from None


def _itself(program: Program) -> Program:
    return program


def _knowing(program: Program, means: Mapping[int, torch.Tensor]) -> Program:
    return program.knowing(means)


def _mean(operation: Operation, tiles: Sequence[Array]) -> torch.Tensor:
    return mean_of(operation, map(torch.from_numpy, tiles))


def _block(program: Program, part: Array, region: Sequence[tuple[int, int]]) -> Array:
    """Compute one block of a dask array."""
    with torch.inference_mode():
        return program(to_tensor(part), tuple(Interval(*each) for each in region)).numpy()


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        cause = f"{name} is not installed: pip install 'glassconv[dask]'"
        raise MissingExtraError(cause, request="tile") from None
