"""Pictures to convolve: the embedded one, the user's own, CIFAR-10's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Picture:
    """A small colour picture and what to call it."""

    pixels: npt.NDArray[np.uint8]  # [height, width, 3], red green blue
    source: str
