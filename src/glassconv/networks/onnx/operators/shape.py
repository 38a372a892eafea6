"""Operators that arrange elements anew: axes, sizes, copies and parts joined or split."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from glassconv.errors import UnsupportedError
from glassconv.networks.onnx.integers import Integers, integers
from glassconv.networks.onnx.node import Call, Node, SizesCall, Value, call

AXES_AS_INPUT = 13  # attributes before


def reshape(node: Node) -> Call:
    """Return a function: 0 keeps a size unless allowzero, −1 is what is left."""
    zero = node.get("allowzero", 0) == 1
    return call(reshaped, node.value(0), node.numbers(1), zero=zero)


def reshaped(input: Tensor, shape: Integers, *, zero: bool) -> Tensor:
    """Return the input in another shape; zero: whether 0 means the size 0."""
    sizes = integers(shape)
    if not zero:
        sizes = [input.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return input.reshape(sizes)


def flatten(node: Node) -> Call:
    """Return nn.Flatten, or for another axis than 1 a function."""
    axis: int = node.get("axis", 1)
    return call(nn.Flatten(), node.value(0)) if axis == 1 else call(as_matrix, node.value(0), axis)


def as_matrix(input: Tensor, axis: int) -> Tensor:
    """Return a matrix; its rows are the axes before `axis`."""
    axis = axis if axis >= 0 else axis + input.ndim
    return input.reshape(prod(input.shape[:axis]), prod(input.shape[axis:]))


def transpose(node: Node) -> Call:
    """Return a function; without perm the axes are reversed."""
    return call(permuted, node.value(0), node.get("perm", ()))


def permuted(input: Tensor, axes: Sequence[int]) -> Tensor:
    """Return the input with its axes in another order, by default the reverse."""
    return input.permute(tuple(axes) or tuple(range(input.ndim))[::-1])


def squeeze(node: Node) -> Call:
    """Return a function without the axes of size 1."""
    return call(squeezed, node.value(0), _axes(node))


def squeezed(input: Tensor, axes: Integers | None) -> Tensor:
    """Return the input without these axes, by default all of size 1."""
    if axes is None:
        return input.squeeze()
    listed = integers(axes)
    if any(input.shape[axis] != 1 for axis in listed):
        raise ValueError(f"axes {listed} of {list(input.shape)} must have the size 1")
    return input.squeeze(listed)


def unsqueeze(node: Node) -> Call:
    """Return a function with new axes of size 1."""
    return call(unsqueezed, node.value(0), _axes(node))


def unsqueezed(input: Tensor, axes: Integers) -> Tensor:
    """Return the input with axes of size 1 at these places of the output."""
    listed = integers(axes)
    rank = input.ndim + len(listed)
    for axis in sorted(axis % rank for axis in listed):
        input = input.unsqueeze(axis)
    return input


def _axes(node: Node) -> tuple[int, ...] | Value | None:
    if node.version < AXES_AS_INPUT:
        axes: tuple[int, ...] | None = node.get("axes", None)
        return axes
    return node.numbers(1)


def expanded(input: Tensor, shape: Integers) -> Tensor:
    """Return the input broadcast to a shape, which may be smaller than its own."""
    wanted = integers(shape)
    wanted = [1] * (input.ndim - len(wanted)) + wanted
    have = [1] * (len(wanted) - input.ndim) + list(input.shape)
    return input.expand([h if w == 1 else w for h, w in zip(have, wanted, strict=True)])


def tiled(input: Tensor, repeats: Integers) -> Tensor:
    """Return the input repeated along each axis."""
    return input.repeat(integers(repeats))


def shape(node: Node) -> SizesCall:
    """Return a function: the sizes of the axes from start to end."""
    bounds = node.get("start", 0), node.get("end", None)
    return SizesCall(call(sizes_of, node.value(0), *bounds), rank=1)


def sizes_of(input: Tensor, start: int, end: int | None) -> list[int]:
    """Return the sizes of some axes."""
    return list(input.shape)[start:end]


def number_of_elements(input: Tensor) -> Tensor:
    """Return how many elements the input has, as a tensor."""
    return torch.tensor(input.numel(), device=input.device)


def dropout(node: Node) -> Call:
    """Return nn.Dropout, which drops nothing in evaluation mode, and if it is asked for a mask."""
    ratio, training = node.numbers(1), node.numbers(2)
    if training in (None, (False,)) and not isinstance(ratio, Value):
        kept = call(
            nn.Dropout(node.get("ratio", 0.5) if ratio is None else ratio[0]), node.value(0)
        )
    else:
        kept = call(undropped, node.value(0), node.value(1), node.value(2))
    return kept if len(node.outputs) == 1 else call(with_mask, kept)


def undropped(input: Tensor, ratio: Tensor | None, training: Tensor | None) -> Tensor:
    """Return the input; raise if elements of it are to be dropped."""
    if training is not None and training and (ratio is None or ratio):
        raise UnsupportedError("dropout in training is random", request="Dropout")
    return input


def with_mask(input: Tensor) -> tuple[Tensor, Tensor]:
    """Return the input, and that no element is dropped."""
    return input, torch.ones_like(input, dtype=torch.bool)


def concat(node: Node) -> Call:
    """Return PyTorch's cat."""
    return call(torch.cat, node.values, dim=node.get("axis", 1))


def split(node: Node) -> Call:
    """Return a function with parts of given sizes, or equal ones with a smaller last."""
    sizes = node.get("split", None) if node.version < AXES_AS_INPUT else node.numbers(1)
    parts = len(node.outputs)
    taken = call(parts_of, node.value(0), sizes, axis=node.get("axis", 0), count=parts)
    return taken if parts > 1 else call(operator.getitem, taken, 0)


def parts_of(input: Tensor, sizes: Integers | None, *, axis: int, count: int) -> tuple[Tensor, ...]:
    """Return parts along an axis."""
    if sizes is not None:
        return torch.split_with_sizes(input, integers(sizes), axis)
    size = -(-input.shape[axis] // count)
    last = input.shape[axis] - size * (count - 1)
    return torch.split_with_sizes(input, [*[size] * (count - 1), last], axis)


def depth_to_space(node: Node) -> Call:
    """Return a function; in mode CRD it is PyTorch's pixel_shuffle."""
    block: int = node.get("blocksize", 1)
    if node.one_of("mode", "DCR", ("DCR", "CRD")) == "CRD":
        return call(torch.pixel_shuffle, node.value(0), block)
    return call(blocks_from_depth, node.value(0), block)


def blocks_from_depth(input: Tensor, block: int) -> Tensor:
    """Return [n, c / block², h · block, w · block]; the block's axes are before the channels."""
    batch, channels, height, width = input.shape
    depth = channels // block**2
    split = input.reshape(batch, block, block, depth, height, width)
    return split.permute(0, 3, 4, 1, 5, 2).reshape(batch, depth, height * block, width * block)


def space_to_depth(node: Node) -> Call:
    """Return a function; in mode CRD it is PyTorch's pixel_unshuffle."""
    block: int = node.get("blocksize", 1)
    if node.one_of("mode", "DCR", ("DCR", "CRD")) == "CRD":
        return call(torch.pixel_unshuffle, node.value(0), block)
    return call(depth_from_blocks, node.value(0), block)


def depth_from_blocks(input: Tensor, block: int) -> Tensor:
    """Return [n, block² · c, h / block, w / block]; the block's axes are before the channels."""
    batch, channels, height, width = input.shape
    split = input.reshape(batch, channels, height // block, block, width // block, block)
    depth = channels * block**2
    return split.permute(0, 3, 5, 1, 2, 4).reshape(batch, depth, height // block, width // block)


CONVERTERS = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Expand": lambda node: call(expanded, node.value(0), node.numbers(1)),
    "Tile": lambda node: call(tiled, node.value(0), node.numbers(1)),
    "Shape": shape,
    "Size": lambda node: call(number_of_elements, node.value(0)),
    "Identity": lambda node: call(nn.Identity(), node.value(0)),
    "Dropout": dropout,
    "Concat": concat,
    "Split": split,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
}
