"""Benchmark results as a table: the ratio to PyTorch per layer, and the geometric mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import exp, log

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glassconv.reports.benchmark import Benchmark, LayerBenchmark, Roofline
from glassconv.views.notation import duration, number_of
from glassconv.views.terminal.parts import mark, pairs, table

COLUMNS = (
    "×: how often the network has the layer; ours, aten: median time of a call of glassconv and of "
    "PyTorch, in alternation, after verification; ratio: aten / ours; util: share of the "
    "speed that the roofline allows"
)


def benchmark_table(results: Benchmark) -> RenderableType:
    """Return a table of layers, and the geometric mean, the worst layer and the share won."""
    how, rows, roofline = results.how, results.rows, results.roofline
    parts: list[RenderableType] = [Text(results.suite, "bold"), Text(how, "dim")]
    parts += [
        Text(COLUMNS, "dim"),
        _table(how, rows),
    ]
    unable = {(row.algorithm, row.verdict.reason) for row in rows if row.ratio is None}
    parts += [Text(f"– {name}: {reason}", "dim") for name, reason in sorted(unable)]
    layers, timed = len({row.problem for row in rows}), [row for row in rows if row.ratio]
    names = list(dict.fromkeys(row.algorithm for row in timed))
    for name in names:
        parts.append(_summary(name, [row for row in timed if row.algorithm == name], layers))
    if len(names) > 1 and len(rows) == layers:  # each layer has the algorithm chosen for it
        parts.append(_summary("auto", timed, layers))
    parts += [pairs(("once", _apart(rows)))]
    if roofline is not None:
        parts += [
            pairs(("roofline", _limits(roofline))),
            *(Text(note, "dim") for note in _notes(rows)),
        ]
    return Group(*parts)


def bench_to_json(results: Benchmark) -> str:
    """Return the results as a JSON document; a layer without a time has nulls and its reason."""
    layers = [
        {
            "problem": str(row.problem),
            "count": row.count,
            "algorithm": row.algorithm,
            "verified": row.verdict.reason,
            "seconds": row.seconds,
            "pytorch_seconds": row.pytorch_seconds,
            "ratio": row.ratio,
            "flops_per_second": row.flops_per_second,
            "attainable_flops_per_second": row.attainable,
            "roofline_share": row.roofline_share,
            "compile_seconds": row.compile_seconds,
            "packing_seconds": row.packing_seconds,
        }
        for row in results.rows
    ]
    document = {
        "suite": results.suite,
        "how": results.how,
        "against": "aten",
        "roofline": None if results.roofline is None else asdict(results.roofline),
        "layers": layers,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean of positive ratios.

    >>> geometric_mean([2.0, 8.0])
    4.0
    """
    return exp(sum(map(log, ratios)) / len(ratios))


def _table(how: str, rows: Sequence[LayerBenchmark]) -> Table:
    utilisation = ("util",) if any(row.roofline_share is not None for row in rows) else ()
    shown = table(
        "layer",
        "×",
        "algorithm",
        "ours",
        "aten",
        "ratio",
        *utilisation,
        left=("layer", "algorithm"),
    )
    shown.columns[0].no_wrap, shown.columns[0].overflow = False, "fold"  # a long layer, two lines
    for row in rows:
        share = "" if row.roofline_share is None else f"{100 * row.roofline_share:.0f}%"
        shown.add_row(
            _layer(row, how),
            str(row.count),
            row.algorithm if row.verdict else Text.assemble(mark(row.verdict), " ", row.algorithm),
            _time(row.seconds),
            _time(row.pytorch_seconds),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            *([share] if utilisation else []),
        )
    return shown


def _layer(row: LayerBenchmark, how: str) -> str:
    """Return the problem's shorthand without defaults and without what `how` states."""
    words = str(row.problem).removesuffix(" nobias")
    if f"batch {row.problem.batch}," in how:
        words = words.partition("x")[2]
    return re.sub(r" (s1|p0)(?= |$)", "", words)


def _apart(rows: Sequence[LayerBenchmark]) -> str:
    """Return what happens once, and is not part of the times above."""
    kernels = [row.compile_seconds for row in rows if row.compile_seconds]
    weights = [row.packing_seconds for row in rows if row.packing_seconds]
    compiled = f"{number_of(len(kernels), 'kernel')} compiled in {_time(sum(kernels))}"
    packed = f"{number_of(len(weights), 'weight')} packed in {_time(sum(weights))}"
    parts = [compiled if kernels else "nothing compiled", packed if weights else "nothing packed"]
    return "; ".join(parts)


def _limits(roofline: Roofline) -> str:
    threads = number_of(roofline.threads, "thread")
    gflops, gigabytes = roofline.flops_per_second / 1e9, roofline.bytes_per_second / 1e9
    return (
        f"{gflops:,.3g} GFLOP/s, {gigabytes:,.3g} GB/s, measured on {threads} in {roofline.dtype}"
    )


def _notes(rows: Sequence[LayerBenchmark]) -> Iterator[str]:
    above = {row.algorithm for row in rows if (row.roofline_share or 0) > 1}
    if any("winograd" in name for name in above):
        yield (
            "FLOPs are counted as the definition's; winograd executes fewer and may exceed the "
            "roofline."
        )
    if any("winograd" not in name for name in above):
        yield "Layers above the roofline keep their arrays in cache between calls."


def _summary(algorithm: str, rows: Sequence[LayerBenchmark], layers: int) -> RenderableType:
    ratios = [row.ratio for row in rows if row.ratio is not None]
    worst = min(rows, key=lambda row: row.ratio or 0)
    won = sum(ratio > 1 for ratio in ratios)
    return pairs(
        (algorithm, f"{geometric_mean(ratios):.2f} × PyTorch, geometric mean of {len(rows)} of "
                    f"{layers} layers"),
        ("", f"worst {worst.ratio:.2f} on {worst.problem}; faster on {won}"),
    )  # fmt: skip


def _time(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)
