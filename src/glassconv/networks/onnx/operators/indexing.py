"""Operators that read or write elements by index."""

from __future__ import annotations

import torch
from torch import Tensor

from glassconv.networks.onnx.integers import Integers, integers
from glassconv.networks.onnx.node import Call, Node, call

SLICES_AS_INPUTS = 10  # attributes before
REDUCTIONS = {"none": None, "add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def slice_(node: Node) -> Call:
    """Return a function: from starts to ends along some axes, by some steps."""
    if node.version < SLICES_AS_INPUTS:
        bounds = [node.get(name, None) for name in ("starts", "ends", "axes")]
        return call(sliced, node.value(0), *bounds)
    return call(
        sliced, node.value(0), *(node.numbers(index) for index in range(1, len(node.inputs)))
    )


def sliced(
    input: Tensor,
    starts: Integers,
    ends: Integers,
    axes: Integers | None = None,
    steps: Integers | None = None,
) -> Tensor:
    """Return a part; a negative step reads an axis backwards."""
    first, last = integers(starts), integers(ends)
    along = range(len(first)) if axes is None else integers(axes)
    by = [1] * len(first) if steps is None else integers(steps)
    for start, end, axis, step in zip(first, last, along, by, strict=True):
        size = input.shape[axis]
        if step > 0:
            taken = [slice(None)] * (axis % input.ndim) + [slice(start, end, step)]
            input = input[tuple(taken)]
        else:
            # Unlike Python's, a start before the beginning is the beginning.
            begin, stop = max(start, -size), end if end >= -size else None
            places = range(size)[slice(begin, stop, step)]
            indices = torch.tensor([*places], dtype=torch.int64, device=input.device)
            input = input.index_select(axis, indices)
    return input


def gathered(input: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Return the elements at indices along an axis, which the indices' axes replace."""
    axis %= input.ndim
    found = input.index_select(axis, _counted(indices, input.shape[axis]).reshape(-1))
    return found.reshape(input.shape[:axis] + indices.shape + input.shape[axis + 1 :])


def gathered_elements(input: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Return for each index the element that differs in one axis."""
    return input.gather(axis, _counted(indices, input.shape[axis]))


def gathered_parts(input: Tensor, indices: Tensor, batch_axes: int) -> Tensor:
    """Return the part at each index; the last axis of `indices` has an index for each axis."""
    batch = input.shape[:batch_axes]
    parts, places = input.flatten(0, batch_axes - 1) if batch_axes else input[None], indices
    places = places.reshape(-1, *indices.shape[batch_axes:])
    found = [part[tuple(place.movedim(-1, 0))] for part, place in zip(parts, places, strict=True)]
    return torch.stack(found).reshape(batch + found[0].shape)


def scattered_elements(
    input: Tensor, indices: Tensor, updates: Tensor, *, axis: int, reduction: str | None
) -> Tensor:
    """Return the input with an update at each index along an axis."""
    places = _counted(indices, input.shape[axis])
    if reduction is None:
        return input.scatter(axis, places, updates)
    return input.scatter_reduce(axis, places, updates, reduction)


def scatter_elements(node: Node) -> Call:
    """Return a function that replaces, adds, multiplies or takes the extreme."""
    reduction = REDUCTIONS[node.one_of("reduction", "none", tuple(REDUCTIONS))]
    return call(scattered_elements, *node.values, axis=node.get("axis", 0), reduction=reduction)


def scatter_parts(node: Node) -> Call:
    """Return a function that replaces, adds, multiplies or takes the extreme."""
    reduction = REDUCTIONS[node.one_of("reduction", "none", tuple(REDUCTIONS))]
    return call(scattered_parts, *node.values, reduction=reduction)


def scattered_parts(
    input: Tensor, indices: Tensor, updates: Tensor, *, reduction: str | None
) -> Tensor:
    """Return the input with an update of the part at each index."""
    numbers = torch.arange(input.numel(), device=input.device).reshape(input.shape)
    places = numbers[tuple(indices.movedim(-1, 0))].reshape(-1)
    flat = scattered_elements(
        input.reshape(-1), places, updates.reshape(-1), axis=0, reduction=reduction
    )
    return flat.reshape(input.shape)


def one_hot(node: Node) -> Call:
    """Return a function: values[1] at each index along a new axis, values[0] elsewhere."""
    return call(hot, node.value(0), node.numbers(1), node.value(2), axis=node.get("axis", -1))


def hot(indices: Tensor, depth: Integers, values: Tensor, *, axis: int) -> Tensor:
    """Return `depth` elements along a new axis; an index outside is nowhere."""
    [size] = [int(number) for number in integers(depth)]
    places = torch.arange(size, device=indices.device)
    wanted = torch.where(indices < 0, indices + size, indices).unsqueeze(axis).movedim(axis, -1)
    return torch.where(wanted == places, values[1], values[0]).movedim(-1, axis)


def nonzero(input: Tensor) -> Tensor:
    """Return [axes, elements]: where the input is not 0."""
    return torch.nonzero(input).T


def _counted(indices: Tensor, size: int) -> Tensor:
    """Return indices counted from the beginning, as int64."""
    indices = indices.long()
    return torch.where(indices < 0, indices + size, indices)


CONVERTERS = {
    "Slice": slice_,
    "Gather": lambda node: call(gathered, node.value(0), node.value(1), node.get("axis", 0)),
    "GatherElements": lambda node: call(
        gathered_elements, node.value(0), node.value(1), node.get("axis", 0)
    ),
    "GatherND": lambda node: call(
        gathered_parts, node.value(0), node.value(1), node.get("batch_dims", 0)
    ),
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_parts,
    "OneHot": one_hot,
    "NonZero": lambda node: call(nonzero, node.value(0)),
}
