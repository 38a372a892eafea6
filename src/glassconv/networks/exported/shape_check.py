"""Whether a program can be computed: its shapes alone, which takes no memory for numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves, tree_map

from glassconv.errors import ConvError, NetworkError
from glassconv.networks.exported.inputs import Inputs
from glassconv.networks.files.quote import first_line

MOST_BYTES = 1 << 36  # of one tensor: 64 GiB
MOST_PIECES = 200_000  # counted as the longest axis of what is cut
META = torch.device("meta")  # where tensors have shapes and no numbers


def check_shapes(network: fx.GraphModule, inputs: Inputs) -> None:
    """Compute the shapes of a program for the sizes that it was recorded with.

    Raises `NetworkError` for a node whose operands do not fit, and for a tensor of more than
    `MOST_BYTES`.
    """
    samples = [torch.empty(each.sample, dtype=each.dtype, device=META) for each in inputs.inputs]
    with torch.no_grad():
        _Shapes(network).run(*samples)


class _Shapes(fx.Interpreter):
    """Run a graph on tensors that have shapes and no numbers."""

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.extra_traceback = False
        self._pieces = 0

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Return a weight without its numbers."""
        return super().get_attr(target, args, kwargs).to(META)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Return what an operator computes; one that makes a tensor makes it without numbers."""
        args, kwargs = tree_map(_without_device, (args, kwargs))
        if isinstance(target, OpOverload) and any(
            each.name == "device" and each.kwarg_only for each in target._schema.arguments
        ):
            kwargs = {**kwargs, "device": META}
        self._count_pieces(target, args)
        return super().call_function(target, args, kwargs)

    def _count_pieces(self, target: Any, args: Any) -> None:
        """Raise before an operator, such as `unbind`, cuts a tensor into millions of them."""
        if isinstance(target, OpOverload) and any(
            "List" in str(each.type) for each in target._schema.returns
        ):
            self._pieces += max((size for each in args[:1] for size in _shape(each)), default=0)
            if self._pieces > MOST_PIECES:
                raise NetworkError(f"its graph cuts tensors into more than {MOST_PIECES:,} pieces")

    def run_node(self, n: fx.Node) -> Any:
        """Return a node's shapes, or raise for one that cannot be computed."""
        try:
            result = super().run_node(n)
        except ConvError:
            raise
        except Exception as error:  # each operator raises its own
            cause = f"its node {n.name} cannot be computed: {first_line(str(error))}"
            raise NetworkError(cause) from None
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.numel() * tensor.element_size() > MOST_BYTES:
                cause = f"its node {n.name} has the shape {tuple(tensor.shape)}"
                raise NetworkError(f"{cause}, which is more than {MOST_BYTES >> 30} GiB")
        return result


def _without_device(argument: Any) -> Any:
    """Return an argument, or `META` in place of a device."""
    return META if isinstance(argument, torch.device) else argument


def _shape(argument: Any) -> tuple[int, ...]:
    """Return a tensor's shape; of anything else, none."""
    return tuple(argument.shape) if isinstance(argument, Tensor) else ()
