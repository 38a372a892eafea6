"""Arrays reach the page and come back as they were, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from glassconv.errors import DataError
from glassconv.explore.tensors import from_document, to_document
from glassconv.reports.array import Array

GOOD = {"shape": [1, 2], "dtype": "float32", "data": "AACAPwAAAMA="}


@given(
    st.sampled_from([np.float32, np.float64]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_side=0))
    )
)
def test_an_array_comes_back_bit_for_bit(array: Array) -> None:
    back = from_document(to_document(array), "input")
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_what_does_not_lie_in_order_is_written_in_order() -> None:
    turned = np.arange(6.0).reshape(2, 3).T[::-1].astype(">f8")
    np.testing.assert_array_equal(from_document(to_document(turned), "input"), turned)


def test_indices_are_written_whole() -> None:
    index = np.array([2**40 + 1, -1])
    document = to_document(index)
    assert document["dtype"] == "float64"
    np.testing.assert_array_equal(from_document(document, "pointers"), index)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (None, "must be an object of shape, dtype and data"),
        ({"more": 1}, "must be an object of shape, dtype and data"),
        ({"shape": [1, -2]}, r"shape must be a list of whole numbers, not \[1, -2\]"),
        ({"shape": [True, 2]}, "shape must be a list of whole numbers"),
        ({"shape": 2}, "shape must be a list"),
        ({"shape": [3]}, "data is 8 bytes, its shape needs 12"),
        ({"shape": [2**62, 2**62]}, "data is 8 bytes"),
        ({"shape": [1] * 99 + [2]}, "has a shape that no array has"),
        ({"shape": [0, 2**62, 2**62], "data": ""}, "has a shape that no array has"),
        ({"dtype": "int64"}, "must be float32 or float64, not 'int64'"),
        ({"dtype": ["float32"]}, "must be float32 or float64"),
        ({"data": "AACAPwAAAM!="}, "data is not base64"),
        ({"data": "é"}, "data is not base64"),
        ({"data": 5}, "data is not base64"),
    ],
)
def test_what_is_no_array_is_refused_by_name(change: dict[str, Any] | None, cause: str) -> None:
    with pytest.raises(DataError, match=f"the weight('s)? {cause}"):
        from_document(change and {**GOOD, **change}, "weight")
