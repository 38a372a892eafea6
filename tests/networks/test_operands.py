"""What each convolution reads in a network, whatever called it and whatever is written after."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.capture import capture
from glassconv.networks.convolutions import convolutions
from glassconv.networks.operands import operands_of
from glassconv.problem.operands import Operands


def recorded(model: nn.Module, input: Tensor) -> tuple[Operands, ...]:
    return operands_of(model, input, convolutions(capture(model, input)))


class Overwrites(nn.Module):
    """Calls a convolution as a function, and then writes over what it read."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        y = x + 1
        z = nn.functional.conv2d(y, 2 * self.weight)
        y.zero_()
        return z + y.sum()


def test_a_function_is_seen_and_its_input_is_kept_as_it_was_read() -> None:
    model, x = Overwrites(), torch.randn(1, 2, 5, 5)
    (found,) = recorded(model, x)
    assert torch.equal(found.input, x + 1)
    assert torch.equal(found.weight, 2 * model.weight)
    assert found.bias is None


def test_the_model_is_evaluated_and_not_changed() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 2, 1), nn.Dropout(0.5), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1)
    )
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.randn(1, 2, 4, 4)
    found = recorded(model, x)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    with torch.no_grad():
        assert torch.equal(found[1].input, model.eval()[:3](x))


def test_an_image_without_a_batch_gets_one() -> None:
    (found,) = recorded(nn.Conv2d(2, 1, 1), torch.randn(2, 4, 4))
    assert found.input.shape == (1, 2, 4, 4)


class Counts(nn.Module):
    """Calls one convolution more each time that it is run."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        Counts.calls += 1
        for _ in range(Counts.calls):
            x = self.layer(x)
        return x


class Refuses(nn.Module):
    """Can be recorded with shapes, and not be run with these numbers."""

    def forward(self, x: Tensor) -> Tensor:
        root: Tensor = torch.linalg.cholesky(nn.functional.conv2d(x, torch.ones(1, 1, 1, 1)))
        return root


@pytest.mark.parametrize(
    ("model", "cause"),
    [(Counts(), "it calls other convolutions each time"), (Refuses(), "LinAlgError")],
)
def test_what_cannot_be_recorded_is_refused(model: nn.Module, cause: str) -> None:
    with pytest.raises(NetworkError, match=cause):
        recorded(model, -torch.ones(1, 1, 3, 3))
