"""Where PyTorch itself is wrong or crashes, and what glassconv must do there instead."""

from __future__ import annotations

from typing import Any


def fault_of(call: Any, theirs: Any) -> Any:
    return None
