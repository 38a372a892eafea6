"""Loops in words: what a kernel's nest of loops does with the numbers of one problem."""

from __future__ import annotations

from collections.abc import Sequence

STEP = "  "


def nest(*lines: str | Sequence[str]) -> tuple[str, ...]:
    r"""Return lines each of which is within the one before; those of a list stand side by side.

    >>> print("\n".join(nest("for rows", ["copy", "for columns"], "add")))
    for rows
      copy
      for columns
        add
    """
    return tuple(
        STEP * depth + line
        for depth, beside in enumerate(lines)
        for line in ([beside] if isinstance(beside, str) else beside)
    )


def blocks(total: int, size: int, of: str) -> str:
    """Return how many blocks there are, and the last one where it is smaller.

    >>> blocks(3136, 784, "pixels"), blocks(20, 8, "filters"), blocks(6, 8, "filters")
    ('4 blocks of 784 pixels', '2 blocks of 8 filters and one of 4', 'all 6 filters')
    """
    if total <= size:
        return f"all {total:,} {of}"
    whole, left = divmod(total, size)
    some = f"{whole} block{'s' if whole > 1 else ''} of {size:,} {of}"
    return some if not left else f"{some} and one of {left:,}"


def at_a_time(total: int, of: str, step: int) -> str:
    """Return how a number is gone through, step by step.

    >>> at_a_time(64, "filters", 6), at_a_time(4, "filters", 6)
    ('64 filters, 6 at a time', '4 filters at once')
    """
    if total <= step:
        return f"{total:,} {of} at once" if total > 1 else f"{total:,} {of}"
    return f"{total:,} {of}, {f'{step:,}' if step > 1 else 'one'} at a time"


def height_of(total: int, most: int) -> int:
    """Return the height of the tiles that make up most of so many rows.

    >>> height_of(64, 6), height_of(5, 6), height_of(1, 6)
    (6, 4, 1)
    """
    return next(height for height in (most, 8, 4, 2, 1) if height <= min(max(total, 1), most))


def pictures(batch: int, groups: int) -> str:
    """Return how many pictures there are, and groups of their channels.

    >>> pictures(1, 1), pictures(8, 2)
    ('1 picture', '8 pictures × 2 groups')
    """
    said = f"{batch:,} picture{'' if batch == 1 else 's'}"
    return said if groups == 1 else f"{said} × {groups:,} groups"
