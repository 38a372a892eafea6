"""A marked pair is one step in channels last, and two kernels elsewhere; the bits are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.kernels.pointwise_depthwise.plan import NAME
from glassconv.networks import planning
from glassconv.networks.optimize import OptimizedNetwork
from glassconv.networks.passes import fuse_depthwise
from glassconv.networks.passes.sums import BY_ROWS
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.rules.pairs import pair_with
from glassconv.networks.saved.check import check_shapes
from glassconv.networks.saved.file import load_saved
from glassconv.problem.memory_layout import NCHW, NHWC
from support.optimized import after_passes, kernels, optimized, with_statistics

X = torch.rand(2, 12, 30, 31)


def model() -> nn.Module:
    torch.manual_seed(0)
    return with_statistics(
        nn.Sequential(
            nn.Conv2d(12, 96, 1, bias=False),
            nn.BatchNorm2d(96),
            nn.ReLU6(),
            nn.Conv2d(96, 96, 3, stride=2, padding=1, groups=96, bias=False),
            nn.BatchNorm2d(96),
            nn.SiLU(),
            nn.Conv2d(96, 20, 1),
        )
    )


def planned(
    monkeypatch: pytest.MonkeyPatch, *, fused: bool, layout: str = NHWC
) -> OptimizedNetwork:
    """Return the network, whose pair is marked or not, in a memory layout."""
    monkeypatch.setattr(fuse_depthwise, "pays", lambda *_: fused)
    monkeypatch.setattr(planning, "fastest_layout", lambda *_: layout)
    network = optimized(model())
    assert (NAME in kernels(network, X)) == (fused and layout == NHWC)
    return network


def test_the_bits_are_those_of_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    expected: Tensor = planned(monkeypatch, fused=False)(X)
    fast = planned(monkeypatch, fused=True)
    threads = torch.get_num_threads()
    for each in (1, 2, 3):
        torch.set_num_threads(each)
        assert torch.equal(fast(X), expected)
    torch.set_num_threads(threads)
    planned(monkeypatch, fused=True, layout=NCHW)(X)


@pytest.mark.parametrize(
    ("layout", "accuracy", "is_one"),
    [(NHWC, "default", True), (NHWC, "strict", False), (NCHW, "default", False)],
)
def test_it_needs_channels_last_and_sums_in_any_order(
    layout: str, accuracy: str, is_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse_depthwise, "pays", lambda *_: True)
    network = after_passes(model(), X)["fuse_depthwise"]
    builder = Builder(network, layout, accuracy, is_compact=False)
    found = [pair_with(builder, each) is not None for each in network.operations]
    assert found == [is_one, is_one, False]


def test_a_saved_network_keeps_the_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fast = planned(monkeypatch, fused=True)
    fast.save(tmp_path / "a.safetensors", X)
    assert torch.equal(load_saved(tmp_path / "a.safetensors")(X), fast(X))


def test_a_mark_that_is_no_truth_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse_depthwise, "pays", lambda *_: True)
    operations = after_passes(model(), X)["fuse_depthwise"].operations
    (marked,) = (each for each in operations if BY_ROWS in each.arguments)
    check_shapes(marked)
    wrong = replace(marked, arguments={**marked.arguments, BY_ROWS: "yes"})
    with pytest.raises(NetworkError, match="input_by_rows must be true"):
        check_shapes(wrong)


def test_the_report_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = planned(monkeypatch, fused=True)
    (step,) = (each for each in fast.report(X).steps if each.kernel == NAME)
    assert step.name == "0 + 3"
    assert step.problem == "2x12x30x31 96@1x1 s1 p0 → 2x96x30x31 96@3x3 s2 p1 g96"
    assert step.macs == 2 * 96 * (12 * 30 * 31 + 9 * 15 * 16)
    assert step.layer is not None
    assert step.layer.error < 5 * step.layer.pytorch_error + 1e-7
