"""How far the outputs of a network are from those in float64, relative to the largest of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def relative_error(outputs: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """Return the largest error over the largest absolute value, of all outputs together.

    >>> import torch
    >>> relative_error([torch.tensor([1.0, 2.5])], [torch.tensor([1.0, 2.0])])
    0.25
    """
    error = scale = 0.0
    for output, reference in zip(outputs, truth, strict=True):
        if reference.numel() and reference.is_floating_point():
            error = max(error, float((output.double() - reference).abs().max()))
            scale = max(scale, float(reference.abs().max()))
    return error / scale if scale else error
