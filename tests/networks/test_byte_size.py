"""A number of bytes in words."""

from __future__ import annotations

import pytest

from glassconv import ArgumentError
from glassconv.networks.byte_size import bytes_in


def test_units() -> None:
    assert [bytes_in(each) for each in ("1kB", "2 MiB", "0.5 GB", "7", "7 B", 7)] == [
        1000, 2**21, 5 * 10**8, 7, 7, 7,
    ]  # fmt: skip


@pytest.mark.parametrize("size", ["", "GiB", "2 XB", "-1 MB", "1e3", "two", "1 GiB 2", "٣ MB"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(ArgumentError, match="memory is a size such as"):
        bytes_in(size)
