"""Pooling: PyTorch's layers, also where the padding is uneven; what `ceil` adds is not counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from networks.onnx.one_node import one_node

X = torch.arange(1.0, 6.0).reshape(1, 1, 5)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, [2, 4]),
        ({"ceil_mode": 1}, [2, 4, 5]),
        ({"pads": [0, 1]}, [2, 4, 5]),
        ({"pads": [1, 1]}, [1, 3, 5]),
        ({"pads": [1, 0]}, [1, 3, 5]),
        ({"auto_pad": "SAME_UPPER"}, [2, 4, 5]),
        ({"auto_pad": "SAME_LOWER"}, [1, 3, 5]),
        ({"dilations": [2]}, [3, 5]),
    ],
    ids=str,
)
def test_the_largest(attributes: dict[str, Any], expected: list[float], tmp_path: Path) -> None:
    network = one_node(tmp_path, "MaxPool", {}, kernel_shape=[2], strides=[2], **attributes)
    assert any(isinstance(each, nn.MaxPool1d) for each in network.modules())
    assert network(-X.flip(-1)).flatten().tolist() != expected  # padding is not 0
    assert network(X).flatten().tolist() == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ceil_mode": 1}, [2, 4.5]),
        ({"pads": [1, 0]}, [1.5, 4]),
        ({"pads": [1, 0], "count_include_pad": 1}, [1, 4]),
        ({"pads": [1, 1], "count_include_pad": 1}, [1, 4]),
        (
            {"pads": [1, 1], "ceil_mode": 1, "count_include_pad": 1},
            [1, 4],
        ),  # none begins in padding
        ({"auto_pad": "SAME_LOWER"}, [1.5, 4]),
        ({"dilations": [2]}, [3]),
    ],
    ids=str,
)
def test_the_mean(attributes: dict[str, Any], expected: list[float], tmp_path: Path) -> None:
    options = {"kernel_shape": [3], "strides": [3], **attributes}
    network = one_node(tmp_path, "AveragePool", {}, version=19, **options)
    assert network(X).flatten().tolist() == expected
