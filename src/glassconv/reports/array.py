"""The array types of every report: NumPy arrays, never tensors, so that a view needs no PyTorch."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Index = tuple[int, ...]
