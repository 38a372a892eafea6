"""The hashes of a suite's outputs or gradients as a table."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from glassconv.reports.hashes import SuiteHash

SHOWN = 16  # digits of a convolution's hash


def hashes(report: SuiteHash) -> RenderableType:
    """Return each convolution with the first digits of its hash, and the suite's whole hash."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("convolution", f"SHA-256 of its {report.hashed}"):
        table.add_column(heading)
    for layer in report.layers:
        table.add_row(str(layer.problem), layer.digest[:SHOWN])
    return Group(table, f"SHA-256 of {report.suite}, all of these together:", report.digest)
