"""How a network's facts are written, the same in the terminal and on pages."""

from __future__ import annotations

from collections.abc import Sequence

from glassconv.reports.network import FieldFacts

Field = Sequence[FieldFacts | None]


def count(number: float) -> str:
    """Write a count of operations or parameters with three digits and a unit.

    >>> count(4_089_184_256), count(25_557_032), count(512)
    ('4.09 G', '25.6 M', '512')
    """
    if number < 1000:
        return f"{number:g}"
    for unit in ("k", "M", "G"):
        number /= 1000
        if number < 999.5:
            return f"{number:#.3g}".rstrip(".") + f" {unit}"
    return f"{number / 1000:#.4g} T"


def bytes_text(number: int) -> str:
    """Write a number of bytes with three digits and a unit.

    >>> bytes_text(11_143_168)
    '11.1 MB'
    """
    text = count(number)
    return f"{text}B" if " " in text else f"{text} B"


def percent(part: float, whole: float) -> str:
    """Write a share in percent.

    >>> percent(1, 8), percent(0, 0)
    ('12.5', '0.0')
    """
    return f"{100 * part / whole if whole else 0:.1f}"


def problem_text(shorthand: str) -> str:
    """Write a problem without its bias and what is usual: one image, stride 1, no padding.

    >>> problem_text("1x64x56x56 64@3x3 s1 p1 nobias")
    '64x56x56 64@3x3 p1'
    """
    words = shorthand.removeprefix("1x").split()
    return " ".join(word for word in words if word not in ("s1", "p0", "nobias"))


def field_text(field: Field, name: str, whole: str = "") -> str:
    """Write a number of a receptive field, along each axis where they differ.

    >>> field_text((FieldFacts(7, 2.0, -3.0, 3, 2),) * 2, "size")
    '7'
    >>> field_text((FieldFacts(7, 2.0, -3.0, 3, 2), None), "offset", "all")
    '−3 × all'
    """
    written = [whole if axis is None else f"{getattr(axis, name):g}" for axis in field]
    return _once([each.replace("-", "−") for each in written])


def halo_text(field: Field) -> str:
    """Write what a tile needs before and after its own positions.

    >>> halo_text((FieldFacts(7, 2.0, -3.0, 3, 2),))
    '3+2'
    """
    return _once(
        ["" if axis is None else f"{axis.halo_before}+{axis.halo_after}" for axis in field]
    )


def _once(written: list[str]) -> str:
    return written[0] if len(set(written)) == 1 else " × ".join(written)
