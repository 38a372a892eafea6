"""Timings as a table: ratios to PyTorch layer by layer, and what they come to together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import exp, log

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glassconv.report import Benched
from glassconv.views.parts import mark, pairs, table


def benched(suite: str, how: str, rows: Sequence[Benched]) -> RenderableType:
    """Return a table of layers, and the geometric mean, the worst layer and the share won.

    suite: what was measured. how: batch, threads and layout, in words.
    """
    parts: list[RenderableType] = [Text(suite, "bold"), Text(how, "dim"), _table(rows)]
    unable = {(row.algorithm, row.verdict.reason) for row in rows if row.ratio is None}
    parts += [Text(f"– {name}: {reason}", "dim") for name, reason in sorted(unable)]
    for algorithm in dict.fromkeys(row.algorithm for row in rows):
        timed = [row for row in rows if row.algorithm == algorithm and row.ratio is not None]
        if timed:
            parts.append(_summary(algorithm, timed, len({str(row.problem) for row in rows})))
    return Group(*parts)


def bench_to_json(suite: str, how: str, rows: Sequence[Benched]) -> str:
    """Write the figures as a JSON document; a layer without a time has nulls and its reason."""
    layers = [
        {
            "problem": str(row.problem),
            "count": row.count,
            "algorithm": row.algorithm,
            "verified": row.verdict.reason,
            "seconds": row.seconds,
            "pytorch_seconds": row.pytorch_seconds,
            "ratio": row.ratio,
        }
        for row in rows
    ]
    return json.dumps({"suite": suite, "how": how, "layers": layers}, indent=2, ensure_ascii=False)


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean of positive ratios.

    >>> geometric_mean([2.0, 8.0])
    4.0
    """
    return exp(sum(map(log, ratios)) / len(ratios))


def _table(rows: Sequence[Benched]) -> Table:
    shown = table(
        "layer", "×", "algorithm", "ours", "PyTorch", "ratio", left=("layer", "algorithm")
    )
    for row in rows:
        shown.add_row(
            str(row.problem).removesuffix(" nobias"),
            str(row.count),
            Text.assemble(mark(row.verdict), " ", row.algorithm),
            _milliseconds(row.seconds),
            _milliseconds(row.pytorch_seconds),
            "" if row.ratio is None else f"{row.ratio:.2f}",
        )
    return shown


def _summary(algorithm: str, rows: Sequence[Benched], layers: int) -> RenderableType:
    ratios = [row.ratio for row in rows if row.ratio is not None]
    worst = min(rows, key=lambda row: row.ratio or 0)
    won = sum(ratio > 1 for ratio in ratios)
    return pairs(
        (algorithm, f"{geometric_mean(ratios):.2f} × PyTorch, geometric mean of {len(rows)} of "
                    f"{layers} layers"),
        ("", f"worst {worst.ratio:.2f} on {worst.problem}; faster on {won}"),
    )  # fmt: skip


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.3g} ms"
