"""Tasks are so small that the arrays of these tests are divided into some."""

from __future__ import annotations

import pytest

from glassconv.operations import step


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide arrays of more than a kilobyte."""
    monkeypatch.setattr(step, "BYTES_PER_TASK", 4096)
    monkeypatch.setattr(step, "WORTH_DIVIDING", 1024)
