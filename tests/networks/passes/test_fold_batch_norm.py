"""A batch normalisation becomes a part of the sums beside it where that is exact."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from support.optimized import Calls, after_passes, check, functions, with_statistics

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def folded(model: nn.Module, x: Tensor) -> list[str]:
    """Compare a model's outputs, and return the functions that are left after the pass."""
    check(with_statistics(model), x)
    return functions(after_passes(model, x)["fold_batch_norm"])


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_behind_a_convolution(axes: int, bias: bool, groups: int) -> None:
    layer = CONVOLUTIONS[axes - 1](4, 6, 3, 2, 1, groups=groups, bias=bias)
    model = nn.Sequential(layer, NORMS[axes - 1](6))
    assert folded(model, torch.randn(2, 4, *(7, 6, 5)[:axes])) == [f"conv{axes}d"]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_behind_a_transposed_convolution(axes: int, stride: int, groups: int) -> None:
    layer = TRANSPOSED[axes - 1](4, 6, 3, stride, 1, groups=groups)
    model = nn.Sequential(layer, NORMS[axes - 1](6))
    x = torch.randn(2, 4, *(7, 6, 5)[:axes])
    assert folded(model, x) == [f"conv_transpose{axes}d"]


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_in_front_of_a_convolution_without_padding(axes: int, bias: bool, groups: int) -> None:
    layer = CONVOLUTIONS[axes - 1](4, 8, 3, groups=groups, bias=bias)
    model = nn.Sequential(NORMS[axes - 1](4), layer)
    assert folded(model, torch.randn(2, 4, *(7, 6, 5)[:axes])) == [f"conv{axes}d"]


def test_padding_as_text() -> None:
    def model(padding: str) -> nn.Module:
        return nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=padding))

    x = torch.randn(1, 4, 6, 6)
    assert folded(model("valid"), x) == ["conv2d"]
    assert folded(model("same"), x) == ["batch_norm", "conv2d"]


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(4, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 3)], ids=["padded", "whole"]
)
def test_zeros_of_the_padding_are_not_normalized(layer: nn.Module) -> None:
    model = nn.Sequential(nn.BatchNorm2d(4), layer)
    assert folded(model, torch.randn(1, 4, 6, 6))[0] == "batch_norm"


def test_on_both_sides_of_a_linear_layer() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 6), nn.BatchNorm1d(6))
    assert folded(model, torch.randn(3, 4)) == ["linear"]


def test_the_channels_of_a_linear_layer_are_its_last_axis() -> None:
    model = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(4, 6), nn.BatchNorm1d(5))
    assert folded(model, torch.randn(3, 5, 4)) == ["batch_norm", "linear", "batch_norm"]


def test_the_channels_of_an_image_without_a_batch_are_its_first_axis() -> None:
    def rows(layer: nn.Module, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
        assert norm.running_mean is not None and norm.running_var is not None
        return F.batch_norm(layer(x), norm.running_mean, norm.running_var)

    model = Calls(rows, nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6))
    assert folded(model, torch.randn(4, 6, 5)) == ["conv2d", "batch_norm"]


def test_one_layer_and_one_norm_called_twice() -> None:
    def twice(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(layer(norm(layer(x))))  # type: ignore[no-any-return]

    model = Calls(twice, nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    assert folded(model, torch.randn(1, 4, 8, 8)) == ["conv2d", "conv2d"]


def test_sums_that_something_else_reads_are_kept() -> None:
    def read(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
        y: Tensor = layer(x)
        return norm(y) + y  # type: ignore[no-any-return]

    def returned(layer: nn.Module, norm: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        y: Tensor = layer(x)
        return norm(y), y

    for function in (read, returned):
        model = Calls(function, nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        assert "batch_norm" in folded(model, torch.randn(1, 4, 8, 8))


@pytest.mark.parametrize("tracked", [True, False])
def test_without_parameters_and_without_statistics(tracked: bool) -> None:
    norm = nn.BatchNorm2d(4, affine=False, track_running_stats=tracked)
    model = nn.Sequential(nn.Conv2d(4, 4, 3), norm)
    if tracked:
        assert folded(model, torch.randn(2, 4, 8, 8)) == ["conv2d"]
        return
    check(model, torch.randn(2, 4, 8, 8))  # by the statistics of the batch
    functions_left = functions(after_passes(model, torch.randn(2, 4, 8, 8))["fold_batch_norm"])
    assert functions_left == ["conv2d", "batch_norm"]


def test_an_activation_between_them_stays_there() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    assert folded(model, torch.randn(1, 4, 8, 8)) == ["conv2d", "relu", "conv2d"]
