"""Whether a kernel may be given tensors: PyTorch's private state, all of it read here.

A kernel reads numbers from memory. It may not do so where a tensor is more than that (another
device, a subclass, a lazy negation), or where PyTorch records or changes the operations on it
(gradients, modes, autocast, tracing). Much of this is visible through private functions only. Each
is looked up once, at import. Where a version of PyTorch lacks one, `PRIVATE` holds None for it and
the state is always `OTHER`: calls run PyTorch's own convolution or an algorithm's steps, which are
right everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from glassconv.dispatch.devices import CPU, META


class State(Enum):
    """What a call's tensors are, and who sees the operations on them."""

    PLAIN = auto()  # numbers in memory: a kernel may read them
    RECORDED = auto()  # the same, but autograd records the operations
    OTHER = auto()  # more than numbers in memory, or a mode or a transform sees the operations


StateOf = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], State]

# Why each is needed.
PRIVATE_NAMES = {
    "_C._len_torch_dispatch_stack": "modes that see every operation, such as FakeTensorMode",
    "_C._len_torch_function_stack": "modes that see every function, such as torch.device('meta')",
    "_C._functorch.peek_interpreter_stack": "torch.func's transforms: vmap, grad, jvp",
    "_C._is_any_autocast_enabled": "autocast, which changes element types",
    "_C._is_tracing": "torch.jit.trace, which records operations",
    "Tensor._is_zerotensor": "zero tensors without memory, which forward-mode AD creates",
    "_C._functorch.is_legacy_batchedtensor": "batches of output gradients: is_grads_batched",
    "autograd.forward_ad._current_level": "the level of forward-mode AD; −1 when it is inactive",
}


def find(name: str) -> Any:
    """Return what torch has under a dotted name, None where it has nothing."""
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


PRIVATE = {name: find(name) for name in PRIVATE_NAMES}


def _make_state_of() -> StateOf:
    """Return `state_of`; if a private function is missing, one that always returns `OTHER`."""
    if any(found is None for found in PRIVATE.values()):
        return lambda input, weight, bias, residual: State.OTHER
    modes, functions, transforms, autocast, tracing, is_zero_tensor, is_batched, _ = (
        PRIVATE.values()
    )
    grad_enabled = torch.is_grad_enabled
    strided = torch.strided
    plain, recorded, other = State.PLAIN, State.RECORDED, State.OTHER

    def state_of(
        input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> State:
        """Return the state of a call's tensors; whether their storages hold them is not checked."""
        if input is None or weight is None:  # a missing argument; check_kinds raises the error
            return other
        if (  # first, since modes see attributes being read, too
            modes()
            or functions()
            or transforms() is not None
            or forward_ad._current_level >= 0
            or autocast()
            or tracing()
        ):
            return other
        gradients = False
        for each in (input, weight, bias, residual):
            if each is None:
                continue
            kind = type(each)
            if (
                (kind is not Tensor and kind is not Parameter)
                or not each.is_cpu
                or each.layout is not strided
                or each.is_neg()
                or is_zero_tensor(each)
                or is_batched(each)
            ):
                return other
            gradients = gradients or each.requires_grad
        return recorded if gradients and grad_enabled() else plain

    return state_of


state_of = _make_state_of()


def is_batch_of_gradients(tensor: Tensor) -> bool:
    """Return whether it is a batch that `is_grads_batched` hides, of which few operations exist."""
    is_batched = PRIVATE["_C._functorch.is_legacy_batchedtensor"]
    return is_batched is not None and bool(is_batched(tensor))


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
