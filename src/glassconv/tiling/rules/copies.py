"""Operations on a tile whose outputs copy elements: upsampling, padding, slices, concatenation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from glassconv.networks.field_rules import RULES as FIELD_RULES
from glassconv.networks.field_rules.shape import sliced as slices_of_fields
from glassconv.networks.field_rules.shape import view
from glassconv.networks.windows import mode_of_padding
from glassconv.tiling.call import Call, Rule, as_it_is
from glassconv.tiling.positions import (
    EXCEPTIONS,
    INTERPOLATED,
    NEAREST,
    copied_positions,
    neighbours,
)
from glassconv.tiling.regions import JOINS, sizes


def gathered(call: Call) -> Tensor:
    """Copy to each output the position that it has in the input, along each axis."""
    step, (tensor,) = call.step, call.tensors
    for dim in step.dims:
        places = copied_positions(step.operation, dim, *step.wanted[dim])
        places = places - step.reads[0].region[dim].start
        if not np.array_equal(places, np.arange(tensor.shape[dim])):
            tensor = tensor.index_select(dim, torch.from_numpy(places))
    return tensor


def interpolated(call: Call) -> Tensor:
    """Interpolate between positions along each axis; places and weights are computed in float64."""
    step, (tensor,) = call.step, call.tensors
    for dim in step.dims:
        places, weights = neighbours(step.operation, dim, *step.wanted[dim])
        first, *others = (
            tensor.index_select(dim, torch.from_numpy(each - step.reads[0].region[dim].start))
            for each in places
        )
        tensor = first
        for other, weight in zip(others, weights[1:], strict=True):
            along = torch.from_numpy(weight).to(tensor.dtype)
            along = along.reshape(-1, *(1,) * (tensor.ndim - 1 - dim))
            tensor = tensor.addcmul(other - first, along)  # numbers that are equal stay so
    return tensor


def padding(call: Call) -> Tensor:
    """Add a number at the image's borders, or what the image has inside of them."""
    if mode_of_padding(call.step.operation) != "constant":
        return gathered(call)
    return call.window(call.arguments.get("value") or 0)


def sliced(call: Call) -> Tensor:
    """Take every step-th element along a dimension; where that is not divided, as for the whole."""
    dim = call.step.operation.arguments["dim"] % len(call.step.wanted)
    if dim not in call.step.dims:
        return as_it_is(call)
    step = call.step.operation.arguments.get("step", 1)
    return call.tensors[0][(slice(None),) * dim + (slice(None, None, step),)]


def joined(call: Call) -> Tensor:
    """Put the tiles one behind the other; along a divided dimension, those that have a part."""
    step = call.step
    dim = step.operation.arguments["dim"] % len(step.wanted)
    if dim not in step.dims:
        return as_it_is(call)
    lengths = [value.shape[dim] for value in step.operation.inputs]
    parts = []
    for start, length, read, tensor in zip(
        accumulate(lengths, initial=0), lengths, step.reads, call.tensors, strict=False
    ):
        first = max(0, step.wanted[dim].start - start)
        last = min(length, step.wanted[dim].stop - start)
        if first < last:
            parts.append(tensor.narrow(dim, first - read.region[dim].start, last - first))
    return torch.cat(parts, dim)


def shuffled(call: Call) -> Tensor:
    """Compute the blocks of pixels that the region lies in, and keep its own."""
    step, output = call.step, as_it_is(call)
    before, after = step.operation.inputs[0].shape, step.operation.outputs[0].shape
    for dim in step.dims:
        if after[dim] > before[dim]:
            origin = step.reads[0].region[dim].start * (after[dim] // before[dim])
            wanted = step.wanted[dim]
            output = output.narrow(dim, wanted.start - origin, wanted.size)
    return output


def reshaped(call: Call) -> Tensor:
    """Give the elements another shape, in which the divided dimensions are the same."""
    return call.tensors[0].reshape(sizes(call.step.wanted))


VIEWS = tuple(name for name, rule in FIELD_RULES.items() if rule is view)
PADS = tuple(name for name in FIELD_RULES if "_pad" in name or name == "pad")
RULES: Mapping[str, Rule] = {
    **{name: gathered for name in EXCEPTIONS if name.startswith(NEAREST)},
    **dict.fromkeys(INTERPOLATED, interpolated),
    **dict.fromkeys(PADS, padding),
    **dict.fromkeys(VIEWS, reshaped),
    **{name: sliced for name, rule in FIELD_RULES.items() if rule is slices_of_fields},
    **dict.fromkeys(JOINS, joined),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), shuffled),
}
