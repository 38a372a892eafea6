"""A program that is read computes what PyTorch's own loader computes, and refuses what it must."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError, ShapeError
from glassconv.networks.load import load
from support.programs import MODEL, changed, export, node, write_program


class Branches(nn.Module):
    """Operators with lists, several outputs, options and element types."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 3, 3, stride=2, groups=1)
        self.same = nn.Conv2d(4, 4, 3, padding="same")
        self.reflected = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
        self.shared = self.same

    def forward(self, x: Tensor, scale: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return two branches."""
        a, b = x.chunk(2, dim=1)
        pooled, places = nn.functional.max_pool2d(self.same(a), 2, return_indices=True)
        b = self.shared(self.reflected(b)).clamp(-float("inf"), 1.0) * scale
        return self.up(pooled), [b.to(torch.float64).mean((2, 3)), places.float()]


def test_a_program_computes_the_same_bits_as_pytorchs_loader(tmp_path: Path) -> None:
    path = write_program(tmp_path / "net.pt2")
    x = torch.randn(3, 3, 11, 8)
    network, expected = load(str(path)), torch.export.load(path).module()
    torch.testing.assert_close(network(x), expected(x), rtol=0, atol=0)
    torch.testing.assert_close(network(x=x), expected(x), rtol=0, atol=0)
    ours, theirs = network.state_dict(), torch.export.load(path).state_dict
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_lists_options_and_several_inputs(tmp_path: Path) -> None:
    inputs = (torch.randn(2, 8, 8, 8), torch.tensor(2.0))
    network = Branches()
    path = export(network, inputs, tmp_path / "net.pt2")
    read = load(str(path))
    torch.testing.assert_close(read(*inputs), network(*inputs), rtol=0, atol=0)
    torch.testing.assert_close(read(inputs[0], scale=inputs[1]), network(*inputs), rtol=0, atol=0)


def test_a_program_can_be_copied_cast_trained_and_exported(tmp_path: Path) -> None:
    network = load(str(write_program(tmp_path / "net.pt2")))
    x = torch.randn(2, 3, 8, 8)
    double = copy.deepcopy(network).double()
    torch.testing.assert_close(
        double(x.double())["mean"].float(), network(x)["mean"], rtol=1e-5, atol=1e-5
    )
    network(x)["mean"].sum().backward()
    assert network.get_parameter("conv.weight").grad is not None
    again = torch.export.export(network, (x,)).module()
    assert torch.equal(again(x)["mean"], network(x)["mean"])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 8), "x must have 4 axes, got 3"),
        ((2, 4, 8, 8), "x must have size 3 in axis 1, got 4"),
        ((2, 3, 8, 9), "x must have size 8 in axis 3, got 9"),
        ((2, 3, 2, 8), r"the size s\d+ must be 3 to 64, got 2"),
        ((2, 3, 65, 8), r"the size s\d+ must be 3 to 64, got 65"),
    ],
)
def test_a_size_that_it_was_not_recorded_for_is_refused(
    shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    network = load(str(write_program(tmp_path / "net.pt2")))
    for model in (network, copy.deepcopy(network)):
        with pytest.raises(ShapeError, match=message):
            model(torch.ones(shape))


def test_a_condition_of_the_file_is_checked(tmp_path: Path) -> None:
    def conditions(program: Any) -> None:
        program["guards_code"] = ["L['x'].size()[2] % 4 == 0", "max(1, L['x'].size()[0]) < 5"]

    network = load(str(write_program(tmp_path / "net.pt2", changed(MODEL, conditions))))
    network(torch.ones(4, 3, 12, 8))
    with pytest.raises(ShapeError, match=r"recorded for sizes with L.* % 4 == 0"):
        network(torch.ones(4, 3, 13, 8))
    with pytest.raises(ShapeError, match="< 5"):
        network(torch.ones(5, 3, 12, 8))


def test_a_size_can_be_an_expression_of_another(tmp_path: Path) -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y[:, ::2]

    width = torch.export.Dim("width", min=2, max=100)
    path = export(
        Pair(), (torch.ones(1, 4), torch.ones(1, 8)), tmp_path / "net.pt2",
        dynamic_shapes=({1: width}, {1: 2 * width}),
    )  # fmt: skip
    network = load(str(path))
    assert network(torch.ones(1, 5), torch.ones(1, 10)).shape == (1, 5)
    with pytest.raises(ShapeError, match="y must have size 10 in axis 1, got 9"):
        network(torch.ones(1, 5), torch.ones(1, 9))


def mutate(change: Callable[[Any], object]) -> dict[str, bytes]:
    return changed(MODEL, change)


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(3), nn.Dropout()])
def test_a_program_in_training_mode_is_refused(layer: nn.Module, tmp_path: Path) -> None:
    program = torch.export.export(nn.Sequential(layer), (torch.ones(2, 3, 8, 8),))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(NetworkError, match=r"training mode.*: call eval\(\) before"):
        load(str(tmp_path / "net.pt2"))


def test_an_operator_that_is_not_on_the_list_is_named(tmp_path: Path) -> None:
    def nonzero(program: Any) -> None:
        node(program, "relu.default")["target"] = "torch.ops.aten.nonzero.default"

    path = write_program(tmp_path / "net.pt2", mutate(nonzero))
    with pytest.raises(NetworkError, match=r"calls 'torch\.ops\.aten\.nonzero\.default', which"):
        load(str(path))


def test_operands_that_do_not_fit_are_named_with_their_node(tmp_path: Path) -> None:
    def strides(program: Any) -> None:
        stride = next(
            each for each in node(program, "conv2d.default")["inputs"] if each["name"] == "stride"
        )
        stride["arg"] = {"as_ints": [0, 0]}

    with pytest.raises(NetworkError, match=r"its node conv2d_default cannot be computed: "):
        load(str(write_program(tmp_path / "net.pt2", mutate(strides))))
