"""The layers of well-known networks, to measure on: each distinct convolution with its count.

A suite is a CSV file with a line per distinct layer and these columns: in_channels, out_channels,
in_h, in_w, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w,
groups, bias (0 or 1), count. Or it has two columns, problem and count. The problem is in shorthand,
so it may have one or three spatial axes, or be transposed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from glassconv.errors import ConvError, DataError, unknown_name
from glassconv.problem.arguments import problem_of
from glassconv.problem.problem import Problem, parse_problem

COLUMNS = (
    "in_channels out_channels in_h in_w kernel_h kernel_w stride_h stride_w padding_h padding_w "
    "dilation_h dilation_w groups bias count"
).split()
SHORTHAND_COLUMNS = ["problem", "count"]


@dataclass(frozen=True)
class Layer:
    """One distinct convolution of a network, and how often the network has it."""

    problem: Problem
    count: int


def suite_names() -> list[str]:
    """Return the names of the suites that come with glassconv."""
    folder = files("glassconv.data") / "layers"
    return sorted(file.name.removesuffix(".csv") for file in folder.iterdir())


def read_suite(name: str, batch: int = 1, dtype: str = "float32") -> list[Layer]:
    """Return the layers of a suite: one that comes with glassconv, or a CSV file's.

    Raises `UnknownNameError` for a name there is not, `DataError` for a file that cannot be read,
    with the line that is wrong.

    >>> layers = read_suite("resnet18")
    >>> len(layers), str(layers[1].problem), layers[1].count
    (11, '1x64x56x56 64@3x3 s1 p1 nobias', 4)
    """
    if name.endswith(".csv"):
        file = Path(name)
        try:
            text = file.read_text(encoding="utf-8-sig")  # Excel begins it with a mark
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read {file}: {error}") from None
    elif name in suite_names():
        text = (files("glassconv.data") / "layers" / f"{name}.csv").read_text(encoding="utf-8")
    else:
        raise unknown_name("suite", name, suite_names(), also="or a .csv file")
    rows = csv.DictReader(text.splitlines())
    forms = {tuple(COLUMNS): _read_sizes, tuple(SHORTHAND_COLUMNS): _read_shorthand}
    read = forms.get(tuple(rows.fieldnames or ()))
    if read is None:
        lines = " or ".join(",".join(columns) for columns in forms)
        raise DataError(f"{name}: the first line must be {lines}")
    return [_layer(name, rows.line_num, row, read, batch, dtype) for row in rows]


def _layer(
    name: str,
    line: int,
    row: Mapping[str, str],
    read: Callable[[Mapping[str, str]], Problem],
    batch: int,
    dtype: str,
) -> Layer:
    try:
        return Layer(replace(read(row), batch=batch, dtype=dtype), int(row["count"]))
    except (TypeError, ValueError, ConvError) as error:
        raise DataError(f"{name}, line {line}: {error}") from None


def _read_shorthand(row: Mapping[str, str]) -> Problem:
    return parse_problem(row["problem"])


def _read_sizes(row: Mapping[str, str]) -> Problem:
    value = {column: int(row[column]) for column in COLUMNS}
    return problem_of(
        [1, value["in_channels"], value["in_h"], value["in_w"]],
        [
            value["out_channels"],
            value["in_channels"] // max(value["groups"], 1),
            value["kernel_h"],
            value["kernel_w"],
        ],
        [value["out_channels"]] if value["bias"] else None,
        (value["stride_h"], value["stride_w"]),
        (value["padding_h"], value["padding_w"]),
        (value["dilation_h"], value["dilation_w"]),
        value["groups"],
    )
