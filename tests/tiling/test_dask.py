"""Tiles on Dask: lazy arrays, threads, and a cluster that loses a worker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import dask.array
import numpy as np
import pytest
import torch
from distributed import Client, LocalCluster
from torch import nn

import glassconv
from glassconv.reports.array import Array
from glassconv.tiling import dask_graph
from glassconv.tiling.dask_graph import on_cluster
from glassconv.tiling.disk import Stored
from glassconv.tiling.files import FileJob


@pytest.mark.parametrize("chunks", [(5, 6), (10, 1), (1,) * 11], ids=str)
def test_a_strided_convolution(chunks: tuple[int, ...]) -> None:
    layer = nn.Conv1d(1, 1, 3, stride=2, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    numbers = np.arange(11, dtype=np.float32)[None, None]
    x = dask.array.from_array(numbers, chunks=((1,), (1,), chunks))
    found = glassconv.tile(layer, x, "2 kB", accuracy="strict")
    assert found.compute().flatten().tolist() == [1, 6, 12, 18, 24, 19]


def test_a_dask_array_is_lazy(network: nn.Module, image: Array, expected: Array) -> None:
    read = []

    def block(block_info: object = None) -> Array:
        read.append(block_info)
        return image

    x = dask.array.map_blocks(block, chunks=image.shape, dtype=image.dtype, meta=image[:0])
    found = glassconv.tile(network, x, "50 kB", accuracy="strict")
    assert read == []
    assert isinstance(found, dask.array.Array)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert (found._meta.shape, found._meta.dtype) == ((0,) * 4, expected.dtype)
    assert found.npartitions > 4
    assert np.array_equal(found.compute(scheduler="threads"), expected)


def test_a_part_of_the_result_computes_only_its_tiles(
    network: nn.Module, image: Array, expected: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    block = dask_graph._block

    def counted(program: object, part: Array, region: object) -> Array:
        computed.append(region)
        assert part.size
        return block(program, part, region)  # type: ignore[arg-type]

    monkeypatch.setattr(dask_graph, "_block", counted)
    x = dask.array.from_array(image, chunks=(1, 3, 7, 11))
    found = glassconv.tile(network, x, "50 kB", accuracy="strict")
    part = found[:, 1:, 30:, ::-2].compute(scheduler="synchronous")
    assert np.array_equal(part, expected[:, 1:, 30:, ::-2])
    assert 0 < len(computed) < found.npartitions


def test_an_out_for_a_dask_array_is_refused(network: nn.Module, image: Array) -> None:
    x = dask.array.from_array(image)
    with pytest.raises(glassconv.ArgumentError, match="a dask array gives a dask array"):
        glassconv.tile(network, x, out=torch.zeros(1))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere"])
def test_a_scheduler_that_does_not_answer(
    address: str, network: nn.Module, image: Array, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", image)
    job = FileJob(
        network, tmp_path / "x.npy", tmp_path / "y.npy", "50 kB", compute=on_cluster(address)
    )
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "100ms"}),
        pytest.raises(glassconv.DataError, match=f"no scheduler of Dask answers at '{address}'"),
    ):
        next(job.tiles())


def test_a_worker_is_killed_in_the_middle(
    network: nn.Module, image: Array, expected: Array, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", image)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        job = FileJob(
            network, tmp_path / "x.npy", tmp_path / "y.zarr", "20 kB",
            accuracy="strict", compute=on_cluster(cluster.scheduler_address),
        )  # fmt: skip
        with Client(cluster) as client:
            victim, _ = client.run(os.getpid).values()
            numbers = []
            for number in job.tiles():
                numbers.append(number)
                if len(numbers) == 3:
                    os.kill(victim, signal.SIGKILL)
            assert victim not in client.run(os.getpid).values()
    assert sorted(numbers) == list(range(job.plan.count))
    assert np.array_equal(Stored(tmp_path / "y.zarr").array[:], expected)
