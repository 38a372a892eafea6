"""Networks whose shapes alone are looked at: drawing a hundred million weights takes seconds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

INITIALISERS = ("kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_")


def leave_weights_undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let layers keep the numbers that their memory holds."""

    def keep(tensor: Tensor, *given: Any, **named: Any) -> Tensor:
        return tensor

    for name in INITIALISERS:
        monkeypatch.setattr(torch.nn.init, name, keep)
