"""The back end of `torch.compile`: each graph that PyTorch finds in a function becomes a plan.

    torch.compile(model, backend="glassconv")

PyTorch knows it by its entry point (`pyproject.toml`), without an import of glassconv.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import torch
from torch import Tensor, fx, nn

from glassconv.networks.optimize import OptimizedNetwork

STATIC = "_dynamo_static_input_type"  # PyTorch's mark of parameters, buffers and attributes


def glassconv(graph: fx.GraphModule, example_inputs: Sequence[Any]) -> Callable[..., Any]:
    """Return what computes a graph of `torch.compile`'s, for inference.

    Parameters and buffers are packed at the first call, and again when they have changed as far as
    PyTorch's version counters show. Calls that record gradients run the graph by PyTorch.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval()
    >>> compiled = torch.compile(model, backend=glassconv)
    >>> x = torch.rand(1, 3, 9, 9)
    >>> with torch.no_grad():
    ...     torch.allclose(compiled(x), model(x), atol=1e-5)
    True
    """
    return _Graph(graph)


class _Graph:
    """A graph of PyTorch's, whose parameters are inputs that seldom change."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph
        inputs = (node for node in graph.graph.nodes if node.op == "placeholder")
        self.is_fixed = [STATIC in node.meta.get("tensor_dict", {}) for node in inputs]
        self.is_given = [not each for each in self.is_fixed]
        self.fixed: list[Tensor] = []
        self.versions: list[int] = []
        self.network: OptimizedNetwork | None = None

    def __call__(self, *inputs: Any) -> Any:
        fixed = list(compress(inputs, self.is_fixed))
        if torch.is_grad_enabled() and any(_requires_grad(each) for each in inputs):
            return self.graph(*inputs)
        versions = list(map(_version, fixed))
        if self.network is None or not self.is_current(fixed, versions):
            self.fixed, self.versions = fixed, versions
            self.network = OptimizedNetwork(_WithFixed(self.graph, self.is_fixed, fixed), "default")
        return self.network(*compress(inputs, self.is_given))

    def is_current(self, fixed: list[Tensor], versions: list[int]) -> bool:
        """Return whether these are the tensors that were packed, as they were then."""
        return versions == self.versions and all(map(_is, fixed, self.fixed))


class _WithFixed(nn.Module):
    """A graph as a module that holds the inputs which are fixed."""

    def __init__(
        self, graph: fx.GraphModule, is_fixed: Sequence[bool], fixed: Sequence[Tensor]
    ) -> None:
        super().__init__()
        self.graph, self.is_fixed = graph, list(is_fixed)
        self.names = [f"input{number}" for number in range(len(fixed))]
        for name, tensor in zip(self.names, fixed, strict=True):
            self.register_buffer(name, tensor.detach())

    def forward(self, *given: Any) -> Any:
        """Return the outputs of the graph."""
        fixed, others = (getattr(self, name) for name in self.names), iter(given)
        return self.graph(*(next(fixed if each else others) for each in self.is_fixed))


def _is(one: Tensor, other: Tensor) -> bool:
    return one is other


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version  # inference tensors count none


def _requires_grad(input: Any) -> bool:
    return isinstance(input, Tensor) and input.requires_grad
