"""What a convolution and its gradients are, in float64, complex128 or exact whole numbers.

Every one of them is a sum of products of two of three arrays: one on the side where a kernel's
window is a single element ("dense"), one on the side where it is spread over the axes ("spread"),
and the weight. A convolution goes from spread to dense, a transposed one from dense to spread.

    dense[n, a, o] = Σ_(b, k) spread[n, b, i(o, k)] · weight[a, b, k]     i = o · s + k · d − p
    spread[n, b, i] = Σ_(a, o, k with i(o, k) = i) dense[n, a, o] · weight[a, b, k]
    weight[a, b, k] = Σ_(n, o) dense[n, a, o] · spread[n, b, i(o, k)]

Positions i outside the spread side are padding and take no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Geometry:
    """Which position of the spread side each tap of each window reads."""

    dense: tuple[int, ...]  # sizes of the dense side
    spread: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]  # before each axis
    dilation: tuple[int, ...]
    groups: int = 1

    def positions(self) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return i as a flat index, [windows, taps], and where it is inside."""
        windows, taps = prod(self.dense), prod(self.kernel)
        index, inside = np.zeros((1, 1), np.int64), np.ones((1, 1), np.bool_)
        for axis, size in enumerate(self.spread):
            o, k = np.arange(self.dense[axis]), np.arange(self.kernel[axis])
            i = o[:, None] * self.stride[axis] + k * self.dilation[axis] - self.padding[axis]
            i, within = i[None, :, None, :], ((i >= 0) & (i < size))[None, :, None, :]
            shape = len(index) * len(o), index.shape[1] * len(k)
            index = (index[:, None, :, None] * size + i).reshape(shape)
            inside = (inside[:, None, :, None] & within).reshape(shape)
        assert index.shape == (windows, taps) or not windows * taps
        index = index.reshape(windows, taps)
        return np.where(inside.reshape(windows, taps), index, 0), inside.reshape(windows, taps)


@dataclass(frozen=True)
class Sum:
    """Sums of products, the same sums of absolute values, and how many terms each has at most."""

    value: Array
    magnitude: Array
    terms: int

    def plus(self, bias: Array) -> Sum:
        """Return it with a bias added to each channel."""
        along = (slice(None), *[None] * (self.value.ndim - 2))
        value = self.value + bias[along]
        return Sum(value, self.magnitude + absolute(bias)[along], self.terms + 1)


def absolute(array: Array) -> Array:
    """Return the absolute values; whole numbers, which are exact, need none."""
    return np.abs(array) if array.dtype.kind in "fc" else np.zeros_like(array, np.float64)


def to_dense(geometry: Geometry, spread: Array, weight: Array) -> Sum:
    """Return Σ spread · weight: spread is [n, b, *sizes], weight [a, b / groups, *kernel]."""
    value = _to_dense(geometry, spread, weight)
    terms = prod(weight.shape[1:])
    return Sum(value, _to_dense(geometry, absolute(spread), absolute(weight)), terms)


def to_spread(geometry: Geometry, dense: Array, weight: Array) -> Sum:
    """Return what the dense side adds to the spread: weight is [a, b / groups, *kernel]."""
    value = _to_spread(geometry, dense, weight)
    terms = weight.shape[0] // geometry.groups * prod(weight.shape[2:])
    return Sum(value, _to_spread(geometry, absolute(dense), absolute(weight)), terms)


def to_weight(geometry: Geometry, dense: Array, spread: Array) -> Sum:
    """Return the weight's gradient, [a, b / groups, *kernel]."""
    value = _to_weight(geometry, dense, spread)
    terms = dense.shape[0] * prod(geometry.dense)
    return Sum(value, _to_weight(geometry, absolute(dense), absolute(spread)), terms)


def to_bias(gradient: Array) -> Sum:
    """Return the bias's gradient: the sums over all but the channels."""
    axes = (0, *range(2, gradient.ndim))
    terms = gradient.size // max(1, gradient.shape[1])
    return Sum(gradient.sum(axes), absolute(gradient).sum(axes), terms)


def gather(geometry: Geometry, spread: Array) -> Array:
    """Return the windows, [n, b, windows, taps], zero where they read padding."""
    index, inside = geometry.positions()
    flat = spread.reshape(*spread.shape[:2], prod(geometry.spread))
    if not flat.shape[2]:
        return np.zeros((*flat.shape[:2], *index.shape), spread.dtype)
    return np.where(inside, flat[:, :, index], np.zeros((), spread.dtype))


def scatter(geometry: Geometry, columns: Array) -> Array:
    """Add columns, [n, b, windows, taps], to the positions that they are of: [n, b, *spread]."""
    index, inside = geometry.positions()
    flat = np.zeros((prod(geometry.spread), *columns.shape[:2]), columns.dtype)
    np.add.at(flat, index[inside], columns[:, :, inside].transpose(2, 0, 1))
    return flat.transpose(1, 2, 0).reshape(*columns.shape[:2], *geometry.spread)


def _grouped(array: Array, axis: int, groups: int) -> Array:
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def _to_dense(geometry: Geometry, spread: Array, weight: Array) -> Array:
    groups, (n, _) = geometry.groups, spread.shape[:2]
    windows = _grouped(gather(geometry, spread), 1, groups)
    windows = windows.transpose(0, 1, 3, 2, 4)  # n, g, windows, b / g, taps
    columns = windows.reshape(n, groups, windows.shape[2], prod(windows.shape[3:]))
    filters = _grouped(weight, 0, groups)
    filters = filters.reshape(*filters.shape[:2], prod(filters.shape[2:]))
    output = columns @ filters.transpose(0, 2, 1)  # n, g, windows, a / g
    return output.transpose(0, 1, 3, 2).reshape(n, weight.shape[0], *geometry.dense)


def _to_spread(geometry: Geometry, dense: Array, weight: Array) -> Array:
    groups, n = geometry.groups, dense.shape[0]
    windows, taps = prod(geometry.dense), prod(geometry.kernel)
    rows = _grouped(dense, 1, groups).reshape(n, groups, dense.shape[1] // groups, windows)
    filters = _grouped(weight, 0, groups)
    per_group = weight.shape[1]
    filters = filters.reshape(*filters.shape[:2], per_group * taps)
    columns = rows.transpose(0, 1, 3, 2) @ filters  # n, g, windows, b / g * taps
    each = columns.reshape(n, groups, windows, per_group, taps).transpose(0, 1, 3, 2, 4)
    return scatter(geometry, each.reshape(n, groups * per_group, windows, taps))


def _to_weight(geometry: Geometry, dense: Array, spread: Array) -> Array:
    groups, n = geometry.groups, dense.shape[0]
    windows = prod(geometry.dense)
    rows = _grouped(dense, 1, groups).reshape(n, groups, dense.shape[1] // groups, windows)
    each = _grouped(gather(geometry, spread), 1, groups)
    per_group, taps = each.shape[2], each.shape[4]
    columns = each.transpose(1, 0, 3, 2, 4).reshape(groups, n * windows, per_group * taps)
    filters = rows.transpose(1, 2, 0, 3).reshape(groups, rows.shape[2], n * windows)
    return (filters @ columns).reshape(dense.shape[1], per_group, *geometry.kernel)


def to_array(tensor: Tensor) -> Array:
    """Return a tensor in float64, complex128 or int64, which holds each of its numbers exactly."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.dtype.is_complex:
        return np.asarray(tensor.to(torch.complex128).numpy())
    kind = torch.float64 if tensor.dtype.is_floating_point else torch.int64
    return np.asarray(tensor.to(kind).numpy())
