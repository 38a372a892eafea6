"""Draw the pictures of tiling.md: `python docs/draw_tiles.py`. Needs Linux, which tells memory.

Each way to run the network is a process of its own, whose anonymous memory is read every few
milliseconds, above what it was before.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import glassconv
from glassconv.views.figures import tiles
from glassconv.views.figures.style import to_bytes
from glassconv.views.figures.theme import DARK

IMAGES = Path(__file__).parent / "images"
SHAPE = (1, 3, 4096, 4096)
MEMORY = "256 MiB"
WAYS = ("as a whole", "tile by tile")


def network() -> nn.Module:
    """Return three layers with random weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=2, dilation=2), nn.ReLU(),
        nn.Conv2d(16, 3, 1),
    )  # fmt: skip


def rings(height: int, width: int) -> np.ndarray:
    """Return an image [height, width, 3] of rings, by a formula."""
    row, column = np.mgrid[0:height, 0:width] / min(height, width)
    waves = [np.cos(k * ((row - 0.5) ** 2 + (column - 0.5) ** 2)) for k in (60, 90, 120)]
    return np.stack([(each + 1) / 2 for each in waves], axis=-1)


def anonymous_bytes() -> int:
    """Return the resident memory of this process that is no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def run(way: str) -> None:
    """Run the network in one way, and print (seconds, bytes) line by line."""
    model, x = network(), torch.rand(SHAPE)
    with torch.inference_mode():
        model(x[..., :64, :64])
    whole = glassconv.nn.swap(model, accuracy="strict").model
    output = torch.zeros(SHAPE)
    before, begin, done = anonymous_bytes(), time.perf_counter(), threading.Event()
    profile = []

    def watch() -> None:
        while not done.wait(0.004):
            profile.append((time.perf_counter() - begin, anonymous_bytes() - before))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with torch.inference_mode():
        if way == WAYS[0]:
            output[:] = whole(x)
        else:
            glassconv.tile(model, x, MEMORY, out=output, accuracy="strict")
    done.set()
    watcher.join()
    print(*(f"{seconds} {taken}" for seconds, taken in profile), sep="\n")  # noqa: T201


def profile_of(way: str) -> list[tuple[float, float]]:
    """Return the profile of a process that runs the network in one way."""
    command = [sys.executable, __file__, way]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [
        (float(seconds), float(taken)) for seconds, taken in map(str.split, printed.splitlines())
    ]


def main() -> None:
    """Draw the plan and the profile."""
    wide = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=12, dilation=12), nn.Conv2d(16, 3, 3, padding=12, dilation=12)
    )
    plan = glassconv.plan_tiles(wide, (1, 3, 600, 900), "6 MB")
    picture = tiles.plan(plan, rings(600, 900), DARK)
    (IMAGES / "tiles.png").write_bytes(to_bytes(picture))
    profiles = {way: profile_of(way) for way in WAYS}
    for way, profile in profiles.items():
        peak = max(taken for _, taken in profile)
        print(f"{way}: {peak / 2**20:.0f} MiB, {profile[-1][0]:.2f} s")  # noqa: T201
    picture = tiles.memory(profiles, 256 * 2**20, DARK)
    (IMAGES / "tiles-memory.png").write_bytes(to_bytes(picture))


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
