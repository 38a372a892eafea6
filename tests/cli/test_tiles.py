"""`glassconv tile` and `glassconv run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import glassconv
from glassconv.networks.load import load
from glassconv.tiling import files
from glassconv.tiling.arrays import write
from glassconv.tiling.disk import Stored
from glassconv.tiling.files import FileJob
from glassconv.tiling.regions import Region
from support.command_line import pipe, run

NETWORK = """
from torch import nn
def network():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1))
"""
HEAD = ["net.py:network", "[1, 3, 4000, 3000] → [1, 2, 4000, 3000]", ""]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pipe(tmp_path, monkeypatch)
    (tmp_path / "net.py").write_text(NETWORK)
    return tmp_path


def test_a_plan_is_printed_and_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "tile net.py:network 1x3x4000x3000 --memory 50MB --type uint8 --accuracy strict --plan"
    assert run(monkeypatch, *words.split()) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == HEAD
    assert "halo            2+2 × 2+2 positions of the input" in lines
    assert "written         96 MB" in lines
    plan = glassconv.plan_tiles(
        load("net.py:network"), [1, 3, 4000, 3000], "50MB", dtype=torch.uint8, accuracy="strict"
    )
    down, right = map(len, plan.tiles)
    crossings = [line.count("┼") for line in lines if "┼" in line]
    assert crossings == [right - 1] * (down - 1)
    assert any("░" in line for line in lines)


@pytest.mark.parametrize("words", ["1x3xhigh", "1x3x9x9 --type whole", "1x3x9x9 --memory much"])
def test_what_is_no_shape_type_or_size(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "tile", "net.py:network", *words.split()) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_is_run_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).random((1, 3, 60, 50), dtype=np.float32)
    np.save(folder / "x.npy", x)
    words = "run net.py:network x.npy y.zarr --memory 60kB --accuracy strict".split()
    network = load("net.py:network")
    begun = FileJob(network, Path("x.npy"), Path("y.zarr"), "60kB", accuracy="strict")
    next(begun.tiles())
    assert run(monkeypatch, *words) == 0
    assert f"1 of {begun.plan.count} tiles are finished already" in capsys.readouterr().err
    found = Stored(folder / "y.zarr").array[:]
    expected = glassconv.tile(network, torch.from_numpy(x), accuracy="strict")
    assert np.array_equal(found, expected.numpy())
    assert run(monkeypatch, *words) == 2
    assert "it is there already" in capsys.readouterr().err


def test_ctrl_c_says_what_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(folder / "x.npy", np.zeros((1, 3, 60, 50), np.float32))

    def interrupted(array: Any, region: Region, tile: torch.Tensor) -> None:
        if region[2].start:  # the second row of tiles
            raise KeyboardInterrupt
        write(array, region, tile)

    monkeypatch.setattr(files, "write", interrupted)
    words = "run net.py:network x.npy y.tif --memory 60kB --accuracy strict".split()
    assert run(monkeypatch, *words) == 130
    assert "tiles are finished; the same command goes on" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert run(monkeypatch, *words) == 0


def test_a_network_for_classes_is_planned_in_two_passes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = ", nn.AdaptiveAvgPool2d(1), nn.Flatten())"
    (folder / "net.py").write_text(NETWORK.rstrip()[:-1] + last)
    words = "tile net.py:network 1x3x4000x3000 --memory 50MB".split()
    assert run(monkeypatch, *words) == 2
    assert "two_pass=True computes it before" in "".join(capsys.readouterr().err.splitlines())
    assert run(monkeypatch, *words, "--two-pass") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("pass of 3 ") for line in lines)
