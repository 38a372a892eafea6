"""The back end of torch.compile: graphs become plans, for inference."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from networks.test_optimize import assert_close, small, weight_of


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


class Named(nn.Module):
    """A module with a parameter, a buffer, a plain tensor, and a number in its output."""

    factor: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layers = small()
        self.register_buffer("factor", torch.full((8, 1, 1), 2.0))
        self.plain = torch.ones(8, 1, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor | int]:
        return {"y": self.layers(x) * self.factor + self.plain, "height": x.shape[2]}


def test_pytorch_knows_it_by_its_entry_point() -> None:
    assert "glassconv" in torch.compiler.list_backends()


def test_it_computes_what_the_model_does_for_many_sizes() -> None:
    model = Named().eval()
    compiled = torch.compile(model, backend="glassconv")
    with torch.no_grad():
        for size in (9, 9, 12, 17):
            x = torch.rand(1, 3, size, size)
            found, expected = compiled(x), model(x)
            assert_close(found["y"], expected["y"])
            assert found["height"] == size


def test_changed_parameters_are_packed_again() -> None:
    model, x = small(), torch.rand(1, 3, 9, 9)
    compiled = torch.compile(model, backend="glassconv")
    with torch.no_grad():
        compiled(x)
        weight_of(model).mul_(2)
        assert_close(compiled(x), model(x))


def test_gradients_are_pytorchs() -> None:
    model, x = small(), torch.rand(1, 3, 9, 9)
    torch.compile(model, backend="glassconv")(x).sum().backward()
    found = weight_of(model).grad
    model.zero_grad()
    model(x).sum().backward()
    expected = weight_of(model).grad
    assert found is not None
    assert expected is not None
    assert_close(found, expected)


def test_it_works_in_inference_mode() -> None:
    model, x = small(), torch.rand(1, 3, 9, 9)
    with torch.inference_mode():
        compiled = torch.compile(model, backend="glassconv")
        assert_close(compiled(x), model(x))
