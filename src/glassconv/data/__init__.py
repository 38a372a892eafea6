"""Images to convolve: the built-in one, the user's own, those of CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Picture:
    """A small colour image and its name."""

    pixels: npt.NDArray[np.uint8]  # [height, width, 3], red green blue
    source: str
