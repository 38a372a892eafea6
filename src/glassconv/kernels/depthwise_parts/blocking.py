"""The blocks of a depthwise problem: work units, several of which make a task."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from glassconv.kernels.runtime.blocking import Blocking


class PlaneLanes(Enum):
    """What the lanes of a vector are, of NCHW planes."""

    COLUMNS = "columns"
    CHANNELS = "channels"


@dataclass(frozen=True)
class DepthwiseBlocking(Blocking):
    """The blocks of a problem. A unit is a block of rows, columns and channels of outputs."""

    unit_rows: int
    unit_columns: int
    unit_channels: int
    units_per_task: int
    planes_per_copy: int  # planes whose windows are copied together; 0 for NHWC, which copies none
    workspace_bytes: int  # per thread
