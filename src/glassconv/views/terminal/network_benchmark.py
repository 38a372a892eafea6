"""Whole networks in the terminal: the engines' times, the ratios, and the layers of a profile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.network_benchmark import (
    NetworkBenchmark,
    NetworkBenchmarks,
    NetworkProfile,
)
from glassconv.views.notation import duration, number_of
from glassconv.views.terminal.parts import table

COLUMNS = (
    "error: the largest, relative to the largest output in float64; median: of the rounds' "
    "medians; fastest, slowest: the rounds with the smallest and the largest; ratio: the engine's "
    "median / glassconv's"
)
RATIO = "ratio: best peer / glassconv"


def network_benchmark(result: NetworkBenchmark) -> RenderableType:
    """Return a table of engines, the fastest first, and why some have no times."""
    shown = table(
        "engine", "version", "error", "median", "fastest", "slowest", "ratio",
        left=("engine", "version"),
    )  # fmt: skip
    timed = [(row, row.times) for row in result.engines if row.times]
    ours = result.ours
    for row, times in sorted(timed, key=lambda pair: pair[1].median):
        ratio = "" if ours is None or ours.times is None else times.median / ours.times.median
        shown.add_row(
            row.engine,
            row.version,
            f"{row.error:.1e}",
            *(duration(each) for each in (times.median, times.smallest, times.largest)),
            f"{ratio:.2f}" if ratio else "",
        )
    reasons = [(row.engine, row.reason) for row in result.engines if row.reason]
    how = f"{_by(result.input_shape)}, float32, {number_of(result.threads, 'thread')}, "
    how += number_of(result.rounds, "round")
    return Group(
        Text(result.network, "bold"),
        Text(result.processor),
        Text(f"{how}; relative errors up to {result.limit:.1e} are allowed", "dim"),
        Text(COLUMNS, "dim"),
        shown,
        *(Text(f"– {name}: {reason}", "dim") for name, reason in reasons),
    )


def network_benchmarks(results: NetworkBenchmarks) -> RenderableType:
    """Return the ratio of each network and number of threads."""
    return Group(Text(RATIO, "dim"), _summary(results.rows))


def network_profile(result: NetworkProfile) -> RenderableType:
    """Return a table of layers with their times and shares."""
    shown = table(
        "layer", "kind", "implementation", "output", "time", "share",
        left=("layer", "kind", "implementation", "output"),
    )  # fmt: skip
    for column in shown.columns[:3]:  # names take two lines where the terminal is narrow
        column.no_wrap, column.overflow = False, "fold"
    whole = sum(layer.seconds for layer in result.layers)
    for layer in result.layers:
        shown.add_row(
            layer.name,
            layer.kind,
            layer.implementation,
            _by(layer.output_shape),
            duration(layer.seconds),
            f"{100 * layer.seconds / whole:.1f}%",
        )
    return Group(
        Text(f"{result.network} by {result.engine}: {duration(whole)}", "bold"),
        Text(f"{result.processor}, {number_of(result.threads, 'thread')}"),
        shown,
    )


def benchmarks_to_json(results: NetworkBenchmarks) -> str:
    """Return all that was measured as a JSON document."""
    rows = [
        asdict(row) | {"best_peer": row.best_peer and row.best_peer.engine, "ratio": row.ratio}
        for row in results.rows
    ]
    return json.dumps({"against": "best_peer", "networks": rows}, indent=2, ensure_ascii=False)


def _summary(rows: Sequence[NetworkBenchmark]) -> RenderableType:
    shown = table("network", "threads", "best peer", "its time", "glassconv", "ratio",
                  left=("network", "best peer"))  # fmt: skip
    for row in rows:
        best, ours = row.best_peer, row.ours
        shown.add_row(
            row.network,
            str(row.threads),
            best.engine if best else "",
            duration(best.times.median) if best and best.times else "",
            duration(ours.times.median) if ours and ours.times else "",
            "" if row.ratio is None else f"{row.ratio:.2f}",
        )
    return shown


def _by(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
