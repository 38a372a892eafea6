"""Operations in place become functions, and what cannot is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError
from support.optimized import Calls, after_passes, functions


def test_operations_in_place_return_their_result() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Hardtanh(inplace=True))
    network = after_passes(model, torch.rand(2, 3))["functional"]
    assert functions(network) == ["relu", "hardtanh"]
    assert not any(each.overload._schema.is_mutable for each in network.operations)


def test_what_reads_later_reads_what_was_written() -> None:
    def written_twice(x: Tensor) -> Tensor:
        y = x + 1
        y.mul_(2)
        return y.relu_() + y

    network = after_passes(Calls(written_twice), torch.rand(3))["functional"]
    add, mul, relu, last = network.operations
    assert mul.inputs == add.outputs
    assert relu.inputs == mul.outputs
    assert last.inputs == (*relu.outputs, *relu.outputs)


def through_a_view(x: Tensor) -> Tensor:
    y = x + 1
    y[:, 0].zero_()
    return y


def through_its_base(x: Tensor) -> Tensor:
    y = x + 1
    part = y[:, 0]
    y.zero_()
    return part


@pytest.mark.parametrize("function", [through_a_view, through_its_base])
def test_a_write_that_a_view_sees_is_refused(
    function: object,
) -> None:
    with pytest.raises(NetworkError, match="it writes into a view of another tensor"):
        after_passes(Calls(function), torch.rand(2, 3))  # type: ignore[arg-type]


def test_a_write_into_a_buffer_is_refused() -> None:
    def counted(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
        assert norm.running_mean is not None
        return norm.running_mean.add_(1) + x

    with pytest.raises(NetworkError, match="it writes into what the network keeps"):
        after_passes(Calls(counted, nn.BatchNorm1d(3)), torch.rand(2, 3))


def test_a_write_without_a_function_of_that_name_is_refused() -> None:
    def ordered(x: Tensor) -> Tensor:
        values, places = torch.empty(3), torch.empty(3, dtype=torch.int64)
        torch.sort(x, out=(values, places))
        return values

    with pytest.raises(NetworkError, match="sort writes into its arguments"):
        after_passes(Calls(ordered), torch.rand(3))
