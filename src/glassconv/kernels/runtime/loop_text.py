"""The loops of a kernel in words, with the numbers of one problem."""

from __future__ import annotations

from collections.abc import Sequence

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


def blocks(total: int, size: int, unit: str) -> str:
    """Return how many blocks there are, and the last one where it is smaller.

    >>> blocks(3136, 784, "pixels"), blocks(20, 8, "filters"), blocks(6, 8, "filters")
    ('4 blocks of 784 pixels', '2 blocks of 8 filters and one of 4', 'all 6 filters')
    """
    if total <= size:
        return f"all {total:,} {unit}"
    whole, rest = divmod(total, size)
    text = f"{whole} block{'s' if whole > 1 else ''} of {size:,} {unit}"
    return text if not rest else f"{text} and one of {rest:,}"


def at_a_time(total: int, unit: str, step: int) -> str:
    """Return the number of iterations of a loop and its step.

    >>> at_a_time(64, "filters", 6), at_a_time(4, "filters", 6)
    ('64 filters, 6 at a time', '4 filters at once')
    """
    if total <= step:
        return f"{total:,} {unit} at once" if total > 1 else f"{total:,} {unit}"
    return f"{total:,} {unit}, {f'{step:,}' if step > 1 else 'one'} at a time"


def images(batch: int, groups: int) -> str:
    """Return how many images there are, and groups of their channels.

    >>> images(1, 1), images(8, 2)
    ('1 image', '8 images × 2 groups')
    """
    text = f"{batch:,} image{'' if batch == 1 else 's'}"
    return text if groups == 1 else f"{text} × {groups:,} groups"
