"""The rates of a machine in 80 columns."""

from __future__ import annotations

import json
from dataclasses import replace

from glassconv.reports.machine import Machine
from support.fixed_machine import FIXED


def test_every_rate_is_shown_in_80_columns() -> None:
    text = str(FIXED)
    assert max(map(len, text.splitlines())) <= 80
    for part in ("fixed, 2 threads", "0.4 ns: 40 GFLOP/s", "70 GB/s by one thread, 32 KiB",
                 "17 GB/s by all threads", "after 100 ms to compile", "measured once in 150 ms",
                 "depthwise nchw", "2 · 10⁹ elements lowered/s"):  # fmt: skip
        assert part in text


def test_one_thread_is_not_started() -> None:
    text = str(replace(FIXED, threads=1, compile_seconds=0.0))
    assert "fixed, 1 thread" in text
    assert "to start them" not in text
    assert "to compile" not in text


def test_a_busy_machine_is_said() -> None:
    assert "other processes kept the cores" in str(replace(FIXED, is_busy=True))
    assert "other processes" not in str(FIXED)


def test_json_is_read_back() -> None:
    assert Machine.from_document(json.loads(FIXED.to_json())) == FIXED
