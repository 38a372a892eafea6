"""What PyTorch's kernels are predicted to allocate for themselves is what they are seen to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.networks.allocations import Allocations
from support.architectures import measured
from support.optimized import Calls


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def check(model: nn.Module, x: Tensor) -> None:
    with torch.inference_mode(), Allocations() as predicted:
        model(x)
    assert predicted.peak_bytes == measured(model, x)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("rows", [1, 49, 197, 800])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention(rows: int, dtype: torch.dtype) -> None:
    x = torch.rand(2, 3, rows, 32, dtype=dtype)
    check(Calls(lambda x: F.scaled_dot_product_attention(x, x, x)), x)


@pytest.mark.usefixtures("threads")
def test_attention_to_fewer_rows() -> None:
    x = torch.rand(2, 3, 200, 32)
    check(Calls(lambda x: F.scaled_dot_product_attention(x, x[..., :7, :], x[..., :7, :])), x)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("rows", [20, 300])
def test_a_layer_of_attention(rows: int) -> None:
    layer = nn.MultiheadAttention(64, 4, batch_first=True).eval()
    check(
        Calls(lambda layer, x: layer(x, x, x, need_weights=False)[0], layer),
        torch.rand(2, rows, 64),
    )


@pytest.mark.parametrize("is_ordered", [True, False])
def test_a_product_of_matrices_that_are_copied_first(is_ordered: bool) -> None:
    x = torch.rand(4, 9, 3, 16)
    x = x.transpose(1, 2).contiguous() if is_ordered else x.transpose(1, 2)
    check(Calls(lambda x: x @ x.transpose(-1, -2)), x)
