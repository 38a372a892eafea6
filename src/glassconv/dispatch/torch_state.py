"""Whether a kernel may be given tensors: PyTorch's private state, all of it read here.

A kernel reads numbers from memory. It may not do so where a tensor is more than that (another
device, a subclass, a lazy negation), or where PyTorch records or changes the operations on it
(gradients, modes, autocast, tracing). Much of this is visible through private functions only. Each
is looked up once, at import. Where a version of PyTorch lacks one, `PRIVATE` holds None for it and
no tensor is plain: calls run PyTorch's own convolution or an algorithm's steps, which are right
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from glassconv.dispatch.devices import CPU, META
from glassconv.dispatch.storage import is_stored

IsPlain = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], bool]

# Why each is needed.
PRIVATE_NAMES = {
    "_C._len_torch_dispatch_stack": "modes that see every operation, such as FakeTensorMode",
    "_C._len_torch_function_stack": "modes that see every function, such as torch.device('meta')",
    "_C._functorch.peek_interpreter_stack": "torch.func's transforms: vmap, grad, jvp",
    "_C._is_any_autocast_enabled": "autocast, which changes element types",
    "_C._is_tracing": "torch.jit.trace, which records operations",
    "Tensor._is_zerotensor": "zero tensors without memory, which forward-mode AD creates",
    "autograd.forward_ad._current_level": "the level of forward-mode AD; −1 when it is inactive",
}


def find(name: str) -> Any:
    """Return what torch has under a dotted name, None where it has nothing."""
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


PRIVATE = {name: find(name) for name in PRIVATE_NAMES}


def _make_is_plain() -> IsPlain:
    """Return `is_plain`; if a private function is missing, a function that is always false."""
    if any(found is None for found in PRIVATE.values()):
        return lambda input, weight, bias, residual: False
    modes, functions, transforms, autocast, tracing, is_zero_tensor, _ = PRIVATE.values()
    grad_enabled = torch.is_grad_enabled
    strided = torch.strided

    def is_plain(
        input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> bool:
        """Return whether all are numbers in memory, without gradients, modes or transforms."""
        if input is None or weight is None:  # a missing argument; check_kinds raises the error
            return False
        if (  # first, since modes see attributes being read, too
            modes()
            or functions()
            or transforms() is not None
            or forward_ad._current_level >= 0
            or autocast()
            or tracing()
        ):
            return False
        records = grad_enabled()
        for each in (input, weight, bias, residual):
            if each is None:
                continue
            kind = type(each)
            if kind is not Tensor and kind is not Parameter:
                return False
            if (
                (records and each.requires_grad)
                or not each.is_cpu
                or each.layout is not strided
                or each.is_neg()
                or is_zero_tensor(each)
            ):
                return False
            fills_its_storage = (  # as most do; is_stored takes a microsecond
                each.untyped_storage().nbytes() == each.nbytes
                and each.is_contiguous()
                and not each.storage_offset()
            )
            if not fills_its_storage and not is_stored(each):
                return False
        return True

    return is_plain


is_plain = _make_is_plain()


def memory_device(tensor: Tensor) -> str:
    """Return the type of the device whose memory a tensor's result takes, "meta" if it takes none.

    A fake tensor says that it is on the CPU. It is a subclass, or a mode is active that makes
    every tensor fake.
    """
    if not tensor.is_cpu:
        return tensor.device.type
    modes = PRIVATE["_C._len_torch_dispatch_stack"]
    real = type(tensor) is Tensor or type(tensor) is Parameter
    return CPU if real and not (modes and modes()) else META
