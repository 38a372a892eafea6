"""JSON of a file that is not trusted: no key twice, no more values than a network has."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from glassconv.errors import NetworkError
from glassconv.networks.files.quote import quoted

# A value takes at most about 230 bytes of memory, as a dictionary of one key does.
MOST_VALUES = 500_000

T = TypeVar("T")


def parse_json(data: bytes, request: str) -> Any:
    """Return the value of a JSON text.

    request: the file, which an error begins with.

    Raises `NetworkError` for a text that is no JSON, for a key that an object has twice, and for
    more than `MOST_VALUES` values.

    >>> parse_json(b'{"sizes": [1, 3]}', "net.pt2")
    {'sizes': [1, 3]}
    """
    values = sum(data.count(mark) for mark in (b",", b"[", b"{"))
    if values > MOST_VALUES:
        cause = f"its JSON has about {values:,} values, where at most {MOST_VALUES:,} are read"
        raise NetworkError(cause, request=request)
    try:
        return json.loads(data, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise NetworkError("its JSON is nested too deeply", request=request) from None
    except NetworkError as error:
        raise error.asked_as(request) from None
    except ValueError as error:
        raise NetworkError(f"its JSON cannot be read: {error}", request=request) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, or raise for a key that it has twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NetworkError(f"its JSON has the key {quoted(twice)} twice in one object")
    return found


def _constant(name: str) -> float:
    """Refuse a number that JSON has no word for."""
    raise NetworkError(f"its JSON has the number {name}, which JSON does not have")


def field(value: object, key: str, kind: type[T]) -> T:
    """Return the value of a key of an object, or raise `NetworkError` if it is not of a type.

    >>> field({"sizes": [1, 3]}, "sizes", list)
    [1, 3]
    """
    found = value.get(key) if isinstance(value, dict) else None
    if type(found) is not kind:  # JSON has no other types; a truth is no number
        raise NetworkError(
            f"its JSON must have {quoted(key)} as {kind.__name__}, got {quoted(found)}"
        )
    return found
