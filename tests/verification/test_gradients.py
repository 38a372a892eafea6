"""Gradients are verified by all that computes them; a wrong one is found and named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from glassconv import parse, verify_gradients
from glassconv.algorithms import ALGORITHMS
from glassconv.dispatch import dispatch, gradient_choice
from glassconv.errors import UnsupportedError
from glassconv.kernels.weight_gradients import KERNELS, GradientKernel
from glassconv.kernels.weight_gradients.parts_plan import PartsPlan
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import parse_transposed
from glassconv.verification.gradients import PYTORCH, GradientTargets
from glassconv.verification.network_gradients import verify_network_gradients
from support.command_line import pipe, run

PROBLEMS: list[Problem] = [
    parse("2x3x9x8 4@3x3 p1"),
    parse("2x4x11x10 6@3x3 s2 p1 g2 nobias"),
    parse("2x3x9x8 4@2x3 s3 p1"),  # windows leave pixels over
    parse("2x5x9x9 5@3x3 p1 g5 float64"),
    parse("2x4x30 6@5 s3 p2 d2"),
    parse("1x2x4x4x4 3@3x3x3 p1"),
    parse("2x3x6x6 4@3x3 bfloat16"),
    parse_transposed("2x6x4x4 3@2x2 s2 transposed"),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=map(str, PROBLEMS))
def test_every_gradient_is_within_its_bound(problem: Problem) -> None:
    report = verify_gradients(problem)
    assert report.verdict
    assert list(report.named) == ["input", "weight", "bias"][: 2 + problem.bias]
    for verifications in report.named.values():
        assert PYTORCH in [each.candidate for each in verifications]
        assert all(each.elements > 0 for each in verifications)
        assert all(each.unbounded == 0 for each in verifications)


def test_everything_that_can_compute_a_gradient_is_verified() -> None:
    report = verify_gradients("2x8x8x8 8@3x3 p1")
    of_weight = {each.candidate for each in report.of_weight}
    assert {"gemm jit", "winograd jit", "im2col", "fft", PYTORCH} <= of_weight
    assert {each.candidate for each in report.of_bias} == {"gemm jit", "winograd jit", PYTORCH}
    of_input = {each.candidate for each in report.of_input}
    assert {"winograd4 jit", "winograd2", "implicit_gemm jit", "phases jit"} <= of_input
    every = of_weight | {each.candidate for each in verify_gradients("5x8x8 5@3x3 g5").of_weight}
    assert {f"{name} jit" for name in KERNELS} <= every
    assert of_input <= {*ALGORITHMS, *(f"{name} jit" for name in ALGORITHMS), PYTORCH}


def test_the_number_of_verifications_is_known_before() -> None:
    for problem in PROBLEMS[:3]:
        targets = GradientTargets.of(problem)
        assert len(targets) == len(list(targets.run(0)))


def _off_by_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel return weights of which one is off, and every bias."""
    right = PartsPlan.compute

    def compute(
        self: PartsPlan, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None
    ) -> None:
        right(self, input, grad, weight, bias)
        weight.view(-1)[-1] += 1e-2
        if bias is not None:
            bias += 1e-2

    monkeypatch.setattr(PartsPlan, "compute", compute)


def test_a_wrong_gradient_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _off_by_a_little(monkeypatch)
    report = verify_gradients("2x4x9x9 4@1x1")
    assert not report.verdict
    assert "the weight's gradient by gemm jit: an element is off by" in report.verdict.reason
    assert "the bias's gradient by gemm jit: an element is off by" in report.verdict.reason
    assert all(each.verdict for each in report.of_input)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="an empty batch has no gradients"):
        verify_gradients("0x3x8x8 4@3x3")


# -- networks ------------------------------------------------------------------------------------


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
        nn.Conv2d(16, 16, 3, padding="same", groups=16), nn.Conv2d(16, 24, 1, bias=False),
        nn.ConvTranspose2d(24, 4, 2, 2), nn.Conv2d(4, 2, 3, 2),
    ).eval()  # fmt: skip


@pytest.fixture
def _by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let recording a call cost nothing, so that kernels compute what small layers have."""
    monkeypatch.setattr(gradient_choice, "RECORDING", 0)
    dispatch.forget()


@pytest.mark.usefixtures("_by_kernels")
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_a_networks_gradients_are_within_their_bounds(format: torch.memory_format) -> None:
    input = torch.rand(2, 3, 32, 32).contiguous(memory_format=format)
    report = verify_network_gradients(network(), input)
    assert report.verdict
    assert [each.name for each in report.checks] == ["0", "3", "4", "5", "6"]
    first, *others = report.checks
    assert first.of_input is None
    assert all(each.of_input is not None for each in others)
    assert [each.of_bias is None for each in report.checks] == [False, False, True, False, False]
    by = {each.of_weight.candidate for each in report.checks}
    assert any(name.endswith(" jit") for name in by)


@pytest.mark.usefixtures("_by_kernels")
def test_a_wrong_layer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _off_by_a_little(monkeypatch)
    report = verify_network_gradients(network(), torch.rand(2, 3, 32, 32))
    assert not report.verdict
    assert "gradients are not right; " in report.verdict.reason


@pytest.mark.usefixtures("_by_kernels")
def test_a_layer_of_one_number_per_group_names_the_kernel_that_ran(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PyTorch returns such an output of float64 in NCHW, even if its input has channels last."""
    planned: list[str] = []
    plan = GradientKernel.plan

    def recorded(self: GradientKernel, problem: ConvProblem, layout: str) -> GradientPlan:
        planned.append(self.name)
        return plan(self, problem, layout)

    monkeypatch.setattr(GradientKernel, "plan", recorded)
    layer = nn.Conv2d(64, 64, 3, groups=64, dtype=torch.float64)
    input = torch.rand(64, 64, 3, 3, dtype=torch.float64)
    input = input.contiguous(memory_format=torch.channels_last)
    report = verify_network_gradients(nn.Sequential(layer), input)
    assert report.verdict
    by = [each.of_weight.candidate for each in report.checks]
    assert by == ([f"{name} jit" for name in planned] or [PYTORCH])


def test_a_network_without_a_convolution_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="it calls no convolution"):
        verify_network_gradients(nn.Sequential(nn.ReLU()), torch.rand(1, 3, 4, 4))


# -- the command ---------------------------------------------------------------------------------


def test_the_command_verifies_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(tmp_path, monkeypatch)
    assert run(monkeypatch, "verify", "2x3x8x8", "4@3x3", "p1", "--backward") == 0
    printed = capsys.readouterr().out
    assert "2  The weight's gradient" in printed
    assert "✓ gemm*" in printed
    assert "gradients of input, weight and bias is within its bound" in printed
    for wrong in ("--suite=vgg16", "--algorithm=fft", "--input=1x3x8x8"):
        assert run(monkeypatch, "verify", "3x8x8", "4@3x3", "--backward", wrong) != 0
    _off_by_a_little(monkeypatch)
    assert run(monkeypatch, "verify", "2x3x8x8", "4@3x3", "p1", "--backward") == 1


def test_the_command_verifies_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(tmp_path, monkeypatch)
    file = tmp_path / "nets.py"
    file.write_text(
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 4, 3))"
    )
    assert run(monkeypatch, "verify", f"{file}:net", "--input", "1x3x8x8", "--backward") == 0
    printed = capsys.readouterr().out
    assert "the gradients of every convolution are within their bounds" in printed
    assert max(map(len, printed.splitlines())) <= 80
