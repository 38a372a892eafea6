"""The operators that a program may call are PyTorch's, and none that does more than compute."""

from __future__ import annotations

import pytest
import torch

from glassconv.errors import NetworkError
from glassconv.networks.exported.operators import (
    OPERATORS,
    check_arguments,
    find_operator,
    writes_first_argument,
)


def test_every_operator_on_the_list_is_one_of_pytorchs() -> None:
    assert not [name for name in OPERATORS if not hasattr(torch.ops.aten, name)]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("torch.ops.aten.conv2d.default", torch.ops.aten.conv2d.default),
        ("torch.ops.aten.conv2d.padding", torch.ops.aten.conv2d.padding),
        ("torch.ops.aten.relu_.default", torch.ops.aten.relu_.default),
    ],
)
def test_an_operator_on_the_list_is_found(target: str, expected: object) -> None:
    assert find_operator(target) is expected


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.empty.memory_format",
        "torch.ops.aten.rand.default",
        "torch.ops.aten.set_.source_Storage",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten.nonzero.default",
        "torch.ops.aten.add.out",
        "torch.ops.aten.relu.absent",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.relu",
        "torch.ops.aten.relu.default.redispatch",
        "torch.ops.aten.__class__.default",
        "torch.ops.prims.add.default",
        "torch.ops.higher_order.cond",
        "torch.ops.load_library",
        "_operator.pow",
        "os.system",
        "",
    ],
)
def test_another_is_refused(target: str) -> None:
    with pytest.raises(NetworkError, match="is not on the list of operators"):
        find_operator(target)


def test_an_operator_that_writes_is_known() -> None:
    assert writes_first_argument(torch.ops.aten.add_.Tensor)
    assert not writes_first_argument(torch.ops.aten.add.Tensor)
    assert not writes_first_argument(torch.sym_max)


def test_a_function_of_python_takes_its_own_arguments() -> None:
    add, larger = find_operator("_operator.add"), find_operator("torch.sym_max")
    check_arguments(add, [1, 2], {})
    check_arguments(larger, [1], {"b": 2})
    for arguments, named in (([1], {}), ([1, 2, 3], {}), ([1], {"b": 2})):
        with pytest.raises(NetworkError, match="calls add with other arguments: "):
            check_arguments(add, arguments, named)
