"""Words in the arguments of operators: a number in their place would end the process."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from glassconv import NetworkError
from glassconv.networks.exported.operators import check_arguments
from glassconv.networks.operator_words import wrong_word

ATEN = torch.ops.aten


@pytest.mark.parametrize(
    ("overload", "arguments"),
    [
        (ATEN.softmax.int, {"dtype": -1}),
        (ATEN.contiguous.default, {"memory_format": 99}),
        (ATEN.zeros_like.default, {"layout": 3}),
        (ATEN.zeros_like.default, {"device": 0}),
    ],
)
def test_a_number_is_no_word(overload: Any, arguments: dict[str, int]) -> None:
    assert wrong_word(overload, arguments)
    with pytest.raises(NetworkError, match=r"its graph calls .*: its .* is no"):
        check_arguments(overload, [None], arguments)


def test_words_are() -> None:
    words = {"dtype": torch.float32, "layout": torch.strided, "device": torch.device("cpu")}
    assert wrong_word(ATEN.zeros_like.default, words) == ""
    check_arguments(ATEN.softmax.int, [None, 1], {"dtype": None})
