"""What would have worked: the nearest values of one argument that make a refusal go away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

Value = int | tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

MOST = 3  # remedies worth reading
FARTHEST = 256  # how far from what was asked to look


def nearest(
    arguments: Mapping[str, Value | Pairs], works: Callable[[Mapping[str, Any]], bool]
) -> tuple[str, ...]:
    """Return up to three changes of one argument that work, as "name=value", the nearest first.

    Each argument comes once before any comes again. arguments: whole numbers, or one per spatial
    axis, or (before, after) per axis.

    >>> nearest({"in_channels": 64, "groups": 3}, lambda of: of["in_channels"] % of["groups"] == 0)
    ('in_channels=63', 'groups=2', 'groups=4')
    """
    found = []
    for place, (name, value) in enumerate(arguments.items()):
        working = (near for near in _around(value) if works({**arguments, name: near[1]}))
        for again, (distance, changed) in enumerate(islice(working, MOST)):
            found.append((again, distance, place, f"{name}={_written(changed)}"))
    return tuple(text for *_, text in sorted(found)[:MOST])


def _around(value: Value | Pairs) -> Iterator[tuple[int, Value | Pairs]]:
    """Yield values at growing distance from a value: less first, then more."""
    if isinstance(value, int):
        for distance in range(1, FARTHEST + 1):
            if value - distance >= 0:
                yield distance, value - distance
            yield distance, value + distance
        return
    low, high = min(_flat(value)), max(_flat(value))
    for distance in range(1, FARTHEST + 1):
        if high - distance >= 0:
            yield distance, _each(value, partial(min, high - distance))
        yield distance, _each(value, partial(max, low + distance))


def _flat(value: tuple[int, ...] | Pairs) -> list[int]:
    return [entry for part in value for entry in (part if isinstance(part, tuple) else (part,))]


def _each(value: tuple[int, ...] | Pairs, change: Callable[[int], int]) -> Value | Pairs:
    """Return the same tuple, or tuple of pairs, with every number changed."""
    parts = [
        tuple(map(change, part)) if isinstance(part, tuple) else change(part) for part in value
    ]
    return tuple(parts)  # type: ignore[return-value]  # of the kind it was


def _written(value: Value | Pairs) -> str:
    """Write equal entries once."""
    if isinstance(value, int):
        return str(value)
    entries = _flat(value)
    return str(entries[0]) if len(set(entries)) == 1 else str(value)
