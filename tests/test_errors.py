"""Errors say the request and the cause, and are the built-in errors of the same mistake."""

from __future__ import annotations

import pytest

from glassconv import errors
from glassconv.errors import ConvError

KINDS: dict[str, type[Exception]] = {
    "ShapeError": RuntimeError,
    "ArgumentError": RuntimeError,
    "ArgumentTypeError": TypeError,
    "DtypeError": RuntimeError,
    "DeviceError": RuntimeError,
    "StorageError": RuntimeError,
    "UnsupportedError": RuntimeError,
    "UnknownNameError": ValueError,
    "ShorthandError": ValueError,
    "MalformedAlgorithmError": ImportError,
    "MissingExtraError": ImportError,
    "NetworkError": ValueError,
    "DataError": OSError,
}


def test_every_kind_is_in_the_table() -> None:
    assert {kind.__name__ for kind in ConvError.__subclasses__()} == set(KINDS)


@pytest.mark.parametrize(("name", "builtin"), KINDS.items())
def test_a_kind_is_caught_as_its_builtin_and_as_ours(name: str, builtin: type[Exception]) -> None:
    kind = getattr(errors, name)
    for caught in (kind, builtin, ConvError):
        with pytest.raises(caught, match=r"^asked: cause$"):
            raise kind("cause", request="asked")


@pytest.mark.parametrize("name", KINDS)
def test_a_refusal_put_in_other_words_keeps_kind_and_cause(name: str) -> None:
    kind = getattr(errors, name)
    plain = kind("cause")
    asked = plain.asked_as("in the caller's words")
    assert type(asked) is kind
    assert (asked.cause, asked.request) == ("cause", "in the caller's words")
    assert str(plain) == "cause"
    assert str(asked) == "in the caller's words: cause"
