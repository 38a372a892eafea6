"""A network small enough to be run by every engine in a second, and engines that are no good."""

from __future__ import annotations

import os

import numpy as np
from torch import Tensor, nn

from glassconv.benchmarks.peers import eager
from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.reports.array import Array


class SmallNetwork(nn.Module):
    """Convolutions with BatchNorm, one of them depthwise, a sum and a linear layer."""

    default_cfg = {"input_size": (3, 16, 16)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.classify = nn.Linear(16, 10)

    def forward(self, input: Tensor) -> Tensor:
        """Return scores of shape `[batch, 10]`."""
        output = self.stem(input)
        output = output + self.depthwise(output)
        scores: Tensor = self.classify(output.mean((2, 3)))
        return scores


def _prepare_wrong(case: Case) -> Call:
    call = eager.NCHW.prepare(case)
    return lambda: call() * np.float32(1.001)


def _prepare_nothing(case: Case) -> Call:
    raise ValueError("no layer is known\nand more lines")


def _prepare_crash(case: Case) -> Call:
    os.write(1, b"the last words\n")
    os._exit(3)


def _prepare_fails_later(case: Case) -> Call:
    call = eager.NCHW.prepare(case)
    calls = iter(range(6))

    def limited() -> Array:
        next(calls)
        return call()

    return limited


WRONG = Engine("wrong", "torch", _prepare_wrong)
REFUSING = Engine("refusing", "torch", _prepare_nothing)
CRASHING = Engine("crashing", "torch", _prepare_crash)
TIRING = Engine("tiring", "torch", _prepare_fails_later)
ABSENT = Engine("absent", "no-such-package", _prepare_wrong)
