"""Suggestions for invalid arguments: the closest values of one argument that are valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

Value = int | tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

MAX_SUGGESTIONS = 3
MAX_DISTANCE = 256  # from the value given


def suggest(
    arguments: Mapping[str, Value | Pairs], is_valid: Callable[[Mapping[str, Any]], bool]
) -> tuple[str, ...]:
    """Return up to three valid changes of one argument, as "name=value", the closest first.

    Every argument is suggested once before one is suggested again.

    arguments: integers, one per spatial axis, or (before, after) per axis. is_valid: whether
    changed arguments are valid.

    >>> suggest({"channels": 64, "groups": 3}, lambda new: new["channels"] % new["groups"] == 0)
    ('channels=63', 'groups=2', 'groups=4')
    """
    ranked = []
    for position, (name, value) in enumerate(arguments.items()):
        valid = (
            (distance, changed)
            for distance, changed in _neighbors(value)
            if is_valid({**arguments, name: changed})
        )
        for rank, (distance, changed) in enumerate(islice(valid, MAX_SUGGESTIONS)):
            ranked.append((rank, distance, position, f"{name}={_value_text(changed)}"))
    return tuple(text for *_, text in sorted(ranked)[:MAX_SUGGESTIONS])


def _neighbors(value: Value | Pairs) -> Iterator[tuple[int, Value | Pairs]]:
    """Yield (distance, value) at growing distance from a value, the smaller one first."""
    if isinstance(value, int):
        for distance in range(1, MAX_DISTANCE + 1):
            if value - distance >= 0:
                yield distance, value - distance
            yield distance, value + distance
        return
    low, high = min(_flat(value)), max(_flat(value))
    for distance in range(1, MAX_DISTANCE + 1):
        if high - distance >= 0:
            yield distance, _map(value, partial(min, high - distance))
        yield distance, _map(value, partial(max, low + distance))


def _flat(value: tuple[int, ...] | Pairs) -> list[int]:
    return [entry for part in value for entry in (part if isinstance(part, tuple) else (part,))]


def _map(value: tuple[int, ...] | Pairs, change: Callable[[int], int]) -> Value | Pairs:
    """Return the tuple, or tuple of pairs, with a function applied to every number."""
    parts = [
        tuple(map(change, part)) if isinstance(part, tuple) else change(part) for part in value
    ]
    return tuple(parts)  # type: ignore[return-value]  # the same type as `value`


def _value_text(value: Value | Pairs) -> str:
    """Write a value, equal entries once."""
    if isinstance(value, int):
        return str(value)
    entries = _flat(value)
    return str(entries[0]) if len(set(entries)) == 1 else str(value)
