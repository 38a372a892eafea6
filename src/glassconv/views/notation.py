"""How numbers, shapes and sums are written, the same in the terminal and on pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from glassconv.problem.axis import Axis
from glassconv.reports.array import Array

LINE = 74  # characters of an array's row: 80 without the indentation, and a place for …


def number(value: float) -> str:
    """Write a number briefly, with a true minus: whole ones without a point.

    >>> number(-3.0), number(0.03104)
    ('−3', '0.0310')
    """
    text = f"{value:.0f}" if float(value).is_integer() else f"{value:.4f}"
    return text.replace("-", "−")


def factor(value: float) -> str:
    """Write a number as a factor: a negative one in brackets."""
    return f"({number(value)})" if value < 0 else number(value)


def small(value: float) -> str:
    """Write an error or a bound: three digits and a power of ten, zero as 0."""
    return f"{value:.2e}" if value else "0"


def shape(sizes: Sequence[int]) -> str:
    """Write a shape as PyTorch prints it.

    >>> shape((1, 75, 784))
    '[1, 75, 784]'
    """
    return str(list(sizes))


def size(count: float) -> str:
    """Write a count of bytes in the unit that suits it.

    >>> size(900), size(235_200)
    ('900 B', '235.2 kB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count /= 1000
    return f"{count:.4g} TB"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it.

    >>> duration(1.5), duration(0.0123), duration(0.0000123)
    ('1.5 s', '12.3 ms', '12.3 µs')
    """
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def number_of(count: int, noun: str) -> str:
    """Write how many there are of something.

    >>> number_of(1, "thread"), number_of(1024, "layer")
    ('1 thread', '1,024 layers')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def products(values: Array, weights: Array) -> str:
    """Write a dot product term by term.

    >>> import numpy as np
    >>> products(np.array([2, 0]), np.array([1, -1]))
    '2·1 + 0·(−1)'
    """
    return " + ".join(
        f"{factor(float(value))}·{factor(float(weight))}"
        for value, weight in zip(values.ravel(), weights.ravel(), strict=True)
    )


def added(terms: Iterable[float]) -> str:
    """Write a sum with its signs.

    >>> added([2.0, 0.0, -1.0, 1.0])
    '2 + 0 − 1 + 1'
    """
    text = ""
    for term in terms:
        sign = "−" if term < 0 else "+"
        text += f" {sign} {number(abs(term))}" if text else number(term)
    return text


def corner(array: Array, rows: int = 3, columns: int = 6) -> list[str]:
    r"""Write the first numbers of an array's last two axes as lines, and what they leave out.

    The other axes are at 0. No more of a row than a terminal of 80 columns shows without breaking
    it.

    >>> import numpy as np
    >>> print(*corner(np.arange(16.0).reshape(2, 8)), sep="\n")
      0   1   2   3   4   5  …
      8   9  10  11  12  13  …
    shown: columns 1 to 6 of 8
    """
    if not array.size:
        return ["(empty)"]
    plane = np.atleast_2d(array[(0,) * (array.ndim - 2)])
    shown = [[f"{value:.4g}".replace("-", "−") for value in row[:columns]] for row in plane[:rows]]
    width = max(len(value) for row in shown for value in row) + 1
    columns = min(columns, max(1, LINE // (width + 1)))
    more = "  …" if plane.shape[1] > columns else ""
    lines = [" ".join(value.rjust(width) for value in row[:columns]) + more for row in shown]
    parts = [
        f"{name}s 1 to {most} of {size:,}"
        for name, most, size in zip(("row", "column"), (rows, columns), plane.shape, strict=True)
        if size > most
    ]
    if max(array.shape[:-2], default=1) > 1:
        parts.append(f"the first of {prod(array.shape[:-2]):,} planes")
    return [*lines, f"shown: {', '.join(parts)}"] if parts else lines


def output_size_formula(axis: Axis) -> str:
    """Write PyTorch's output-size formula with the numbers put in.

    >>> output_size_formula(Axis(input_size=32, kernel_size=5))
    'floor((32 + 2·0 − 1·(5 − 1) − 1) / 1) + 1 = 28'
    """
    before, after = axis.padding
    padding = f"2·{before}" if before == after else f"{before} + {after}"
    return (
        f"floor(({axis.input_size} + {padding} − {axis.dilation}·({axis.kernel_size} − 1) − 1)"
        f" / {axis.stride}) + 1 = {axis.output_size}"
    )
