"""Sizes in shorthand: numbers with an x between them, equal ones written once."""

from __future__ import annotations

from collections.abc import Sequence


def by_x(sizes: Sequence[object]) -> str:
    """Return the sizes with an x between them.

    >>> by_x((3, 32, 32))
    '3x32x32'
    """
    return "x".join(map(str, sizes))


def once(values: Sequence[object]) -> str:
    """Return equal values written once, others with an x between them.

    >>> once((2, 2)), once((2, 1))
    ('2', '2x1')
    """
    return str(values[0]) if len(set(values)) == 1 else by_x(values)


def sides(padding: Sequence[tuple[int, int]]) -> str:
    """Return padding per axis: one number for equal sides, before:after for others.

    >>> sides(((1, 1), (1, 1))), sides(((0, 1), (2, 2)))
    ('1', '0:1x2')
    """
    return once([str(b) if b == a else f"{b}:{a}" for b, a in padding])
