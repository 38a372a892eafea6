"""Each convolution of a network is judged on its own input; a wrong one is found and named."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import support.torchvision_schemas  # noqa: F401  before torchvision
from glassconv.errors import UnsupportedError
from glassconv.networks.load import load
from glassconv.problem.operands import Operands
from glassconv.problem.problem import Problem
from glassconv.reports.error_bound import ErrorBound, Underflow
from glassconv.reports.verification import Verification
from glassconv.verification.network import verify_network
from glassconv.verification.verify import judge, verify


def model() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, groups=8), nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(4, 2, 1),
    ).eval()  # fmt: skip


def test_every_convolution_is_within_its_bound() -> None:
    report = verify_network(model(), torch.rand(2, 3, 16, 16))
    assert report.verdict
    assert [each.name for each in report.checks] == ["0", "3", "4", "5"]
    assert all(each.verification.share <= 1 for each in report.checks)
    assert 0 < report.error < 1e-5
    assert 0 < report.pytorch_error < 1e-5


def test_errors_are_those_of_the_float64_network() -> None:
    """Of a chain of one convolution, the error made, so far and of the network are one."""
    report = verify_network(nn.Sequential(nn.Conv2d(3, 8, 3)), torch.rand(1, 3, 16, 16))
    (check,) = report.checks
    assert check.made == pytest.approx(check.so_far, rel=1e-3)
    assert check.so_far == report.error


def test_a_convolution_outside_its_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of one layer is made so small that rounding exceeds it."""

    def judged(problem: Problem, *, operands: Operands) -> Verification:
        found = verify(problem, operands=operands)
        if problem.out_channels != 2:
            return found
        bound = ErrorBound(0.0, 1.0, "0", Underflow(0.0))
        output = F.conv2d(operands.input, operands.weight, operands.bias).numpy()
        return judge(problem, found.candidate, output, operands, bound)

    monkeypatch.setattr("glassconv.verification.network.verify", judged)
    report = verify_network(model(), torch.rand(1, 3, 16, 16))
    assert not report.verdict
    assert report.verdict.reason.startswith("1 of 4 are not right; 5: an element is off by")


def test_an_output_that_is_not_finite_is_wrong() -> None:
    network = model()
    with torch.no_grad():
        network[5].weight[0, 0, 0, 0] = float("inf")  # type: ignore[operator]
    report = verify_network(network, torch.rand(1, 3, 16, 16))
    assert not report.verdict
    assert "NaN or infinite" in report.verdict.reason


def test_the_network_is_not_changed() -> None:
    network = model().train()
    state = {name: each.clone() for name, each in network.state_dict().items()}
    verify_network(network, torch.rand(1, 3, 16, 16))
    assert network.training
    assert all(torch.equal(each, state[name]) for name, each in network.state_dict().items())
    assert next(network.parameters()).dtype == torch.float32


def test_a_network_of_timm_is_right() -> None:
    report = verify_network(load("timm:test_resnet"), torch.rand(1, 3, 64, 64))
    assert report.verdict
    assert len(report.checks) > 5


def test_one_image_without_a_batch_and_functions_are_verified() -> None:
    class Function(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            weight = torch.ones(2, 3, 3, 3, dtype=x.dtype)
            return F.conv2d(input=x, weight=weight, padding=1)

    assert verify_network(Function(), torch.rand(3, 8, 8)).verdict


def test_a_network_without_convolutions_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no convolution"):
        verify_network(nn.Linear(3, 3), torch.rand(1, 3))
