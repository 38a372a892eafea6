"""Kernels run under function modes, and a mode sees the call that was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

import glassconv
from glassconv.kernels.runtime.plan import Plan

X, W, B = torch.randn(1, 8, 9, 9), torch.randn(8, 8, 3, 3), torch.randn(8)
ROWS, TAPS = torch.randn(3, 8, 9), torch.randn(8, 8, 3)
VOLUME, CUBES = torch.randn(1, 1, 4, 5, 6), torch.randn(2, 1, 3, 3, 3)


class Recorded(TorchFunctionMode):
    """What a mode sees; it changes nothing."""

    def __init__(self) -> None:
        self.seen: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.seen.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


class PyTorchs(TorchFunctionMode):
    """A mode that calls PyTorch's function in place of ours."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return getattr(F, func.__name__)(*args, **(kwargs or {}))


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Plan]]:
    """Return a list of the kernels that have run, in order."""
    ran: list[Plan] = []
    call = Plan.__call__

    def counted(self: Plan, *arrays: Tensor) -> Tensor:
        ran.append(self)
        return call(self, *arrays)

    monkeypatch.setattr(Plan, "__call__", counted)
    yield ran


def convolve() -> Tensor:
    return glassconv.conv2d(X, W, B, padding=1, algorithm="implicit_gemm")


def test_a_default_device_keeps_the_kernels(kernels: list[Plan]) -> None:
    expected = convolve()
    for device in ("cpu", "meta"):  # of new tensors; these are the CPU's
        with torch.device(device):
            found = convolve()
            assert found.device.type == "cpu"
            assert torch.equal(found, expected)
    assert len(kernels) == 3
    torch.set_default_device("cpu")
    try:
        assert torch.equal(convolve(), expected)
    finally:
        torch.set_default_device(None)
    assert len(kernels) == 4


def test_every_mode_sees_the_call_once(kernels: list[Plan]) -> None:
    expected = convolve()
    with Recorded() as outer, Recorded() as inner:
        found = convolve()
        again = glassconv.conv_transpose1d(ROWS, TAPS, output_padding=1, stride=2, residual=None)
    assert torch.equal(found, expected)
    assert kernels
    for mode in (outer, inner):
        (function, args, options), (transposed, _, others) = mode.seen
        assert function is glassconv.conv2d
        assert args == (X, W, B)
        assert options == {
            "stride": 1,
            "padding": 1,
            "dilation": 1,
            "groups": 1,
            "algorithm": "implicit_gemm",
        }
        assert transposed is glassconv.conv_transpose1d
        assert others["output_padding"] == 1
    assert torch.equal(again, glassconv.conv_transpose1d(ROWS, TAPS, output_padding=1, stride=2))


@pytest.mark.parametrize(
    "call",
    [
        lambda library: library.conv1d(ROWS, TAPS, stride=2),
        lambda library: library.conv2d(X, W, B, padding="same"),
        lambda library: library.conv3d(VOLUME, CUBES, groups=1),
        lambda library: library.conv_transpose2d(X, W, None, 2, 1, 1),
    ],
    ids=["conv1d", "conv2d", "conv3d", "conv_transpose2d"],
)
def test_a_mode_may_call_pytorchs_function_instead(call: Callable[[Any], Tensor]) -> None:
    with PyTorchs():
        found = call(glassconv)
    assert torch.equal(found, call(F))


def test_a_residual_is_passed_on(kernels: list[Plan]) -> None:
    residual = torch.ones(1, 8, 9, 9)
    with Recorded() as mode:
        found = glassconv.conv2d(X, W, padding=1, residual=residual, activation="relu")
    ((_, _, options),) = mode.seen
    assert options["residual"] is residual
    assert options["activation"] == "relu"
    expected = glassconv.conv2d(X, W, padding=1, residual=residual, activation="relu")
    assert torch.equal(found, expected)


def test_errors_are_the_same() -> None:
    with torch.device("cpu"), pytest.raises(glassconv.ShapeError, match="channels"):
        glassconv.conv2d(X, W[:, :3])


def test_gradients_pass_through_a_mode() -> None:
    weight = W.clone().requires_grad_()
    with torch.device("cpu"):
        (ours,) = torch.autograd.grad(glassconv.conv2d(X, weight).sum(), weight)
    (theirs,) = torch.autograd.grad(F.conv2d(X, weight).sum(), weight)
    assert torch.equal(ours, theirs)
