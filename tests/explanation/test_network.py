"""A stack of layers is explained with the shapes and receptive fields that PyTorch gives it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from glassconv import explain
from glassconv.errors import ArgumentError, ConvError, UnsupportedError
from glassconv.explanation.explain import Report
from glassconv.explanation.network import NetworkReport

STACKS: dict[str, tuple[nn.Sequential, list[int]]] = {
    "1-D": (nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.Tanh(), nn.AvgPool1d(2)), [1, 2, 9]),
    "2-D": (
        nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Identity(),
            nn.Sequential(nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Conv2d(8, 4, 3, groups=2)),
            nn.Flatten(),
        ),
        [2, 3, 21, 30],
    ),
    "3-D": (nn.Sequential(nn.Conv3d(1, 2, 3), nn.GELU(), nn.MaxPool3d(2)), [1, 1, 8, 8, 9]),
    "transposed": (
        nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ConvTranspose2d(4, 2, 3, 2, output_padding=1)),
        [1, 3, 9, 9],
    ),
    "reflect": (nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")), [1, 1, 5, 6]),
    "circular same": (
        nn.Sequential(nn.Conv1d(1, 2, 4, padding="same", padding_mode="circular")), [1, 1, 7],
    ),
    "ceil mode": (nn.Sequential(nn.MaxPool2d(2, 3, ceil_mode=True)), [1, 1, 6, 7]),
}  # fmt: skip
STACK = pytest.mark.parametrize(("model", "shape"), STACKS.values(), ids=STACKS)


@STACK
def test_shapes_and_parameters_are_pytorchs(model: nn.Sequential, shape: list[int]) -> None:
    report = explain(model, shape)
    x = torch.zeros(shape)
    shapes = {}
    for name, module in model.eval().named_modules():
        module.register_forward_hook(
            lambda _module, _input, output, name=name: shapes.update({name: tuple(output.shape)})
        )
    model(x)
    for layer in report.facts.layers:
        if layer.kind != "pad":
            assert layer.output_shape == shapes[layer.name]
    parameters = sum(layer.parameters for layer in report.facts.layers)
    assert parameters == sum(each.numel() for each in model.parameters())


@STACK
def test_json_comes_back_equal_and_80_columns_hold_the_table(
    model: nn.Sequential, shape: list[int]
) -> None:
    report = explain(model, shape)
    assert NetworkReport.from_json(report.to_json()) == report
    assert max(map(len, str(report).splitlines())) <= 80
    html = report._repr_html_()
    assert html.count("<details>") == str(html).count("</details>")


def test_the_receptive_field_is_what_a_gradient_reaches() -> None:
    model = nn.Sequential(nn.Conv1d(1, 1, 3, 2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(1, 1, 3))
    [*_, last] = explain(model, [1, 1, 64]).facts.layers
    assert (last.receptive_field, last.jump) == ((13,), (4.0,))
    linear = nn.Sequential(nn.Conv1d(1, 1, 3, 2), nn.AvgPool1d(2), nn.Conv1d(1, 1, 3)).double()
    x = torch.zeros(1, 1, 64, dtype=torch.float64, requires_grad=True)
    linear(x)[0, 0, 2].backward()
    assert x.grad is not None
    assert int(x.grad.nonzero()[-1, 2] - x.grad.nonzero()[0, 2]) + 1 == 13


def test_padding_of_another_mode_is_a_layer_of_its_own() -> None:
    layer = nn.Conv2d(2, 3, 3, padding=(1, 0), padding_mode="replicate")
    report = explain(layer, [1, 2, 6, 6])
    assert isinstance(report, NetworkReport)
    pad, convolution = report.facts.layers
    assert (pad.module, pad.output_shape) == (
        "F.pad(x, (0, 0, 1, 1), mode='replicate')",
        (1, 2, 8, 6),
    )
    assert convolution.explanation is not None
    assert Report(convolution.explanation) == explain("2x8x6 3@3x3")


@pytest.mark.parametrize(
    ("model", "shape", "cause"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 4)), [1, 1, 6, 6], r"'1', Linear\(in_f"),
        (
            nn.Sequential(nn.Sequential(nn.LSTM(1, 1)), nn.Conv1d(1, 1, 1)),
            [1, 1, 6],
            "0.0', LSTM",
        ),
        (nn.Sequential(nn.Conv2d(1, 2, 9)), [1, 1, 6, 6], r"'0', Conv2d.*spans 9"),
        (nn.Sequential(nn.MaxPool2d(9)), [1, 1, 6, 6], "spans 9 of 6"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool1d(2)), [1, 1, 6, 6], "2 spatial axes"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.ReLU()), [1, 1, 6, 6], "no spatial"),
        (nn.Sequential(nn.ReLU()), [1, 2], "no convolution"),
        (nn.Conv2d(1, 1, 3, padding=2, padding_mode="reflect"), [1, 1, 2, 9], "reflect padding"),
    ],
)
def test_what_is_not_understood_is_named_with_its_place(
    model: nn.Module, shape: list[int], cause: str
) -> None:
    with pytest.raises(ConvError, match=cause):
        explain(model, shape)


def test_a_model_needs_an_input() -> None:
    with pytest.raises(ArgumentError, match="give its shape"):
        explain(nn.Sequential(nn.Conv2d(1, 2, 3)))
    with pytest.raises(UnsupportedError):
        explain(nn.Sequential(), [1, 1, 3, 3])
