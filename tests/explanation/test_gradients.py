"""What `explain --backward` says of a problem, a layer and a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator
from torch import nn

import glassconv
from glassconv import explain_gradients, parse
from glassconv.dispatch import gradient_choice
from glassconv.errors import ArgumentError, UnsupportedError
from glassconv.explanation import gradients
from glassconv.explanation.gradients import explain_network_gradients
from glassconv.problem.transposed import parse_transposed
from glassconv.reports.gradients import GradientExplanation, NetworkGradients
from support.command_line import pipe, run

SCHEMA = json.loads(
    (Path(glassconv.__file__).parent / "reports" / "gradients.schema.json").read_text("utf-8")
)


@pytest.fixture(autouse=True)
def _choose_anew() -> None:
    gradient_choice.forget()


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1, bias=False),
        nn.ConvTranspose2d(64, 8, 2, 2),
    )  # fmt: skip


def test_each_part_says_what_computes_it_and_within_which_bound() -> None:
    report = explain_gradients("8x64x56x56 64@3x3 p1")
    assert [part.name for part in report.parts] == ["output", "input", "weight", "bias"]
    assert [part.kernel for part in report.parts] == [
        "winograd4", "winograd4", "winograd", "winograd",
    ]  # fmt: skip
    of_input, of_weight, of_bias = report.parts[1:]
    assert of_input.convolution == "8x64x56x56 64@3x3 s1 p1 nobias transposed"
    assert of_weight.convolution == "64x8x56x56 64@56x56 s1 p1 nobias"
    assert of_weight.bound.factor == pytest.approx((8 * 14 * 14 + 64) * 2.0**-24, rel=1e-3)
    assert of_bias.bound.factor == (8 * 56 * 56 + 1) * 2.0**-24
    assert of_bias.bound.measure == "Σ|g|"


def test_kept_are_the_input_and_the_weight() -> None:
    report = explain_gradients("2x3x8x8 4@3x3 nobias float64")
    assert [(each.name, each.shape, each.bytes) for each in report.kept] == [
        ("input", (2, 3, 8, 8), 2 * 3 * 8 * 8 * 8),
        ("weight", (4, 3, 3, 3), 4 * 3 * 9 * 8),
    ]
    assert report.kept_bytes == sum(each.bytes for each in report.kept)
    assert [part.name for part in report.parts] == ["output", "input", "weight"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3x6x6x6 4@3x3x3", "no kernel computes gradients of three axes"),
        ("8x64x28x28 64@3x3 bfloat16", "no kernel computes gradients of bfloat16"),
    ],
)
def test_pytorchs_part_says_why(text: str, reason: str) -> None:
    parts = explain_gradients(text).parts
    assert all(part.kernel is None for part in parts)
    assert any(part.reason.startswith(reason) for part in parts)


def test_16_bits_that_are_slower_are_computed_and_kept_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = "8x64x56x56 64@3x3 p1 bfloat16"
    kept = explain_gradients(problem).kept_bytes
    monkeypatch.setattr(gradients, "is_faster_in_float32", lambda *given, **asked: True)
    report, in_float32 = map(explain_gradients, (problem, "8x64x56x56 64@3x3 p1"))
    assert report.shorthand == "8x64x56x56 64@3x3 s1 p1 bfloat16"
    assert report.kept_bytes == 2 * kept
    assert any(part.kernel for part in report.parts)
    for part, wide in zip(report.parts, in_float32.parts, strict=True):
        assert part.kernel == wide.kernel
        assert part.reason == f"{wide.reason}; in float32, and rounded to bfloat16 once"
        assert part.bound.formula == f"{wide.bound.formula}, rounded to bfloat16 once, 0.00391"


def test_where_kernels_save_little_pytorch_computes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_choice, "RECORDING", 1e9)
    parts = explain_gradients("8x64x56x56 64@3x3 p1").parts
    assert all(part.kernel is None for part in parts)
    assert parts[0].reason.startswith("kernels would save less than")
    gradient_choice.forget()


def test_a_problem_a_shorthand_and_a_layer_say_the_same() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    expected = explain_gradients("2x3x9x9 4@3x3 p1")
    assert explain_gradients(layer, [2, 3, 9, 9]) == expected
    assert explain_gradients(parse("2x3x9x9 4@3x3 p1")) == expected


def test_a_transposed_convolutions_gradients_are_convolutions() -> None:
    of_input = explain_gradients(parse_transposed("8x4x4 3@2x2 s2 transposed")).parts[1]
    assert of_input.convolution == "1x3x8x8 8@2x2 s2 p0 nobias"


def test_a_network_has_a_row_for_each_convolution() -> None:
    report = explain_gradients(network(), [2, 3, 16, 16])
    assert isinstance(report, NetworkGradients)
    assert [layer.name for layer in report.layers] == ["0", "2", "3"]
    assert [layer.is_first for layer in report.layers] == [True, False, False]
    first, *_ = report.layers
    assert [part.name for part in first.explanation.parts] == ["output", "weight", "bias"]
    inputs = (2 * 3 * 16**2, 2 * 64 * 16**2, 2 * 64 * 16**2)
    assert report.kept_bytes == 4 * sum(inputs)


def test_an_input_of_two_convolutions_is_kept_once() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.add(self.first(x), self.second(x))

    report = explain_network_gradients(Fork(), (1, 3, 8, 8), "fork")
    assert report.kept_bytes == 4 * 3 * 8 * 8


def test_what_cannot_be_explained_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="an empty batch"):
        explain_gradients("0x3x8x8 4@3x3")
    with pytest.raises(UnsupportedError, match="it calls no convolution"):
        explain_gradients(nn.Sequential(nn.ReLU()), [1, 3, 8, 8])
    with pytest.raises(ArgumentError, match="a layer does not say how large its input is"):
        explain_gradients(nn.Conv2d(3, 4, 3))


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(lambda: explain_gradients("2x3x8x8 4@3x3"), id="problem"),
        pytest.param(lambda: explain_gradients("3x4x4x4 4@3x3x3"), id="three axes"),
        pytest.param(lambda: explain_gradients(network(), [1, 3, 8, 8]), id="network"),
    ],
)
def test_the_json_is_of_the_schema(
    report: Callable[[], GradientExplanation | NetworkGradients],
) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    document = json.loads(report().to_json())
    Draft202012Validator(SCHEMA).validate(document)
    for layer in document.get("layers", []):
        Draft202012Validator(SCHEMA).validate({"version": 1, **layer["explanation"]})


def test_the_command_prints_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(tmp_path, monkeypatch)
    assert run(monkeypatch, "explain", "8x64x56x56", "64@3x3", "p1", "--backward") == 0
    printed = capsys.readouterr().out
    assert "3  The weight's gradient" in printed
    assert "computed by  the kernel winograd: predicted to be faster than PyTorch" in printed
    assert "in all  6.57 MB" in printed
    assert run(monkeypatch, "explain", "3x8x8", "4@3x3", "--backward", "--json") == 0
    Draft202012Validator(SCHEMA).validate(json.loads(capsys.readouterr().out))
    assert run(monkeypatch, "explain", "3x8x8", "4@3x3", "--backward", "--time") != 0


def test_the_command_takes_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(tmp_path, monkeypatch)
    file = tmp_path / "nets.py"
    file.write_text(
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 4, 3))"
    )
    asked = ("explain", f"{file}:net", "--input", "1x3x8x8", "--backward")
    assert run(monkeypatch, *asked) == 0
    printed = capsys.readouterr().out
    assert "weight's by kernels" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert run(monkeypatch, *asked, "--json") == 0
    Draft202012Validator(SCHEMA).validate(json.loads(capsys.readouterr().out))
