"""Whether a program can be computed: its shapes alone, which takes no memory for numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from glassconv.errors import ConvError, NetworkError
from glassconv.networks.exported.inputs import Inputs

MOST_BYTES = 1 << 36  # of one tensor: 64 GiB


def check_shapes(network: fx.GraphModule, inputs: Inputs) -> None:
    """Compute the shapes of a program for the sizes that it was recorded with.

    Raises `NetworkError` for a node whose operands do not fit, and for a tensor of more than
    `MOST_BYTES`.
    """
    with FakeTensorMode() as mode:
        samples = [torch.empty(each.sample, dtype=each.dtype) for each in inputs.inputs]
        _Shapes(network, mode).run(*samples)


class _Shapes(fx.Interpreter):
    """Run a graph on tensors that have shapes and no numbers."""

    def __init__(self, network: fx.GraphModule, mode: FakeTensorMode) -> None:
        super().__init__(network)
        self.extra_traceback = False
        self._mode = mode

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Return a weight without its numbers."""
        return self._mode.from_tensor(super().get_attr(target, args, kwargs))

    def run_node(self, n: fx.Node) -> Any:
        """Return a node's shapes, or raise for one that cannot be computed."""
        try:
            result = super().run_node(n)
        except ConvError:
            raise
        except Exception as error:  # each operator raises its own
            reason = (str(error) or type(error).__name__).strip().splitlines()[0]
            raise NetworkError(f"its node {n.name} cannot be computed: {reason}") from None
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.numel() * tensor.element_size() > MOST_BYTES:
                cause = f"its node {n.name} has the shape {tuple(tensor.shape)}"
                raise NetworkError(f"{cause}, which is more than {MOST_BYTES >> 30} GiB")
        return result
