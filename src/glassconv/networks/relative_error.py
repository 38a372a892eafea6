"""How far the outputs of a network are from those in float64, relative to how large these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    for difference, reference in _finite(outputs, truth):
        error = max(error, float(difference.abs().max()))
        scale = max(scale, float(reference.abs().max()))
    return error / scale if scale else error


def relative_rms_error(outputs: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """Return the rms error over the rms value, of all outputs together; infinite as above.

    >>> import torch
    >>> relative_rms_error([torch.tensor([3.0, 4.5])], [torch.tensor([3.0, 4.0])])
    0.1
    """
    error = scale = 0.0
    for difference, reference in _finite(outputs, truth):
        error += float(difference.square().sum())
        scale += float(reference.square().sum())
    return sqrt(error / scale) if scale else sqrt(error)


def _finite(outputs: Sequence[Tensor], truth: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the errors and the reference of each output, in float64, where that is finite.

    An error that is not finite is infinite. Outputs without such numbers are left out.
    """
    for output, reference in zip(outputs, truth, strict=True):
        if not reference.is_floating_point():
            continue
        finite = reference.isfinite()
        expected = reference.detach()[finite].double()
        if expected.numel():
            difference = output.detach()[finite].double() - expected
            yield difference.where(difference.isfinite(), inf), expected
