"""The predicted peak of memory is what a process takes."""

from __future__ import annotations

import sys

import pytest

from support.process import run_python

PROGRAM = """
import threading, time
from pathlib import Path
import torch
from torch import nn
from glassconv.tiling.plan import plan_of, regions_of
from glassconv.tiling.program import Program
from glassconv.tiling.regions import sizes

def anonymous_bytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

network = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=2, dilation=2),
    nn.ReLU(), nn.Conv2d(16, 3, 1),
)
small = Program(network, (1, 3, 99, 99), torch.uint8, "strict")
for region in regions_of(small, ((99,), (99,))):  # compiles, starts threads
    small(torch.zeros(1, 3, 99, 99, dtype=torch.uint8), region)
program = Program(network, (1, 3, 9000, 9000), torch.uint8, "strict")
plan = plan_of(program, "", 2**30, 1)
before, peak, done = anonymous_bytes(), 0, threading.Event()

def watch():
    global peak
    while not done.wait(0.002):
        peak = max(peak, anonymous_bytes())

watcher = threading.Thread(target=watch)
watcher.start()
with torch.inference_mode():
    for region, _ in zip(regions_of(program, plan.tiles), range(2)):
        tile = torch.full(sizes(program.reads(region)), 7, dtype=torch.uint8)
        program(tile, region)
done.set()
watcher.join()
print((peak - before) / plan.peak_bytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells anonymous memory")
def test_the_peak_is_predicted_within_a_tenth() -> None:
    ended = run_python(PROGRAM)
    assert ended.code == 0, ended.err
    assert abs(float(ended.out) - 1) < 0.1
