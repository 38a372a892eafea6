"""Let torchvision be imported: a test imports this first."""

from __future__ import annotations

from glassconv.benchmarks.torchvision_schemas import declare

declare()
