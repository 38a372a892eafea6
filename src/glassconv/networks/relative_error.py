"""How far the outputs of a network are from those in float64, relative to the largest of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

from torch import Tensor


def relative_error(outputs: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """Return the largest error over the largest absolute value, of all outputs together.

    Where the reference is not finite there is no error; where only the output is not, it is
    infinite.

    >>> import torch
    >>> relative_error([torch.tensor([1.0, 2.5])], [torch.tensor([1.0, 2.0])])
    0.25
    >>> relative_error([torch.tensor([float("nan")])], [torch.tensor([1.0])])
    inf
    """
    error = scale = 0.0
    for output, reference in zip(outputs, truth, strict=True):
        if not reference.is_floating_point():
            continue
        finite = reference.isfinite()
        difference = (output.detach().double() - reference)[finite].abs()
        if not bool(difference.isfinite().all()):
            return inf
        if difference.numel():
            error = max(error, float(difference.max()))
            scale = max(scale, float(reference[finite].abs().max().detach()))
    return error / scale if scale else error


def relative_rms_error(outputs: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """Return the rms error over the rms value, of all outputs together; infinite as above.

    >>> import torch
    >>> relative_rms_error([torch.tensor([3.0, 4.5])], [torch.tensor([3.0, 4.0])])
    0.1
    """
    error = scale = 0.0
    for output, reference in zip(outputs, truth, strict=True):
        if not reference.is_floating_point():
            continue
        finite = reference.isfinite()
        difference = (output.double() - reference)[finite]
        if not bool(difference.isfinite().all()):
            return inf
        error += float(difference.square().sum())
        scale += float(reference[finite].double().square().sum())
    return sqrt(error / scale) if scale else sqrt(error)
