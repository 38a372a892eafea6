"""Allocations: the bytes of activations that are alive while a model runs.

A tensor's memory is alive as long as some tensor shares it. Tensors die in a recorded call when
they die in a real one, since the same Python code holds them. An operator that PyTorch composes of
others is decomposed here, so what it allocates on the way is counted.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from glassconv.networks.operation_mode import OperationMode
from glassconv.networks.temporaries import temporary_bytes
from glassconv.networks.tensors import tensors_in

COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
WHOLE = (  # what has nothing to decompose, or is decomposed into what allocates more
    torch.ops.prim.device.default,
    torch.ops.aten.linear.default,
)
DROPOUTS = (torch.ops.aten.dropout.default, torch.ops.aten.feature_dropout.default)


class Allocations(OperationMode):
    """Counts the memory of tensors that operations return, until the last of them is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.live_bytes = 0
        self.peak_bytes = 0  # since `begin`, beyond what was alive then
        self._before = 0
        self._owners: Counter[int] = Counter()  # tensors that share a storage, by its address
        self._seen: dict[int, weakref.ref[Tensor]] = {}

    def begin(self) -> None:
        """Count the peak anew."""
        self._before, self.peak_bytes = self.live_bytes, 0

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return what an operation returns, counted."""
        if function in DROPOUTS and not (args[2] if len(args) > 2 else kwargs["train"]):
            return args[0]  # as in a real call; what decomposes it would copy it
        if function not in WHOLE and _is_composed(function):
            with self:
                # Not `decompose`, which prefers Python's compositions, that may allocate more.
                return function._op_dk(COMPOSITE, *args, **kwargs)
        given = {tensor.untyped_storage()._cdata for tensor in tensors_in((args, kwargs))}
        output = function(*args, **kwargs)
        for tensor in tensors_in(output):
            self._own(tensor, given)
        allocated = self.live_bytes - self._before + temporary_bytes(function, args)
        self.peak_bytes = max(self.peak_bytes, allocated)
        return output

    def _own(self, tensor: Tensor, given: set[int]) -> None:
        """Count a tensor's memory, unless it is the memory of a parameter or the input."""
        known = self._seen.get(id(tensor))
        if known is not None and known() is tensor:
            return
        storage = tensor.untyped_storage()
        address, size = storage._cdata, storage.nbytes()
        if address in given and not self._owners[address]:
            return
        if not self._owners[address]:
            self.live_bytes += size
        self._owners[address] += 1

        def dropped(_: object, address: int = address, size: int = size) -> None:
            self._owners[address] -= 1
            if not self._owners[address]:
                del self._owners[address]
                self.live_bytes -= size

        self._seen[id(tensor)] = weakref.ref(tensor, dropped)


def _is_composed(function: Any) -> bool:
    """Return whether PyTorch composes an operator of others in C++."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(function.name(), COMPOSITE)
