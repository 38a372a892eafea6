"""Tensors that can be made again from a few words: a shape, an element type, numbers, a layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

COMPLEX = ("complex32", "complex64", "complex128")
FLOATING = ("float32", "float64", "bfloat16", "float16")
INTEGER = ("uint8", "int8", "int16", "int32", "int64")


@dataclass(frozen=True)
class Operand:
    """One array of a call.

    shape: its sizes. dtype: PyTorch's name of its element type.
    numbers: "normal", "whole" (-2 … 2), "any" (every value of an integer type), or "nan" and "inf"
        (normal numbers and one that is not finite).
    layout: one of `LAYOUTS`. view: "", "conj" or "neg": a conjugation or negation that PyTorch
        remembers in a flag and has not done yet.
    device: "cpu" or "meta". form: "tensor", or what is passed instead of one: "list", "numpy",
        "None", "number", "sparse".
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    numbers: str = "normal"
    layout: str = "contiguous"
    view: str = ""
    device: str = "cpu"
    form: str = "tensor"
    requires_grad: bool = False
    seed: int = 0

    def __str__(self) -> str:
        """Return it in one line."""
        words = [self.dtype, str(list(self.shape))]
        words += [] if self.layout == "contiguous" else [self.layout]
        words += [] if self.numbers == "normal" else [self.numbers]
        words += [self.view] if self.view else []
        words += [] if self.device == "cpu" else [self.device]
        words += [] if self.form == "tensor" else [f"as {self.form}"]
        words += ["requires_grad"] if self.requires_grad else []
        return " ".join(words)

    def make(self) -> Any:
        """Return the tensor, new at each call, or what is passed instead."""
        if self.form == "None":
            return None
        if self.form == "number":
            return 1.5
        tensor = LAYOUTS[self.layout](self.values())
        if self.form == "list":
            return tensor.tolist()
        if self.form == "numpy":
            return tensor.numpy()
        if self.form == "sparse":
            return tensor.to_sparse()
        if self.view == "conj":
            tensor = LAYOUTS[self.layout](self.values().conj().resolve_conj()).conj()
        elif self.view == "neg":
            tensor = torch._neg_view(LAYOUTS[self.layout](-self.values()))
        if self.device == "meta":
            tensor = tensor.to("meta")
        return tensor.detach().requires_grad_() if self.requires_grad else tensor

    def values(self) -> Tensor:
        """Return the numbers as a contiguous tensor."""
        random = np.random.default_rng(self.seed)
        dtype: torch.dtype = getattr(torch, self.dtype)
        if self.numbers == "any":
            info = torch.iinfo(dtype)
            drawn = random.integers(info.min, info.max, self.shape, np.int64, endpoint=True)
            return torch.from_numpy(np.asarray(drawn)).to(dtype)
        draw: Callable[[], Any] = (
            (lambda: random.integers(-2, 3, self.shape).astype(np.float64))
            if self.numbers == "whole"
            else (lambda: random.standard_normal(self.shape))
        )
        array = np.asarray(draw())
        if self.dtype in COMPLEX:
            return torch.from_numpy(np.asarray(array + 1j * draw())).to(dtype)
        if self.numbers in ("nan", "inf") and array.size:
            array.flat[random.integers(array.size)] = float(self.numbers)
        if dtype.is_floating_point or dtype == torch.bool:
            return torch.from_numpy(array).to(dtype)
        return torch.from_numpy(array).to(torch.int64).to(dtype)


def channels_last(tensor: Tensor) -> Tensor:
    """Return it with the channels' axis innermost in memory."""
    if tensor.ndim < 3:
        return tensor.contiguous()
    return tensor.movedim(1, -1).contiguous().movedim(-1, 1)


def image_channels_last(tensor: Tensor) -> Tensor:
    """Return one image, [channels, …], with the channels' axis innermost in memory."""
    return tensor.movedim(0, -1).contiguous().movedim(-1, 0) if tensor.ndim else tensor


def reversed_axes(tensor: Tensor) -> Tensor:
    """Return it with the first axis innermost in memory."""
    order = tuple(reversed(range(tensor.ndim)))
    return tensor.permute(order).contiguous().permute(order)


def swapped(first: int, second: int) -> Callable[[Tensor], Tensor]:
    """Return the layout in which two axes are swapped in memory."""

    def lay(tensor: Tensor) -> Tensor:
        if max(first, second) >= tensor.ndim or -min(first, second) > tensor.ndim:
            return tensor.contiguous()
        return tensor.transpose(first, second).contiguous().transpose(first, second)

    return lay


def strided(tensor: Tensor, strides: tuple[int, ...], offset: int = 0) -> Tensor:
    """Return the numbers at other strides, in memory that is otherwise full of sevens."""
    if not tensor.numel():
        return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype)
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, strides, strict=True))
    memory = torch.full((offset + last + 1,), 7, dtype=tensor.dtype)
    memory.as_strided(tensor.shape, strides, offset).copy_(tensor)
    return memory.as_strided(tensor.shape, strides, offset)


def sliced(tensor: Tensor) -> Tensor:
    """Return a part of a larger array."""
    larger = [size + 2 for size in tensor.shape]
    strides = tuple(prod(larger[axis + 1 :]) for axis in range(tensor.ndim))
    return strided(tensor, strides, offset=sum(strides))


def every_second(tensor: Tensor) -> Tensor:
    """Return every second element of an array, along the last axis."""
    return strided(tensor, tuple(2 * stride for stride in tensor.contiguous().stride()))


def channels_of_more(tensor: Tensor) -> Tensor:
    """Return the first channels of a channels-last array that has more."""
    if tensor.ndim < 3:
        return tensor.contiguous()
    last = tensor.movedim(1, -1).contiguous()
    gaps = last.shape[-1] + 3
    strides = [
        stride // max(1, last.shape[-1]) * gaps if axis < last.ndim - 1 else 1
        for axis, stride in enumerate(last.stride())
    ]
    return strided(last, tuple(strides)).movedim(-1, 1)


def expanded(axis: int) -> Callable[[Tensor], Tensor]:
    """Return the layout with stride 0 along an axis: its first element, repeated."""

    def lay(tensor: Tensor) -> Tensor:
        if not -tensor.ndim <= axis < tensor.ndim:
            return tensor.contiguous()
        return tensor.narrow(axis, 0, min(1, tensor.shape[axis])).clone().expand(tensor.shape)

    return lay


def overlapping(tensor: Tensor) -> Tensor:
    """Return an array whose rows overlap in memory: each starts one element after the last."""
    strides = tuple(min(1, size) for size in tensor.shape)
    if not tensor.numel():
        return tensor
    memory = tensor.contiguous().view(-1)
    return memory.as_strided(tensor.shape, strides)


def odd_strides_of_ones(tensor: Tensor) -> Tensor:
    """Return an array that has strange strides along its axes of size 1."""
    pairs = zip(tensor.shape, tensor.contiguous().stride(), strict=True)
    strides = tuple(11 + axis if size == 1 else stride for axis, (size, stride) in enumerate(pairs))
    return strided(tensor, strides)


def flipped(tensor: Tensor) -> Tensor:
    """Return it reversed along the last axis."""
    if not tensor.ndim:
        return tensor
    wide = tensor.to(torch.complex64) if tensor.dtype == torch.complex32 else tensor
    return wide.flip(-1).to(tensor.dtype)


LAYOUTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda tensor: tensor.contiguous(),
    "channels_last": channels_last,
    "image channels_last": image_channels_last,
    "reversed axes": reversed_axes,
    "swapped 0 1": swapped(0, 1),
    "swapped last two": swapped(-1, -2),
    "sliced": sliced,
    "every second": every_second,
    "offset": lambda tensor: strided(tensor, tensor.contiguous().stride(), 3),
    "channels of more": channels_of_more,
    "expanded first": expanded(0),
    "expanded second": expanded(1),
    "expanded last": expanded(-1),
    "expanded all": lambda tensor: (
        tensor.flatten()[:1].clone().reshape([min(1, s) for s in tensor.shape]).expand(tensor.shape)
    ),
    "overlapping": overlapping,
    "odd strides of 1": odd_strides_of_ones,
    "flipped": flipped,
}
