"""How far the outputs of a network are from those in float64, relative to the largest of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from torch import Tensor


def relative_error(outputs: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """Return the largest error over the largest absolute value, of all outputs together.

    Infinity where one is not finite and the other is something else.

    >>> import torch
    >>> relative_error([torch.tensor([1.0, 2.5])], [torch.tensor([1.0, 2.0])])
    0.25
    >>> relative_error([torch.tensor([1.0, torch.nan])], [torch.tensor([1.0, 2.0])])
    inf
    """
    error = scale = 0.0
    for output, reference in zip(outputs, truth, strict=True):
        if reference.numel() and reference.is_floating_point():
            difference = (output.detach().double() - reference).abs()
            same = (output == reference) | (output.isnan() & reference.isnan())
            errors = difference.masked_fill(same, 0).nan_to_num(nan=inf, posinf=inf)
            error = max(error, float(errors.max()))
            finite = reference.masked_fill(~reference.isfinite(), 0)
            scale = max(scale, float(finite.abs().max()))
    return error / scale if scale else error
