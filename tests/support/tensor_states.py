"""Tensors that are more than numbers in memory, and modes that see or change the operations."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class Subclass(Tensor):
    """A tensor of another type."""


class FunctionMode(TorchFunctionMode):
    """A mode that sees functions and changes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return func(*args, **(kwargs or {}))


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode that sees operations and changes nothing."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return func(*args, **(kwargs or {}))


CHANGED: dict[str, Callable[[Tensor], Tensor]] = {
    "a subclass": lambda x: x.as_subclass(Subclass),
    "a negative view": torch._neg_view,
    "the imaginary part of a conjugate": lambda x: torch.complex(x, x).conj().imag,
    "zeros without memory": lambda x: torch._efficientzerotensor(x.shape),
    "on another device": lambda x: x.to("meta"),
    "sparse": Tensor.to_sparse,
    "recorded by autograd": lambda x: x.clone().requires_grad_(),
}
MODES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "a function mode": FunctionMode,
    "a dispatch mode": DispatchMode,
    "fake tensors": FakeTensorMode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "forward differentiation": forward_ad.dual_level,
}
