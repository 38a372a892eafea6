"""Calls that glassconv and PyTorch both take: the same arrays and options, one axis to three."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import glassconv

Function = Callable[..., Tensor]


@dataclass(frozen=True)
class Calls:
    """A function of glassconv and PyTorch's, with the shapes and the options of a call."""

    name: str  # of the function
    input: tuple[int, ...]
    weight: tuple[int, ...]
    bias: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ours(self) -> Function:
        """Return glassconv's function of the arrays."""
        function: Function = getattr(glassconv, self.name)
        return lambda *arrays, **more: function(*arrays, **self.options, **more)

    @property
    def theirs(self) -> Function:
        """Return PyTorch's function of the arrays."""
        function: Function = getattr(F, self.name)
        return lambda *arrays: function(*arrays, **self.options)

    def arrays(
        self, dtype: torch.dtype = torch.float32, *, requires_grad: bool = False
    ) -> tuple[Tensor, ...]:
        """Return input, weight and, if there is one, bias: normal random numbers."""
        shapes = [self.input, self.weight, *([] if self.bias is None else [(self.bias,)])]
        return tuple(
            torch.randn(shape, dtype=dtype, requires_grad=requires_grad) for shape in shapes
        )


CALLS = {
    "1-D": Calls("conv1d", (2, 4, 7), (6, 4, 3), 6, {"padding": 1}),
    "2-D": Calls("conv2d", (2, 3, 5, 6), (4, 3, 3, 3), 4, {"padding": 1}),
    "2-D, groups, strided, dilated": Calls(
        "conv2d", (2, 4, 7, 6), (6, 2, 2, 3), 6, {"stride": (2, 1), "dilation": (2, 1), "groups": 2}
    ),
    "one image without bias": Calls("conv2d", (3, 5, 4), (2, 3, 3, 2)),
    "3-D": Calls("conv3d", (1, 2, 3, 4, 3), (4, 1, 2, 2, 2), 4, {"groups": 2}),
    "transposed 1-D": Calls("conv_transpose1d", (2, 4, 5), (4, 3, 3), 3, {"stride": 2}),
    "transposed 2-D, groups": Calls(
        "conv_transpose2d",
        (2, 4, 3, 4),
        (4, 2, 3, 2),
        4,
        {"stride": 2, "padding": (1, 0), "output_padding": 1, "groups": 2},
    ),
    "transposed image without bias": Calls("conv_transpose2d", (4, 3, 4), (4, 2, 3, 2)),
    "transposed 3-D": Calls("conv_transpose3d", (1, 2, 2, 3, 2), (2, 2, 2, 2, 2), 2),
}

# More of each, in one and two dimensions.
SHAPES = {
    "strided": Calls("conv2d", (2, 4, 9, 8), (6, 4, 3, 3), 6, {"stride": 2, "padding": 1}),
    "stride beyond the kernel": Calls("conv2d", (2, 3, 9, 8), (4, 3, 2, 1), 4, {"stride": (3, 2)}),
    "dilated": Calls("conv2d", (1, 3, 9, 9), (4, 3, 3, 3), 4, {"dilation": 2, "padding": 2}),
    "dilated and strided": Calls(
        "conv2d", (1, 3, 11, 10), (4, 3, 3, 2), 4, {"dilation": (2, 3), "stride": (3, 2)}
    ),
    "depthwise": Calls("conv2d", (2, 5, 7, 8), (5, 1, 3, 3), 5, {"groups": 5, "padding": 1}),
    "depthwise, strided": Calls(
        "conv2d", (2, 3, 9, 8), (6, 1, 3, 3), None, {"groups": 3, "padding": 1, "stride": 2}
    ),
    "a filter for each channel, strided": Calls(
        "conv2d", (2, 9, 7, 8), (9, 1, 3, 2), 9, {"groups": 9, "padding": 1, "stride": (2, 3)}
    ),
    "1-D, a filter for each channel, strided": Calls(
        "conv1d", (2, 9, 19), (9, 1, 5), 9, {"groups": 9, "padding": 2, "stride": 2, "dilation": 2}
    ),
    "wide": Calls("conv2d", (1, 2, 4, 20), (3, 2, 3, 3), 3, {"padding": 1}),
    "one pixel": Calls("conv2d", (2, 5, 1, 1), (7, 5, 1, 1), 7),
    "pointwise": Calls("conv2d", (2, 5, 4, 6), (7, 5, 1, 1), 7),
    "padding wider than the kernel": Calls("conv2d", (1, 2, 4, 4), (3, 2, 2, 2), 3, {"padding": 3}),
    "uneven padding": Calls("conv2d", (1, 2, 5, 6), (3, 2, 3, 2), 3, {"padding": "same"}),
    "1-D, strided": Calls("conv1d", (2, 4, 19), (6, 2, 5), 6, {"stride": 2, "groups": 2}),
    "transposed, dilated": Calls(
        "conv_transpose2d", (1, 3, 5, 4), (3, 2, 2, 3), 2, {"dilation": 2, "padding": 1}
    ),
}
