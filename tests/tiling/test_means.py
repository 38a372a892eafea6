"""Global means in a pass before: what is computed with them, and by what memory."""

from __future__ import annotations

from pathlib import Path

import dask.array
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import glassconv
from glassconv.tiling.files import FileJob


class Excited(nn.Module):
    """Two squeeze-and-excitation blocks: the second mean depends on the first."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3, 2, 1)
        self.squeeze, self.excite = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        x = x * self.excite(self.squeeze(F.adaptive_avg_pool2d(x, 1)).relu()).sigmoid()
        x = self.second(x)
        output: Tensor = x + self.linear(x.mean((2, 3)))[:, :, None, None]
        return output


class Context(nn.Module):
    """The mean beside the image, interpolated to its size, as in DeepLab."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = F.interpolate(x.mean((2, 3), keepdim=True), x.shape[2:], mode="bilinear")
        output: Tensor = self.last(torch.cat([x, mean], 1))
        return output


def classes() -> nn.Module:
    """Return a network whose output has no positions."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 5),
    )  # fmt: skip


NETWORKS = pytest.mark.parametrize(
    "make", [Excited, Context, classes], ids=lambda each: each.__name__
)
MEMORY = "80 kB"


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 3, 50, 40, dtype=torch.float64)


def is_near(found: Tensor, expected: Tensor) -> bool:
    """Return whether numbers of about one, added 2000 at a time in two orders, are the same."""
    return bool((found - expected).abs().max() <= 2000 * 2.0**-53 * expected.abs().max())


@NETWORKS
def test_means_are_those_of_the_whole_image(make: type[nn.Module], x: Tensor) -> None:
    network = make().double().eval()
    plan = glassconv.plan_tiles(network, x.shape, MEMORY, dtype=x.dtype, two_pass=True)
    assert max(plan.count, *(each.count for each in plan.before)) > 4
    with torch.no_grad():
        expected = network(x)
    assert is_near(glassconv.tile(network, x, MEMORY, two_pass=True), expected)


@NETWORKS
def test_means_on_dask_and_in_files(make: type[nn.Module], x: Tensor, tmp_path: Path) -> None:
    network = make().double().eval()
    with torch.no_grad():
        expected = network(x)
    chunked = dask.array.from_array(x.numpy(), chunks=(1, 3, 17, 40))
    lazy = glassconv.tile(network, chunked, MEMORY, two_pass=True)
    assert (lazy.shape, lazy.dtype) == (expected.shape, np.float64)
    assert is_near(torch.from_numpy(lazy.compute(scheduler="synchronous")), expected)
    np.save(tmp_path / "x.npy", x.numpy())
    job = FileJob(network, tmp_path / "x.npy", tmp_path / "y.npy", MEMORY, two_pass=True)
    assert list(job.tiles()) == list(range(job.plan.count))
    assert is_near(torch.from_numpy(np.load(tmp_path / "y.npy")), expected)


def test_what_two_passes_cost_is_told(x: Tensor) -> None:
    plan = glassconv.plan_tiles(classes().double(), x.shape, MEMORY, dtype=x.dtype, two_pass=True)
    (before,) = plan.before
    assert (plan.count, plan.tiles, plan.halo) == (1, (), ())
    assert (plan.macs, plan.read_bytes) == (before.macs, before.read_bytes)
    assert "pass of 2" in str(plan)
    again = glassconv.plan_tiles(Excited().double(), x.shape, "1 GB", dtype=x.dtype, two_pass=True)
    first, second = 50 * 40 * 8 * 27 * 2, 25 * 20 * 4 * 72 * 2
    assert again.macs == 3 * first + 2 * second
    assert again.macs_of_whole == first + second


def test_bfloat16_means_are_added_in_float32() -> None:
    x = torch.ones(1, 1, 40, 40, dtype=torch.bfloat16)
    assert glassconv.tile(nn.AdaptiveAvgPool2d(1), x, "1 kB", two_pass=True).item() == 1


def test_a_mean_is_refused_unless_asked_for(x: Tensor) -> None:
    reason = "2: adaptive_avg_pool2d reads all 50 positions .*; two_pass=True computes it before"
    with pytest.raises(glassconv.UnsupportedError, match=reason):
        glassconv.tile(classes().double(), x)


@pytest.mark.parametrize("two_pass", [False, True])
def test_strict_refuses_means(x: Tensor, two_pass: bool) -> None:
    with pytest.raises(glassconv.UnsupportedError, match="2: "):
        glassconv.tile(classes().double(), x, accuracy="strict", two_pass=two_pass)


def test_a_mean_along_one_axis_is_refused(x: Tensor) -> None:
    with pytest.raises(glassconv.UnsupportedError, match="reads all 40 positions"):
        glassconv.tile(nn.AdaptiveAvgPool2d((50, 1)), x, two_pass=True)
