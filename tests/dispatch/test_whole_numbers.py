"""Whole numbers give whole numbers, whichever kernel is the fastest."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import glassconv
from glassconv.dispatch.whole_numbers import RefuseWholeNumbers

LAYOUTS = pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])


def pixels_and_taps(channels: int = 64, filters: int = 64, size: int = 56) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    input = torch.randint(0, 256, (1, channels, size, size), generator=generator).float()
    weight = torch.randint(-2, 3, (filters, channels, 3, 3), generator=generator).float()
    return input, weight


def exact(input: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(input.double(), weight.double(), padding=1).float()


@LAYOUTS
@pytest.mark.parametrize("algorithm", ["auto", "winograd4", "winograd2"])
def test_every_output_is_exact(layout: torch.memory_format, algorithm: str) -> None:
    input, weight = pixels_and_taps()
    given = input.to(memory_format=layout)
    output = glassconv.conv2d(given, weight, padding=1, algorithm=algorithm)
    assert torch.equal(output, exact(input, weight))


def test_any_accuracy_runs_the_named_kernel() -> None:
    input, weight = pixels_and_taps()
    output = glassconv.conv2d(input, weight, padding=1, algorithm="winograd4", accuracy="any")
    assert not torch.equal(output, exact(input, weight))


def test_a_weight_that_becomes_whole_is_noticed_and_one_that_ceases_to_be() -> None:
    input, weight = pixels_and_taps(32, 32, 16)
    filters = weight + 0.25
    for change, whole in ((-0.25, True), (0.25, False), (-0.25, True)):
        filters += change
        output = glassconv.conv2d(input, filters, padding=1, algorithm="winograd4")
        assert torch.equal(output, exact(input, filters)) == whole


@LAYOUTS
def test_an_activation_and_a_residual_are_applied(layout: torch.memory_format) -> None:
    input, weight = pixels_and_taps(32, 32, 16)
    given = input.to(memory_format=layout)
    output = glassconv.conv2d(
        given, weight, padding=1, algorithm="winograd4", activation="relu", residual=given
    )
    assert torch.equal(output, (exact(input, weight) + input).relu())


def test_a_transposed_convolution_is_exact_too() -> None:
    input, weight = pixels_and_taps(32, 32, 16)
    output = glassconv.conv_transpose2d(input, weight, padding=1, algorithm="winograd4")
    expected = F.conv_transpose2d(input.double(), weight.double(), padding=1)
    assert torch.equal(output, expected.float())


class Unpacked:
    """A packing that returns the weight as it is."""

    elements = 2

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor:
        return weight


def test_a_weight_is_refused_if_all_of_its_numbers_are_whole() -> None:
    pack = RefuseWholeNumbers(Unpacked())
    assert pack(torch.tensor([1.0, -2.0, 0.0])) is None
    for fraction in (0.5, torch.nan):
        assert pack(torch.tensor([1.0, fraction])) is not None
        assert pack(torch.tensor([fraction, 1.0])) is not None
