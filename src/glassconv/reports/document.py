"""The JSON document of a report: its facts' own names, in their own order, behind a version."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def json_document(version: int, report: DataclassInstance) -> str:
    """Write a report as a JSON document, two spaces a level.

    Raises `ValueError` for a number that JSON does not have.
    """
    facts = {"version": version, **asdict(report)}
    return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
