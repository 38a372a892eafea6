"""A step of training allocates no more than PyTorch's, but for the workspace that is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import glassconv.nn
from glassconv.dispatch import dispatch
from glassconv.kernels.runtime import packed_weights, plan
from glassconv.kernels.runtime.packed_weights import packed_bytes
from support.every_kernel import choose_every_kernel

MODELS = {
    "3 × 3": lambda: nn.Sequential(
        *(nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()) for _ in range(4))
    ),
    "strided": lambda: nn.Sequential(
        nn.Conv2d(32, 48, 3, 2, 1), nn.ReLU(), nn.Conv2d(48, 64, 3, 2, 1)
    ),
    "1 × 1 and depthwise": lambda: nn.Sequential(
        nn.Conv2d(32, 64, 1),
        nn.ReLU6(),
        nn.Conv2d(64, 64, 3, 1, 1, groups=64),
        nn.Conv2d(64, 32, 1),
    ),
}


@pytest.fixture(autouse=True)
def _by_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let kernels compute every gradient that they support, from no memory at all."""
    monkeypatch.setattr(dispatch, "choose_gradients", choose_every_kernel)
    forget()
    yield
    forget()


def forget() -> None:
    """Free the packed weights and the workspace."""
    dispatch.forget()
    packed_weights.forget()
    plan._workspace.size, plan._workspace.buffer = -1, plan.NO_MEMORY


def peak(model: nn.Module, input: Tensor, steps: int) -> int:
    """Return the most bytes that were allocated at once in some first steps."""
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)
    activities = [ProfilerActivity.CPU]
    with profile(activities=activities, profile_memory=True) as seen:
        for _ in range(steps):
            optimiser.zero_grad()
            model(input).square().mean().backward()
            optimiser.step()
    assert seen.profiler is not None
    events = [each for each in seen.profiler.kineto_results.events() if each.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda each: each.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_a_step_takes_no_more_than_pytorchs_beside_the_workspace(
    make: Callable[[], nn.Module], format: torch.memory_format
) -> None:
    theirs = make().to(memory_format=format)  # type: ignore[call-overload]
    ours = glassconv.nn.swap(theirs).model
    input = torch.randn(4, 32, 48, 48).contiguous(memory_format=format)
    of_pytorch = peak(theirs, input, steps=2)
    assert peak(ours, input, steps=2) <= of_pytorch + workspace_bytes()
    assert packed_bytes() == 0


def workspace_bytes() -> int:
    """Return the bytes of this thread's workspace, and of the huge page in which it begins."""
    return plan._workspace.buffer.untyped_storage().nbytes()


def test_the_workspace_holds_the_packed_weight_of_one_layer_not_of_all() -> None:
    def after_a_step(layers: int) -> int:
        forget()
        layer = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(layers)]
        peak(glassconv.nn.swap(nn.Sequential(*layer)).model, torch.randn(2, 64, 16, 16), steps=1)
        return workspace_bytes()

    assert after_a_step(1) == after_a_step(6)
    assert packed_bytes() == 0


def test_a_frozen_weight_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = glassconv.nn.swap(nn.Sequential(nn.Conv2d(64, 64, 3, padding=1))).model
    model.requires_grad_(False)
    input = torch.randn(2, 64, 16, 16, requires_grad=True)
    model(input).sum().backward()
    kept = packed_bytes()
    assert kept > 0
    model(input).sum().backward()
    assert packed_bytes() == kept
