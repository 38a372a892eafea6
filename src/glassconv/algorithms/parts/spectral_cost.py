"""How long PyTorch takes for a convolution by Fourier transforms, from small arrays, timed here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from glassconv.algorithms.parts.fastest import fastest
from glassconv.problem.dtypes import FORMATS
from glassconv.reports.machine import Machine

RUNS = 5  # of which the fastest counts
KINDS = ("operations", "transformed", "multiplied", "moved", "reordered")
PLANES, SIZE, CHANNELS = 16, 128, 32  # of the arrays that are timed
FREQUENCIES = 512  # of those that are multiplied
FRAME = 8  # zeros around a plane


@dataclass(frozen=True)
class Work:
    """What a convolution by spectra does; each field is a kind of `KINDS`."""

    operations: int  # calls of PyTorch's functions
    transformed: int  # points of all planes · log₂ of the points of one
    multiplied: int  # products of complex numbers
    moved: int  # real numbers copied in their order
    reordered: int  # complex numbers copied into another order of axes


def seconds(work: Work, dtype: str, machine: Machine) -> float:
    """Return the predicted time; numbers of twice the size take twice the time."""
    rates = dict(machine.pytorch.spectra_per_second)
    size = FORMATS[dtype].bytes / FORMATS["float32"].bytes
    spent: dict[str, float] = {kind: getattr(work, kind) / rates[kind] for kind in KINDS}
    calls = spent.pop("operations")
    return machine.dispatch + calls + size * sum(spent.values())


def measure() -> dict[str, float]:
    """Return how many of each kind PyTorch does in a second, in float32."""
    one = torch.ones(1, dtype=torch.float32)
    planes = torch.ones(PLANES, SIZE, SIZE, dtype=torch.float32)
    spectra = torch.fft.rfftn(planes, dim=(1, 2))
    rows = torch.ones(SIZE * PLANES, PLANES, CHANNELS, dtype=torch.complex64)
    few, columns = rows[:FREQUENCIES], rows.new_ones(FREQUENCIES, CHANNELS, CHANNELS)
    with torch.no_grad():
        call = fastest(one.abs, RUNS)
        there = fastest(lambda: torch.fft.rfftn(planes, dim=(1, 2)), RUNS)
        back = fastest(lambda: torch.fft.irfftn(spectra, dim=(1, 2)), RUNS)
        products = fastest(lambda: few @ columns, RUNS)
        move = fastest(lambda: F.pad(planes, [FRAME] * 4), RUNS)
        reorder = fastest(lambda: rows.permute(2, 1, 0).contiguous(), RUNS)
    levels = (SIZE**2).bit_length() - 1
    return {
        "operations": 1 / call,
        "transformed": 2 * planes.numel() * levels / (there + back),
        "multiplied": few.numel() * CHANNELS / products,
        "moved": planes.numel() / move,
        "reordered": rows.numel() / reorder,
    }
