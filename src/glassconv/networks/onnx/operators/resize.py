"""Resize and Upsample: nn.Upsample where every size is multiplied, else axis by axis.

An output element at y of an axis is a weighted sum of the input's elements around a coordinate x
of that axis. The mode coordinate_transformation_mode gives x, and `mode` the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from glassconv.networks.onnx.integers import Integers, integers
from glassconv.networks.onnx.node import Call, Node, call

MODES = ("nearest", "linear", "cubic")
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
               "asymmetric", "tf_crop_and_resize")  # fmt: skip
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
POLICIES = ("stretch", "not_larger", "not_smaller")
LAYER_MODES = {3: "linear", 4: "bilinear", 5: "trilinear"}  # by the number of axes
ROI_AS_INPUT = 11  # before, coordinates are "asymmetric" and nearest is "floor"


@dataclass(frozen=True)
class Axis:
    """How one axis is resized: to what size, by what scale, and the part that is taken of it."""

    size: int
    scale: float
    begin: float
    end: float


def resize(node: Node) -> Call:
    """Return nn.Upsample, or a function."""
    options: dict[str, Any] = {
        "mode": node.one_of("mode", "nearest", MODES),
        "coordinates": "asymmetric",
        "rounding": "floor",
    }
    if node.version < ROI_AS_INPUT:
        scales = node.get("scales", ()) if node.version < 9 else node.numbers(1)
        return _layer(node, scales, options) or call(
            resized, node.value(0), None, scales, **options
        )
    name = "coordinate_transformation_mode"
    options["coordinates"] = node.one_of(name, "half_pixel", COORDINATES)
    options["rounding"] = node.one_of("nearest_mode", "round_prefer_floor", ROUNDINGS)
    roi, scales, sizes = (node.numbers(index) for index in (1, 2, 3))
    plain = node.get("axes", None) is None and not node.get("antialias", 0)
    layer = _layer(node, scales, options) if plain and not sizes else None
    more = {
        "axes": node.get("axes", None),
        "policy": node.one_of("keep_aspect_ratio_policy", "stretch", POLICIES),
        "antialias": node.get("antialias", 0) == 1,
        "cubic": node.get("cubic_coeff_a", -0.75),
        "exclude": node.get("exclude_outside", 0) == 1,
        "outside": node.get("extrapolation_value", 0.0),
    }
    return layer or call(resized, node.value(0), roi, scales, sizes, **options, **more)


def _layer(node: Node, scales: Any, options: dict[str, Any]) -> Call | None:
    """Return nn.Upsample for whole scales of the spatial axes, None if it differs."""
    if not isinstance(scales, tuple) or scales[:2] != (1, 1) or len(scales) not in LAYER_MODES:
        return None
    spatial = scales[2:]
    if not all(scale >= 1 and float(scale).is_integer() for scale in spatial):
        return None
    how = (options["mode"], options["coordinates"], options["rounding"])
    if how == ("nearest", "asymmetric", "floor") and all(map(_is_exact, spatial)):
        return call(nn.Upsample(scale_factor=spatial, mode="nearest"), node.value(0))
    if how[0] == "linear" and how[1] in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        mode, corners = LAYER_MODES[len(scales)], how[1] == "align_corners"
        return call(nn.Upsample(None, spatial, mode, align_corners=corners), node.value(0))
    return None


def _is_exact(scale: float) -> bool:
    """Return whether nn.Upsample, which multiplies by 1 / scale in float32, repeats by scale."""
    factor = np.float32(scale)
    return bool(factor * (np.float32(1) / factor) == 1)


def resized(
    input: Tensor,
    roi: Tensor | Sequence[float] | None,
    scales: Tensor | Sequence[float] | None,
    sizes: Integers | None = None,
    *,
    mode: str,
    coordinates: str,
    rounding: str,
    axes: Sequence[int] | None = None,
    policy: str = "stretch",
    antialias: bool = False,
    cubic: float = -0.75,
    exclude: bool = False,
    outside: float = 0.0,
) -> Tensor:
    """Resize each axis by a scale or to a size.

    exclude: whether elements outside the input have no weight, instead of the outermost's value.
    outside: the value at coordinates outside the input, of tf_crop_and_resize.
    """
    listed = range(input.ndim) if axes is None else [axis % input.ndim for axis in axes]
    result = input if input.dtype == torch.float64 else input.to(torch.float32)
    parts = _axes(input, listed, roi, scales, sizes, policy)
    for index, axis in zip(listed, parts, strict=True):
        is_whole = axis.begin == 0 and axis.end == 1
        if (
            axis.size == input.shape[index]
            and axis.scale == 1
            and (is_whole or coordinates != "tf_crop_and_resize")
        ):
            continue
        x = _coordinates(axis, input.shape[index], coordinates)
        places, weights = _taps(x, axis.scale, mode, rounding, antialias, cubic)
        size = input.shape[index]
        if exclude:
            weights = torch.where((places < 0) | (places >= size), 0, weights)
            weights = weights / weights.sum(1, keepdim=True)
        result = _weighted(result, index, places.clamp(0, size - 1), weights)
        if coordinates == "tf_crop_and_resize":
            is_outside = ((x < 0) | (x > size - 1)).to(result.device)
            result = result.movedim(index, -1).masked_fill(is_outside, outside).movedim(-1, index)
    return (
        result.to(input.dtype) if input.dtype.is_floating_point else _rounded(result, input.dtype)
    )


def _axes(
    input: Tensor,
    listed: Sequence[int],
    roi: Tensor | Sequence[float] | None,
    scales: Tensor | Sequence[float] | None,
    sizes: Integers | None,
    policy: str,
) -> list[Axis]:
    """Return how each of the listed axes is resized."""
    count = len(listed)
    bounds = _floats(roi) or [0.0] * count + [1.0] * count
    have = [input.shape[axis] for axis in listed]
    factors, wanted = _floats(scales), [] if sizes is None else integers(sizes)
    if factors:
        wanted = [int(size * factor) for size, factor in zip(have, factors, strict=True)]
    else:
        pairs = zip(wanted, have, strict=True)
        factors = [1.0 if new == old else new / old for new, old in pairs]
        if policy != "stretch":
            factors = [min(factors) if policy == "not_larger" else max(factors)] * count
            wanted = [int(factor * old + 0.5) for factor, old in zip(factors, have, strict=True)]
    each = zip(wanted, factors, bounds[:count], bounds[count:], strict=True)
    return [Axis(*values) for values in each]


def _coordinates(axis: Axis, size: int, mode: str) -> Tensor:  # noqa: PLR0911  one mode, one formula
    """Return the coordinate in the input of each output element."""
    y = torch.arange(axis.size, dtype=torch.float64)
    length = axis.scale * size  # a fraction, if the scale is given
    match mode:
        case "asymmetric":
            return y / axis.scale
        case "align_corners":
            return torch.zeros_like(y) if length == 1 else y * (size - 1) / (length - 1)
        case "tf_crop_and_resize" if length == 1:
            return torch.full_like(y, (axis.begin + axis.end) * (size - 1) / 2)
        case "tf_crop_and_resize":
            step = (axis.end - axis.begin) * (size - 1) / (length - 1)
            return y * step + axis.begin * (size - 1)
        case "pytorch_half_pixel" if axis.size == 1:
            return torch.zeros_like(y)
        case "half_pixel_symmetric":
            return size / 2 * (1 - axis.size / length) + (y + 0.5) / axis.scale - 0.5
    return (y + 0.5) / axis.scale - 0.5


def _taps(
    x: Tensor, scale: float, mode: str, rounding: str, antialias: bool, cubic: float
) -> tuple[Tensor, Tensor]:
    """Return [outputs, taps]: the indices that each output reads, and their weights."""
    if mode == "nearest":
        places = {
            "round_prefer_floor": torch.ceil(x - 0.5),
            "round_prefer_ceil": torch.floor(x + 0.5),
            "floor": torch.floor(x),
            "ceil": torch.ceil(x),
        }[rounding]
        return places.long()[:, None], torch.ones(len(x), 1, dtype=torch.float64)
    shrink = min(scale, 1.0) if antialias else 1.0
    reach = (1 if mode == "linear" else 2) / shrink
    taps = int(torch.tensor(2 * reach).ceil()) + 1
    places = torch.floor(x - reach)[:, None] + torch.arange(taps)
    distance = ((places - x[:, None]) * shrink).abs()
    weights = (1 - distance).clamp(min=0) if mode == "linear" else _cubic(distance, cubic)
    return places.long(), weights / weights.sum(1, keepdim=True)


def _cubic(distance: Tensor, a: float) -> Tensor:
    """Return the weights of cubic convolution (Keys 1981)."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, 0))


def _weighted(input: Tensor, axis: int, places: Tensor, weights: Tensor) -> Tensor:
    """Return the sums of the elements at the taps, times their weights."""
    shape = [1] * input.ndim
    shape[axis] = len(places)
    places, weights = places.to(input.device), weights.to(input.device, input.dtype)
    taps = range(places.shape[1])
    terms = [input.index_select(axis, places[:, t]) * weights[:, t].reshape(shape) for t in taps]
    return torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]


def _floats(values: Tensor | Sequence[float] | None) -> list[float]:
    if values is None:
        return []
    return [float(each) for each in (values.tolist() if isinstance(values, Tensor) else values)]


def _rounded(values: Tensor, dtype: torch.dtype) -> Tensor:
    limits = torch.iinfo(dtype)
    return values.round().clamp(limits.min, limits.max).to(dtype)


CONVERTERS = {"Resize": resize, "Upsample": resize}
