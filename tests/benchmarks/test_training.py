"""The benchmark of training steps: its steps are steps, and its table has a line for each layer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from glassconv.benchmarks import training
from glassconv.functional import conv2d
from glassconv.problem.memory_layout import NCHW
from glassconv.problem.shorthand import parse


def spied(convolve: Callable[..., torch.Tensor], seen: list[torch.Tensor]) -> Any:
    """Return the function, which notes its weights."""

    def call(input: torch.Tensor, weight: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(weight)
        return convolve(input, weight, *rest)

    return call


@pytest.mark.parametrize("first", [False, True])
def test_a_step_changes_the_weight_alike(first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, weights = parse("2x3x6x6 4@3x3 p1"), []
    monkeypatch.setattr(training, "RATE", 1.0)
    for convolve in (F.conv2d, conv2d):
        seen: list[torch.Tensor] = []
        torch.manual_seed(0)
        step = training.layer_step(problem, NCHW, spied(convolve, seen), first=first)
        step()
        step()
        weights.append(seen[-1].detach().double())
    torch.testing.assert_close(*weights, rtol=0, atol=1e-4)


def test_the_table_has_a_line_for_each_layer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "WARM_UP", 0)
    file = tmp_path / "layers.csv"
    file.write_text("problem,count\n3x6x6 4@3x3,2\n4x6 4@3,1\n")
    before = torch.get_num_threads()
    try:
        training.main(["--suite", str(file), "--batch", "1", "--rounds", "1", "--threads", "1"])
    finally:
        torch.set_num_threads(before)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| 1x3x6x6 4@3x3 s1 p0 | 2 | ")
    assert lines[3].startswith("geometric mean ")


def test_a_network_takes_steps() -> None:
    layer = torch.nn.Conv2d(3, 4, 3)
    before = layer.weight.detach().clone()
    training.network_step(torch.nn.Sequential(layer), torch.randn(2, 3, 6, 6))()
    assert not torch.equal(before, layer.weight)


def test_both_networks_are_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(training, "WARM_UP", 0)
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda network: compiled.append(type(network[0]).__module__)
    )
    file = tmp_path / "small.py"
    file.write_text("from torch import nn\ndef make(): return nn.Sequential(nn.Conv2d(3, 4, 3))\n")
    options = ["--size", "8", "--batch", "1", "--rounds", "1", "--compile"]
    training.main(["--network", f"{file}:make", *options])
    assert compiled == ["torch.nn.modules.conv", "glassconv.nn.convolution"]
    assert f"{file}:make, compiled, batch 1, 8²: " in capsys.readouterr().out


def test_a_network_of_torchvision_is_timed_as_a_user_does() -> None:
    """In a process of its own, where nothing else made torchvision importable."""
    module, options = "glassconv.benchmarks.training", ["--size", "64", "--batch", "1"]
    command = [sys.executable, "-m", module, "--network", "torchvision:squeezenet1_1", *options]
    done = subprocess.run(
        [*command, "--rounds", "1", "--threads", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("torchvision:squeezenet1_1, batch 1, 64²: PyTorch ")
