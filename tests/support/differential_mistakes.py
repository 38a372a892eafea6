"""Every kind of mistake that PyTorch detects, each put into a call that was valid.

A mistake returns whether it could be made: 'same' with a stride needs a function with strides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from support.differential_calls import Draft

Mistake = Callable[[Draft], bool]


def _change(draft: Draft, name: str, **fields: Any) -> bool:
    """Change an operand; a layout or view that suits its old shape is dropped."""
    if name not in draft.operands:
        return False
    draft.operands[name] = replace(draft.operands[name], **fields)
    draft.geometry = None
    return True


def _reshape(draft: Draft, name: str, shape: tuple[int, ...]) -> bool:
    return _change(draft, name, shape=shape, layout="contiguous", view="", numbers="whole")


def _argument(draft: Draft, name: str, value: Any) -> bool:
    if name == "output_padding" and "transpose" not in draft.function:
        return False
    if name == "groups" and "conv" not in draft.function:
        return False
    draft.arguments[name] = value
    draft.geometry = None
    return True


def _any_size(draft: Draft) -> str:
    names = ["stride", "padding", "dilation"]
    names += ["output_padding"] if "transpose" in draft.function else []
    names += ["kernel_size"] if "conv" not in draft.function else []
    return draft.random.choice(names)


def _any_operand(draft: Draft) -> str:
    return draft.random.choice(sorted(draft.operands))


def rank(draft: Draft) -> bool:
    """Give an operand an axis more, fewer, or none."""
    name = _any_operand(draft)
    shape = draft.operands[name].shape
    others: list[tuple[int, ...]] = [
        (1, 1, *shape),
        (1, *shape),
        shape[1:],
        shape[2:],
        (*shape, 1),
        (),
    ]
    if name == "input":  # one axis less is an image without a batch
        others = [(1, 1, *shape), shape[2:], shape[3:], (*shape, 1, 1), ()]
    return _reshape(draft, name, draft.random.choice(others))


def channels(draft: Draft) -> bool:
    """Give the input or the weight other channels."""
    name = draft.random.choice([each for each in draft.operands if each != "bias"])
    shape = list(draft.operands[name].shape)
    axis = len(shape) - draft.ndim - 1 if name == "input" else draft.random.choice((0, 1))
    if draft.function == "fold":
        axis = draft.random.choice((-1, -2))
    elif draft.function == "unfold":
        return False
    shape[axis] = max(0, shape[axis] + draft.random.choice((-1, 1, 2, 5)))
    return _reshape(draft, name, tuple(shape))


def channels_last_shape(draft: Draft) -> bool:
    """Put the channels at the end of the shape, as other libraries do."""
    shape = draft.operands["input"].shape
    at = len(shape) - draft.ndim - 1
    if at < 0 or draft.function == "fold":
        return False
    return _reshape(draft, "input", (*shape[:at], *shape[at + 1 :], shape[at]))


def groups(draft: Draft) -> bool:
    """Ask for groups that do not divide, for none, or for fewer."""
    return _argument(draft, "groups", draft.random.choice((0, -1, -2, 3, 5, 7, 2**31, 2**63)))


def bias(draft: Draft) -> bool:
    """Give a bias of another length or rank."""
    if "bias" not in draft.operands:
        return False
    (size,) = draft.operands["bias"].shape
    shapes = [(size + 1,), (max(0, size - 1),), (size, 1), (1, size), (), (1,) * (draft.ndim + 2)]
    return _reshape(draft, "bias", draft.random.choice(shapes))


def mixed_dtypes(draft: Draft) -> bool:
    """Give one operand another element type."""
    if len(draft.operands) < 2:
        return False
    dtypes = "float32 float64 float16 bfloat16 complex64 complex128 int64 int32 uint8 bool".split()
    name = _any_operand(draft)
    dtypes = [each for each in dtypes if each != draft.operands[name].dtype]
    return _change(
        draft, name, dtype=draft.random.choice(dtypes), numbers="whole", view="",
        requires_grad=False,
    )  # fmt: skip


def strange_dtype(draft: Draft) -> bool:
    """Give all operands an element type that no convolution has."""
    dtype = draft.random.choice(("bool", "uint16", "uint32", "uint64", "float8_e4m3fn"))
    for name in draft.operands:
        _change(draft, name, dtype=dtype, numbers="whole", view="", layout="contiguous",
                requires_grad=False)  # fmt: skip
    return True


def not_positive(draft: Draft) -> bool:
    """Make a stride, padding, dilation or output padding zero or negative."""
    name = _any_size(draft)
    low = draft.random.choice((-1, -2, -(2**40)))
    if name in ("stride", "dilation", "kernel_size"):
        low = draft.random.choice((0, 0, low))
    whole = draft.random.random() < 0.5
    value = low if whole else (1,) * (draft.ndim - 1) + (low,)
    return _argument(draft, name, value)


def too_large_kernel(draft: Draft) -> bool:
    """Make the kernel larger than the padded input."""
    if "transpose" in draft.function or draft.function == "fold":
        return False
    if isinstance(draft.arguments.get("padding"), str):
        return False
    larger = max(draft.operands["input"].shape[-draft.ndim :], default=1) + 8
    if draft.function == "unfold":
        return _argument(draft, "kernel_size", larger)
    shape = list(draft.operands["weight"].shape)
    shape[draft.random.randrange(2, len(shape))] = larger
    return _reshape(draft, "weight", tuple(shape))


def wrong_length(draft: Draft) -> bool:
    """Give too many or too few sizes."""
    lengths = [n for n in (0, 2, 3, 4, 5) if n != draft.ndim]
    name = _any_size(draft)
    low = 0 if "padding" in name else 1
    return _argument(draft, name, (low,) * draft.random.choice(lengths))


def output_padding(draft: Draft) -> bool:
    """Ask for more output padding than there is stride and dilation."""
    return _argument(draft, "output_padding", draft.random.choice((4, 5, 9, 2**40)))


def cut_to_nothing(draft: Draft) -> bool:
    """Let padding cut a transposed convolution's whole output off."""
    if "transpose" not in draft.function:
        return False
    return _argument(draft, "padding", draft.random.choice((9, 50, 1000)))


def same_with_stride(draft: Draft) -> bool:
    """Ask for 'same' with a stride."""
    if draft.function not in ("conv1d", "conv2d", "conv3d"):
        return False
    draft.arguments["stride"] = draft.random.choice((2, 3, [2] * draft.ndim))
    return _argument(draft, "padding", "same")


def string(draft: Draft) -> bool:
    """Pass a string: an unknown one, or where none belongs."""
    name = _any_size(draft)
    return _argument(draft, name, draft.random.choice(("full", "", "SAME", "1", b"1", "causal")))


def same_transposed(draft: Draft) -> bool:
    """Ask a function without 'same' and 'valid' for it."""
    if draft.function in ("conv1d", "conv2d", "conv3d"):
        return False
    return _argument(draft, "padding", draft.random.choice(("same", "valid")))


def wrong_type(draft: Draft) -> bool:
    """Pass a float, a bool, None, a dict, a NumPy float, nested tuples or an array of sizes."""
    name = draft.random.choice((_any_size(draft), _any_size(draft), "groups"))
    kinds: list[Any] = [1.0, 1.5, True, False, None, {}, {1: 1}, np.float64(1), float("nan"), 1j]
    kinds += [((1,),) * draft.ndim, (1.0,) * draft.ndim, (True,) * draft.ndim, object, slice(1)]
    kinds += [(None,) * draft.ndim, ("1",) * draft.ndim, torch.tensor(1.5), torch.tensor([1, 1, 1])]
    kinds += [range(1, draft.ndim + 1), {1}, torch.tensor(True), np.ones(draft.ndim, int)]
    return _argument(draft, name, draft.random.choice(kinds))


def not_a_tensor(draft: Draft) -> bool:
    """Pass None, a list, an array or a number instead of a tensor."""
    name = _any_operand(draft)
    if draft.operands[name].dtype in ("bfloat16", "complex32"):
        return False
    form = draft.random.choice(("None", "list", "numpy", "number"))
    if name == "bias" and form == "None":
        return False
    return _change(draft, name, form=form, view="", requires_grad=False, device="cpu")


def sparse(draft: Draft) -> bool:
    """Pass a sparse tensor."""
    name = _any_operand(draft)
    return _change(draft, name, form="sparse", view="", layout="contiguous", numbers="whole",
                   requires_grad=False, device="cpu", dtype="float32")  # fmt: skip


def meta(draft: Draft) -> bool:
    """Put some of the operands on the meta device."""
    if len(draft.operands) < 2:
        return False
    name = _any_operand(draft)
    for each, operand in [*draft.operands.items()]:
        place = "meta" if each == name else "cpu"
        draft.operands[each] = replace(operand, device=place, view="", requires_grad=False)
    draft.geometry = None
    return True


def nothing_there(draft: Draft) -> bool:
    """Give the weight a kernel of size 0, or no filters."""
    if "weight" not in draft.operands:
        return False
    shape = list(draft.operands["weight"].shape)
    shape[draft.random.randrange(len(shape))] = 0
    return _reshape(draft, "weight", tuple(shape))


def missing(draft: Draft) -> bool:
    """Leave the weight or the kernel size out."""
    if "weight" in draft.operands:
        del draft.operands["weight"]
        draft.geometry = None
        return True
    del draft.arguments["kernel_size"]
    draft.geometry = None
    return True


def unknown_keyword(draft: Draft) -> bool:
    """Pass an argument that does not exist."""
    names = ("strides", "pad", "padding_mode", "kernel", "out", "groups_", "dtype")
    return _argument(draft, draft.random.choice(names), 1)


def immense(draft: Draft) -> bool:
    """Pass a number that overflows on its way through the arithmetic of sizes."""
    name = _any_size(draft)
    powers: tuple[int, ...] = (
        (31, 32, 61, 62, 63, 70) if name != "padding" else (33, 50, 61, 62, 63, 70)
    )
    if "transpose" in draft.function or draft.function == "fold":
        powers = (50, 61, 62, 63, 70)
    return _argument(draft, name, 2 ** draft.random.choice(powers))


MISTAKES: Mapping[str, Mistake] = {
    each.__name__: each
    for each in (
        rank, channels, channels_last_shape, groups, bias, mixed_dtypes, strange_dtype,
        not_positive, too_large_kernel, wrong_length, output_padding, cut_to_nothing,
        same_with_stride, string, same_transposed, wrong_type, not_a_tensor, sparse, meta,
        nothing_there, missing, unknown_keyword, immense,
    )
}  # fmt: skip
