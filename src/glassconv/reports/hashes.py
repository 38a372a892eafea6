"""What `verify --hash` reports: a hash of the outputs, or of the gradients, of convolutions."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem.problem import Problem


@dataclass(frozen=True)
class LayerHash:
    """A convolution and the SHA-256 of its output's or gradients' bytes, in hexadecimal."""

    problem: Problem
    digest: str


@dataclass(frozen=True)
class SuiteHash:
    """The hashes of a suite's convolutions, and the SHA-256 of those hashes one after another."""

    suite: str
    hashed: str  # "output" or "gradients"
    layers: tuple[LayerHash, ...]
    digest: str
