"""Operations that only move numbers are exact, whatever their arguments are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from support.optimized import Calls, check, kernels

X = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0))
LAYOUTS = pytest.mark.parametrize(
    "x", [X, X.to(memory_format=torch.channels_last)], ids=["contiguous", "channels last"]
)


def computed(function: Callable[..., object], *inputs: Tensor) -> list[str]:
    """Return what computes the steps of a function, which must be exact."""
    with torch.no_grad():
        fast = check(Calls(function), *inputs)
        found, expected = fast(*inputs), function(*inputs)
    assert isinstance(found, Tensor) and isinstance(expected, Tensor)
    assert torch.equal(found, expected)
    assert not fast.reasons
    return kernels(fast, *inputs)


@LAYOUTS
@pytest.mark.parametrize("axis", range(-4, 4))
def test_joined_along_each_axis(axis: int, x: Tensor) -> None:
    assert set(computed(lambda x: torch.cat([x, x + 1, x], axis), x)) <= {"copy", "elementwise"}
    assert set(computed(lambda x: torch.stack([x, x + 1], axis), x)) <= {"copy", "elementwise"}


@LAYOUTS
@pytest.mark.parametrize(
    "widths", [(1, 2), (0, 0, 2, 1), (1, 1, 0, 2, 3, 0), (-1, 2), (-1, -2, 0, -3), (0, 0)]
)
@pytest.mark.parametrize("number", [0.0, -2.5, float("nan")])
def test_padded(number: float, widths: Sequence[int], x: Tensor) -> None:
    model = Calls(lambda x: F.pad(x, list(widths), value=number).nan_to_num(7.0))
    fast = check(model, x)
    assert torch.equal(fast(x), model(x))
    assert kernels(fast, x).count("PyTorch") == 1  # nan_to_num


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_other_paddings_stay_with_pytorch(mode: str) -> None:
    assert "PyTorch" in computed(lambda x: F.pad(x, [1, 2, 2, 1], mode), X)


@LAYOUTS
@pytest.mark.parametrize("shift", [(2, 1), (-1, 7), (0, 3), (12, -9)])
def test_rolled(shift: tuple[int, int], x: Tensor) -> None:
    assert "PyTorch" not in computed(lambda x: x.roll(shift, (2, -1)), x)
    assert computed(lambda x: x.roll(shift[0], 1), x) != ["PyTorch"]


def test_rolls_that_stay_with_pytorch() -> None:
    assert "PyTorch" in computed(lambda x: x.roll(3), X)
    assert "PyTorch" in computed(lambda x: x.roll((1, 2), (1, 1)), X)


@LAYOUTS
def test_changes_of_shape(x: Tensor) -> None:
    for function in (
        lambda x: x.reshape(2, 2, 2, 6, 5).transpose(1, 2).reshape(2, 4, 6, 5),
        lambda x: x.permute(0, 2, 3, 1).flatten(1),
        lambda x: x.transpose(2, 3).contiguous(),
        lambda x: x.permute(0, 2, 3, 1).contiguous().view(2, -1, 4),
        lambda x: x[:, 1:3].clone(),
        lambda x: x.expand(3, 2, 4, 6, 5).reshape(6, 4, 6, 5),
    ):
        assert "PyTorch" not in computed(function, x)


@LAYOUTS
def test_views_of_what_the_plan_has_in_another_order(x: Tensor) -> None:
    for function in (
        lambda x: torch.relu(x.contiguous()).view(2, -1),
        lambda x: torch.relu(x.contiguous()).view_as(x.reshape(2, 2, 2, 6, 5)) + 1,
        lambda x: torch.ops.aten.unflatten.int(torch.relu(x), 1, (2, 2)),
        lambda x: torch.relu(x.contiguous()).as_strided((2, 4, 3), (120, 30, 2), 1),
        lambda x: torch.relu(x.contiguous()).view(torch.int32),
        lambda x: torch.view_as_real(torch.view_as_complex(x.contiguous().view(2, 4, 3, 5, 2)))[0],
        lambda x: torch.relu(x.contiguous(memory_format=torch.channels_last)).flatten(2),
        lambda x: torch.relu(x.contiguous()).view(2, 2, 2, 6, 5).transpose(1, 2).flatten(1, 2),
    ):
        fast = check(Calls(function), x)
        assert torch.equal(fast(x), function(x))
        assert not fast.reasons


def test_views_by_strides_that_the_plan_does_not_keep() -> None:
    fast = check(Calls(lambda x: x.transpose(2, 3).as_strided((2, 2), (1, 7))), X)
    assert "depends on strides" in fast.reasons[0]


def test_a_clone_of_an_input_is_no_view_of_it() -> None:
    fast = check(Calls(lambda x: x.clone()), X)
    result = fast(X)
    assert torch.equal(result, X)
    assert result.data_ptr() != X.data_ptr()


def test_other_element_types() -> None:
    whole = torch.arange(24).reshape(2, 3, 4)
    for function in (
        lambda x: torch.cat([x, x], 1),
        lambda x: F.pad(x, [1, 1]),
        lambda x: x.roll(1, 2),
        lambda x: torch.stack([x, x]),
        lambda x: x.transpose(1, 2).reshape(2, 12),
    ):
        computed(function, whole)
        computed(function, whole.bool())
        computed(function, whole.double())
