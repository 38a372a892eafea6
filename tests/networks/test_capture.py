"""A recorded call has every operation that a model makes, whatever code makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.errors import NetworkError, UnsupportedError
from glassconv.networks.capture import capture
from glassconv.networks.convolutions import convolutions
from glassconv.networks.graph import Graph
from glassconv.networks.load import load


def problems(model: nn.Module, shape: list[int]) -> list[str]:
    found = convolutions(capture(model, shape))
    return [f"{each.operation.name}: {each.problem}" for each in found]


class Functional(nn.Module):
    """A convolution as a function, with a weight that is no layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(4, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(F.conv2d(x, self.kernel, stride=2, padding=1))


class Reused(nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(self.conv(x))
        return result


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.relu(self.conv(x))
        y += x
        return {"sum": y, "input": x}


class Branching(nn.Module):
    """What it calls depends on numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return self.conv(y) if bool(y.abs().sum() >= 0) else y


class Caching(nn.Module):
    """Keeps a tensor that it made in a call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3)
        self.kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.kept is None:
            self.kept = torch.zeros(x.shape[-1])
        result: Tensor = self.conv(x + self.kept)
        return result


class ThroughView(nn.Module):
    """Writes into a part of what it then reads."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[..., 1:3] = self.conv(x)[..., 1:3]
        return y * 2


def test_a_function_in_forward_is_seen_with_its_weights_name() -> None:
    graph = capture(Functional(), [1, 3, 8, 8])
    [found] = convolutions(graph)
    assert str(found.problem) == "1x3x8x8 4@3x3 s2 p1 nobias"
    assert (found.operation.name, found.weight.name) == ("conv2d", "kernel")
    assert graph.parameters == 4 * 27


def test_a_layer_that_is_called_twice_is_two_operations_of_one_weight() -> None:
    graph = capture(Reused(), [1, 2, 9])
    first, second = convolutions(graph)
    assert [first.operation.name, second.operation.name] == ["conv", "conv#2"]
    assert first.weight == second.weight
    assert second.input == first.output


def test_data_flows_through_operations_in_place_and_skips() -> None:
    graph = capture(Skip(), [1, 2, 5, 5])
    names = [each.name for each in graph.operations]
    assert names == ["conv", "relu", "add_"]
    conv, relu, add = graph.operations
    assert relu.inputs == conv.outputs
    assert add.inputs == (*relu.outputs, *graph.inputs)
    assert graph.outputs == (*add.outputs, *graph.inputs)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_of_another_mode_is_a_pad_of_its_own(mode: Any) -> None:
    layer = nn.Conv2d(2, 3, 3, padding=(1, 0), padding_mode=mode)
    graph = capture(layer, [1, 2, 6, 6])
    assert [each.function for each in graph.operations] == ["pad", "conv2d"]
    assert problems(layer, [1, 2, 6, 6]) == ["conv2d: 1x2x8x6 3@3x3 s1 p0"]


def test_every_form_of_a_call_is_read() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, (3, 4), padding="same", dilation=2),
        nn.ConvTranspose2d(4, 4, 3, 2, 1, output_padding=1, groups=2, bias=False),
        nn.Conv2d(4, 2, 1, padding="valid"),
    )
    assert problems(model, [2, 3, 8, 9]) == [
        "0: 2x3x8x9 4@3x4 s1 p2x3 d2",
        "1: 2x4x8x9 4@3x3 s2 p1 g2 nobias transposed o1",
        "2: 2x4x16x18 2@1x1 s1 p0",
    ]


def test_a_graph_of_torch_fx_is_seen_inside() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Conv1d(2, 1, 3)).eval()
    expected = ["0: 1x1x9 2@3 s1 p0", "2: 1x2x7 1@3 s1 p0"]
    assert problems(torch.fx.symbolic_trace(model), [1, 1, 9]) == expected


def test_what_depends_on_numbers_is_run_and_the_reason_is_said() -> None:
    graph = capture(Branching(), [1, 1, 9])
    assert len(convolutions(graph)) == 2
    assert "DataDependent" in graph.executed
    assert capture(Reused(), [1, 2, 9]).executed == ""


def test_the_model_stays_as_it_was() -> None:
    model = Caching().train()
    state = {name: each.clone() for name, each in model.state_dict().items()}
    capture(model, [1, 1, 9])
    assert model.kept is None
    assert model.training
    assert all(each.training for each in model.modules())
    assert not model.conv._forward_hooks
    assert not model.conv._forward_pre_hooks
    assert all(torch.equal(each, state[name]) for name, each in model.state_dict().items())


def test_batch_statistics_are_not_updated_where_a_model_is_run() -> None:
    class Model(Branching):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(1)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.norm(super().forward(x))
            return result

    model = Model()
    before = model.norm.running_mean.clone() if model.norm.running_mean is not None else None
    assert capture(model, [1, 1, 9]).executed
    assert before is not None
    assert torch.equal(model.norm.running_mean, before)  # type: ignore[arg-type]


def test_what_is_written_through_a_view_reaches_the_whole() -> None:
    graph = capture(ThroughView(), [1, 1, 9])
    conv = next(each for each in graph.operations if each.function == "conv1d")
    assert _depends(graph, graph.outputs[0].number, conv.outputs[0].number)


def _depends(graph: Graph, value: int, on: int) -> bool:
    """Return whether a value was made from another."""
    if value == on:
        return True
    producer = graph.producers.get(value)
    return producer is not None and any(
        _depends(graph, each.number, on) for each in producer.inputs
    )


def test_a_lazy_layer_has_no_shape_yet() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU())
    with pytest.raises(NetworkError, match="lazy"):
        capture(model, [1, 3, 8, 8])


def test_a_convolution_of_complex_numbers_is_named() -> None:
    graph = capture(nn.Sequential(nn.Conv1d(1, 1, 1, dtype=torch.complex64)), [1, 1, 3])
    with pytest.raises(UnsupportedError, match="0: a convolution of complex64"):
        convolutions(graph)


def test_an_input_that_does_not_fit_is_refused_with_what_pytorch_says() -> None:
    with pytest.raises(NetworkError, match=r"Conv2d on an input \[1, 4, 8, 8\].*channels"):
        capture(nn.Conv2d(3, 8, 3), [1, 4, 8, 8])


def test_a_buffer_is_not_changed_where_a_model_is_run() -> None:
    class Counting(Branching):
        calls: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x)

    model = Counting()
    assert capture(model, [1, 1, 9]).executed
    assert model.calls == 0


def test_an_input_that_is_too_large_is_not_made() -> None:
    with pytest.raises(NetworkError, match=r"channels.*its input alone takes 3,725\.3 GiB"):
        capture(nn.Conv2d(3, 8, 3), [1, 1, 10**6, 10**6])


def test_shapes_alone_take_no_memory() -> None:
    """An input of 4 TB is captured as fast as any."""
    graph = capture(nn.Conv2d(1, 1, 3), [1, 1, 10**6, 10**6])
    assert graph.outputs[0].shape == (1, 1, 10**6 - 2, 10**6 - 2)


def test_a_function_of_a_layers_weight_has_the_layers_name(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 5, 1), nn.ReLU()))
    program = torch.export.export(network, (torch.rand(1, 3, 9, 9),))
    torch.export.save(program, tmp_path / "program.pt2")
    graph = capture(load(str(tmp_path / "program.pt2")), [1, 3, 9, 9])
    assert [each.name for each in graph.operations] == ["0", "1.0", "relu"]
