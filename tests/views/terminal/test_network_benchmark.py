"""Whole networks in 80 columns: the fastest engine first, reasons, ratios, layers, JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from glassconv.reports.network_benchmark import (
    EngineBenchmark,
    LayerTime,
    NetworkBenchmark,
    NetworkBenchmarks,
    NetworkProfile,
    Times,
)
from glassconv.views.terminal.network_benchmark import benchmarks_to_json

RESULT = NetworkBenchmark(
    "resnet50",
    (1, 3, 224, 224),
    "AMD EPYC, znver5, avx512",
    threads=2,
    rounds=20,
    limit=1.1e-4,
    engines=(
        EngineBenchmark("eager", "2.13.0", 9e-7, Times(31e-3, 30e-3, 40e-3)),
        EngineBenchmark("openvino", "2026.4.1", 2e-6, Times(18e-3, 17e-3, 19e-3)),
        EngineBenchmark("mnn", "3.6", 0.5, None, "wrong: its relative error 5.0e-01 exceeds"),
        EngineBenchmark("glassconv", "0.1.0", 2e-6, Times(15e-3, 14e-3, 16e-3)),
    ),
)


def test_the_fastest_is_first_and_the_ratio_is_that_of_the_best_peer() -> None:
    lines = str(RESULT).splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if " ms " in line]
    assert [(row[0], row[-1]) for row in rows] == [
        ("glassconv", "1.00"),
        ("openvino", "1.20"),  # 18 / 15
        ("eager", "2.07"),
    ]
    assert "– mnn: wrong: its relative error 5.0e-01 exceeds" in lines
    assert RESULT.ratio == 18e-3 / 15e-3


def test_without_glassconv_or_without_peers_there_is_no_ratio() -> None:
    alone = replace(RESULT, engines=RESULT.engines[3:])
    others = replace(RESULT, engines=RESULT.engines[:3])
    for result in (alone, others):
        assert result.ratio is None
        assert "resnet50" in str(NetworkBenchmarks((result,)))


def test_the_json_has_all_that_was_measured() -> None:
    (row,) = json.loads(benchmarks_to_json(NetworkBenchmarks((RESULT,))))["networks"]
    assert (row["network"], row["threads"], row["best_peer"]) == ("resnet50", 2, "openvino")
    assert row["engines"][1]["times"] == {"median": 18e-3, "smallest": 17e-3, "largest": 19e-3}
    assert row["engines"][2]["reason"].startswith("wrong")


def test_a_profile_has_times_and_shares() -> None:
    layers = (
        LayerTime("conv1", "Convolution", "brgconv", (1, 64, 112, 112), 3e-3),
        LayerTime("pool", "Pooling", "jit", (1, 64, 56, 56), 1e-3),
    )
    long = LayerTime("features.17.block.0.expand", "Conv", "a" * 40, (1, 1000), 4e-3)
    wide = str(NetworkProfile("resnet50", "openvino", "AMD EPYC", 1, (*layers, long)))
    assert max(map(len, wide.splitlines())) <= 80 and "1×64×112×112  3 ms  37.5%" in wide
    text = str(NetworkProfile("resnet50", "openvino", "AMD EPYC", 1, layers))
    assert "resnet50 by openvino: 4 ms" in text and "AMD EPYC, 1 thread" in text
    row = next(line.split() for line in text.splitlines() if "conv1" in line)
    assert row == ["conv1", "Convolution", "brgconv", "1×64×112×112", "3", "ms", "75.0%"]
