"""How long PyTorch takes for a convolution by Fourier transforms, from small arrays, timed here."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from glassconv.algorithms.parts.fastest import fastest
from glassconv.problem.dtypes import FORMATS
from glassconv.reports.machine import Machine

RUNS = 5  # of which the fastest counts
TRANSFORMED, MULTIPLIED, MOVED = KINDS = ("transformed", "multiplied", "moved")
PLANES, SIZE, CHANNELS = 16, 64, 32  # of the arrays that are timed


@dataclass(frozen=True)
class Work:
    """What a convolution by spectra does."""

    butterflies: int  # points of all planes · log₂ of the points of one
    products: int  # of complex numbers
    moved: int  # real numbers copied from one order into another
    operations: int  # calls of PyTorch's functions


def seconds(work: Work, dtype: str, machine: Machine) -> float:
    """Return the predicted time; numbers of twice the size take twice the time."""
    rates = dict(machine.pytorch.spectra_per_second)
    size = FORMATS[dtype].bytes / FORMATS["float32"].bytes
    return (
        machine.dispatch
        + work.operations * machine.pytorch.call
        + size
        * (
            work.butterflies / rates[TRANSFORMED]
            + work.products / rates[MULTIPLIED]
            + work.moved / rates[MOVED]
        )
    )


def measure() -> dict[str, float]:
    """Return how many butterflies, products and moves PyTorch does in a second, in float32."""
    planes = torch.ones(PLANES, SIZE, SIZE)
    spectra = torch.fft.rfftn(planes, dim=(1, 2))
    rows = torch.ones(SIZE**2, PLANES, CHANNELS, dtype=torch.complex64)
    columns = torch.ones(SIZE**2, CHANNELS, CHANNELS, dtype=torch.complex64)
    with torch.no_grad():
        there = fastest(lambda: torch.fft.rfftn(planes, dim=(1, 2)), RUNS)
        back = fastest(lambda: torch.fft.irfftn(spectra, dim=(1, 2)), RUNS)
        products = fastest(lambda: rows @ columns, RUNS)
        move = fastest(lambda: rows.permute(2, 1, 0).contiguous(), RUNS)
    levels = (SIZE**2).bit_length() - 1
    return {
        TRANSFORMED: 2 * planes.numel() * levels / (there + back),
        MULTIPLIED: rows.numel() * CHANNELS / products,
        MOVED: 2 * rows.numel() / move,
    }
