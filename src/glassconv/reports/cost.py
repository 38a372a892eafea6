"""Cost: what an algorithm spends on a problem."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What an algorithm spends on a problem."""

    multiplications: int
    additions: int
    workspace_bytes: int  # the largest total of arrays alive beside input, weight and output
    traffic_bytes: int  # read and written by all its operations together
    operations: int  # array operations started, each with its fixed overhead
