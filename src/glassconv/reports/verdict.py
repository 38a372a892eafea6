"""Verdict: yes or no, with the reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """Yes or no, always with the reason."""

    ok: bool
    reason: str

    def __bool__(self) -> bool:
        return self.ok
