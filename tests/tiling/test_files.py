"""Arrays on disk: what is finished stays, and what the disk refuses is one sentence."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

import glassconv
from glassconv.reports.array import Array
from glassconv.tiling import disk, files
from glassconv.tiling.files import FileJob, one_by_one

OUTPUTS = pytest.mark.parametrize("output", ["y.npy", "y.zarr", "y.tif"])


@pytest.fixture
def folder(tmp_path: Path, image: Array) -> Path:
    np.save(tmp_path / "x.npy", image)
    return tmp_path


def job(network: nn.Module, folder: Path, output: str, input: str = "x.npy") -> FileJob:
    return FileJob(network, folder / input, folder / output, "50 kB", accuracy="strict")


def read(path: Path) -> Array:
    return np.asarray(disk.Stored(path).array[(slice(None),) * 4])


@OUTPUTS
def test_a_stopped_run_goes_on(
    output: str, network: nn.Module, folder: Path, expected: Array
) -> None:
    begun = job(network, folder, output)
    first = list(islice(begun.tiles(), 3))
    again = job(network, folder, output)
    assert again.finished == 3
    rest = list(again.tiles())
    assert sorted(first + rest) == list(range(begun.plan.count))
    assert np.array_equal(read(folder / output), expected)
    assert sorted(path.name for path in folder.iterdir()) == ["x.npy", output]


PROGRAM = """
import os, signal, sys
from pathlib import Path
import torch
from glassconv.tiling import files
from conftest import Network

torch.manual_seed(0)
network, folder, output = Network(), Path(sys.argv[1]), sys.argv[2]
torch.save(network.state_dict(), folder / "weights")
written = files.write
def half_written(array, region, tile):
    if half_written.count == 2:
        tile[..., : tile.shape[-1] // 2] = 99  # what would be seen if it were taken for finished
        written(array, region, tile)
        os.kill(os.getpid(), signal.SIGKILL)
    half_written.count += 1
    written(array, region, tile)
half_written.count = 0
files.write = half_written
list(files.FileJob(
    network, folder / "x.npy", folder / output, "50 kB", accuracy="strict"
).tiles())
"""


@OUTPUTS
def test_a_killed_process_leaves_what_is_finished(
    output: str, network: nn.Module, folder: Path, image: Array
) -> None:
    """The third tile is on the disk, wrong, and not recorded when the process is killed."""
    here = str(Path(__file__).parent)
    paths = os.pathsep.join([here, *sys.path])
    killed = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), output],
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    network.load_state_dict(torch.load(folder / "weights", weights_only=True))
    again = job(network, folder, output)
    assert again.finished == 2
    assert len(list(again.tiles())) == again.plan.count - 2
    expected = glassconv.tile(network, image, accuracy="strict")
    assert np.array_equal(read(folder / output), expected)


def test_half_a_line_of_the_record_is_no_tile(network: nn.Module, folder: Path) -> None:
    begun = job(network, folder, "y.npy")
    list(islice(begun.tiles(), 2))
    with begun.record.path.open("a") as file:
        file.write("3")
    assert job(network, folder, "y.npy").record.finished == {0, 1}


def test_an_output_that_was_lost_is_begun_anew(network: nn.Module, folder: Path) -> None:
    list(islice(job(network, folder, "y.zarr").tiles(), 2))
    shutil.rmtree(folder / "y.zarr")
    assert job(network, folder, "y.zarr").finished == 0


def test_other_weights_do_not_go_on(network: nn.Module, folder: Path) -> None:
    list(islice(job(network, folder, "y.npy").tiles(), 2))
    nn.init.ones_(next(network.parameters()))
    with pytest.raises(glassconv.DataError, match="in part, of another network, input or memory"):
        job(network, folder, "y.npy")


def test_an_output_that_is_there_is_not_overwritten(network: nn.Module, folder: Path) -> None:
    list(job(network, folder, "y.npy").tiles())
    with pytest.raises(glassconv.DataError, match=r"y\.npy: it is there already; remove it"):
        job(network, folder, "y.npy")


def test_an_output_of_another_shape(network: nn.Module, folder: Path) -> None:
    list(islice(job(network, folder, "y.npy").tiles(), 1))
    np.save(folder / "y.npy", np.zeros((1, 2), np.float32))
    with pytest.raises(glassconv.ShapeError, match=r"it has shape \[1, 2\], and the output has"):
        job(network, folder, "y.npy")


@OUTPUTS
def test_a_full_disk_is_one_sentence(
    output: str, network: nn.Module, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if output != "y.zarr":  # its blocks are reserved before anything is computed
        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(glassconv.DataError, match=r"y\.\w+: it cannot be written: No space"):
            job(network, folder, output)
        assert sorted(path.name for path in folder.iterdir()) == ["x.npy", f"{output}.tiles"]
        monkeypatch.undo()
        assert len(list(job(network, folder, output).tiles())) > 1
        return
    begun = job(network, folder, output)
    monkeypatch.setattr(files, "write", full)
    with pytest.raises(glassconv.DataError, match=r"y\.zarr: it cannot be written: No space left"):
        list(begun.tiles())
    monkeypatch.undo()
    list(job(network, folder, output).tiles())


def test_an_output_that_numpy_has_no_type_for(folder: Path) -> None:
    with pytest.raises(glassconv.DtypeError, match=r"NumPy has no torch\.bfloat16"):
        job(nn.Conv2d(3, 4, 3).bfloat16(), folder, "y.npy")
    assert [path.name for path in folder.iterdir()] == ["x.npy"]


def test_a_folder_that_cannot_be_written_to(network: nn.Module, folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(glassconv.DataError, match="it cannot be written: Not a directory"):
        job(network, folder, "file/y.npy")


def write_planes(path: Path, planes: Array, axes: str) -> None:
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": axes})


@pytest.mark.parametrize("axes", ["YXS", "CYX"])
def test_an_image_in_tiff(
    axes: str, network: nn.Module, folder: Path, image: Array, expected: Array
) -> None:
    if axes == "YXS":
        pixels = np.ascontiguousarray(np.moveaxis(image[0], 0, -1))
        tifffile.imwrite(folder / "x.tif", pixels, tile=(16, 16), photometric="rgb")
    else:
        write_planes(folder / "x.tif", image[0], "CYX")
    list(job(network, folder, "y.npy", "x.tif").tiles())
    assert np.array_equal(read(folder / "y.npy"), expected)


def test_a_stack_in_tiff_is_refused(network: nn.Module, folder: Path) -> None:
    write_planes(folder / "x.tif", np.zeros((2, 3, 8, 8), np.uint8), "ZCYX")
    with pytest.raises(glassconv.DataError, match="its axes are ZCYX, and YXS, YX"):
        job(network, folder, "y.npy", "x.tif")


@pytest.mark.parametrize("name", ["none.npy", "x.png"])
def test_an_input_that_cannot_be_read(name: str, network: nn.Module, folder: Path) -> None:
    with pytest.raises(glassconv.DataError, match=name):
        job(network, folder, "y.npy", name)
    assert not (folder / "y.npy.tiles").exists()


def test_an_output_of_another_format(network: nn.Module, folder: Path) -> None:
    with pytest.raises(glassconv.DataError, match=r"written to \.npy, .*, not to 'y\.png'"):
        job(network, folder, "y.png")


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_tiff_is_read_by_others(channels: int, folder: Path, image: Array) -> None:
    layer = nn.Conv2d(3, channels, 3)
    list(job(layer, folder, "y.tif").tiles())
    found = tifffile.imread(folder / "y.tif")
    expected = glassconv.tile(layer, image, accuracy="strict")[0]
    assert np.array_equal(found.reshape(expected.shape), expected)
    assert np.array_equal(read(folder / "y.tif")[0], expected)


def test_a_tiff_of_a_batch_is_refused(folder: Path) -> None:
    np.save(folder / "two.npy", np.zeros((2, 3, 8, 8), np.float32))
    with pytest.raises(glassconv.DataError, match=r"TIFF holds one image .* is \[2, 3, 8, 8\]"):
        job(nn.ReLU(), folder, "y.tif", "two.npy")


def test_tiles_are_computed_one_by_one(network: nn.Module, folder: Path) -> None:
    """So that Ctrl-C loses one tile at most."""
    begun = job(network, folder, "y.npy")
    tasks: Iterator[int] = one_by_one(
        begun.program, begun.source, begun.target, list(enumerate(begun.regions))
    )
    assert next(tasks) == 0
