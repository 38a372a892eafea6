"""A padding with zeros becomes that of the convolution behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from support.optimized import Calls, after_passes, check, functions

X = torch.randn(2, 4, 9, 8, generator=torch.Generator().manual_seed(0))


def left(conv: nn.Module, pad: Sequence[int], x: Tensor, **options: Any) -> list[str]:
    """Compare a padded convolution, and return the functions that are left."""
    network = Calls(lambda conv, x: conv(F.pad(x, list(pad), **options)), conv)
    check(network, x)
    return functions(after_passes(network.eval(), x)["fold_padding"])


@pytest.mark.parametrize("pad", [(0, 1, 0, 1), (2, 0, 1, 3), (1, 2), (0, 0, 0, 0, 0, 0)])
@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": (1, 0)}, {"groups": 4, "dilation": 2}], ids=str
)
def test_it_is_folded(options: dict[str, Any], pad: tuple[int, ...]) -> None:
    assert left(nn.Conv2d(4, 8, 3, **options), pad, X) == ["conv2d"]


def test_sequences() -> None:
    assert left(nn.Conv1d(4, 6, 3), (2, 0), X[..., 0]) == ["conv1d"]


@pytest.mark.parametrize(
    ("pad", "options"),
    [
        ((-1, 1, 0, 0), {}),
        ((1, 1, 1, 1), {"value": 0.5}),
        ((1, 1, 1, 1), {"mode": "reflect"}),
        ((1, 1, 1, 1, 0, 0, 1, 1), {}),
    ],
    ids=["cut", "another number", "reflected", "the batch"],
)
def test_it_is_not_folded(pad: tuple[int, ...], options: dict[str, Any]) -> None:
    assert len(left(nn.Conv2d(4, 8, 3), pad, X, **options)) == 2


def test_padding_by_a_name_stays() -> None:
    assert left(nn.Conv2d(4, 8, 3, padding="same"), (1, 1, 1, 1), X) == ["pad", "conv2d"]


def test_a_padded_array_that_is_read_twice_stays() -> None:
    def twice(conv: nn.Module, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1))
        output: Tensor = conv(padded)
        return output + padded

    network = Calls(twice, nn.Conv2d(4, 4, 3, padding=1))
    check(network, X)
    assert "pad" in functions(after_passes(network.eval(), X)["unused"])


@pytest.mark.parametrize("pad", [(1, 1), (0, 1, 2, 0)])
def test_an_image_without_a_batch(pad: tuple[int, ...]) -> None:
    assert left(nn.Conv2d(4, 8, 3, padding=1), pad, X[0]) == ["conv2d"]
