"""Text descriptions of a kernel's loop nest for one problem."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

INDENT = "  "


def describe_loop_nest(*lines: str | Sequence[str]) -> tuple[str, ...]:
    r"""Return lines, one level deeper for each argument; the lines of a list share a level.

    >>> print("\n".join(describe_loop_nest("for rows", ["copy", "for columns"], "add")))
    for rows
      copy
      for columns
        add
    """
    return tuple(
        INDENT * depth + line
        for depth, level in enumerate(lines)
        for line in ([level] if isinstance(level, str) else level)
    )


def describe_blocks(total: int, size: int, unit: str) -> str:
    """Describe the division of `total` items into blocks of `size`.

    >>> describe_blocks(3136, 784, "pixels"), describe_blocks(6, 8, "filters")
    ('4 blocks of 784 pixels', '6 filters')
    >>> describe_blocks(20, 8, "filters")
    '3 blocks of 8 filters (last: 4)'
    """
    if total <= size:
        return _count(total, unit)
    text = f"{ceil(total / size):,} blocks of {size:,} {unit}"
    last = total % size
    return f"{text} (last: {last:,})" if last else text


def at_a_time(total: int, unit: str, step: int) -> str:
    """Describe a loop over `total` items in steps of `step`.

    >>> at_a_time(64, "filters", 6), at_a_time(1, "filters", 6)
    ('64 filters, 6 at a time', '1 filter')
    """
    if total <= step:
        return _count(total, unit)
    return f"{total:,} {unit}, {f'{step:,}' if step > 1 else 'one'} at a time"


def describe_batch(batch: int, groups: int) -> str:
    """Describe the images of a batch and the groups of their channels.

    >>> describe_batch(1, 1), describe_batch(8, 2)
    ('1 image', '8 images × 2 groups')
    """
    text = f"{batch:,} image{'' if batch == 1 else 's'}"
    return text if groups == 1 else f"{text} × {groups:,} groups"


def _count(total: int, unit: str) -> str:
    noun, *rest = unit.split()
    return " ".join([f"{total:,}", noun.removesuffix("s") if total == 1 else noun, *rest])
