"""A network's plan, or what a pass did to it, as JSON: the facts' own names, in their own order."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from typing import Any

from glassconv.reports.plan import PassReport, PlanReport

VERSION = 1


def plan_to_json(report: PlanReport | PassReport) -> str:
    """Write a report as a JSON document, two spaces a level."""
    document = {"version": VERSION, **asdict(report)}
    if isinstance(report, PlanReport):
        document["memory"]["peak"] = report.memory.peak
    return json.dumps(_written(document), indent=2, ensure_ascii=False, allow_nan=False)


def _written(value: Any) -> Any:
    """Return a value with the words of numbers that JSON does not have, such as "inf"."""
    if isinstance(value, dict):
        return {name: _written(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_written(each) for each in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value
