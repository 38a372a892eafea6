"""The blocks of a depthwise problem: units of work, some of which make a task."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.kernels.runtime.blocking import Blocking


@dataclass(frozen=True)
class DepthwiseBlocking(Blocking):
    """The blocks of a problem: a unit is a block of rows, columns and channels of outputs."""

    unit_rows: int
    unit_columns: int
    unit_channels: int
    task_units: int  # units of a task
    windows: int  # units whose windows are copied together (NCHW)
    workspace_bytes: int  # of each thread
