"""From a model and the arguments of a call to a plan: capture, passes, memory layout, lowering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from glassconv.codegen.pages import give_back_memory
from glassconv.codegen.target import host
from glassconv.errors import NetworkError
from glassconv.networks.capture import capture_call
from glassconv.networks.graph import Graph, Returned
from glassconv.networks.passes import rewritten
from glassconv.networks.passes.network import Network
from glassconv.networks.plan.layout import fastest_layout
from glassconv.networks.plan.lower import lower
from glassconv.networks.plan.plan import Plan


@dataclass(frozen=True)
class Planned:
    """The plan of calls with the same shapes, and how it came about."""

    plan: Plan
    returned: Returned
    layout: str


def planned(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    accuracy: str,
    memory: int | None = None,
) -> Planned:
    """Return the plan of `model(*args, **kwargs)`.

    memory: bytes that the plan may take. Where the fastest kernels take more, those are used whose
    packed weights are no larger than the weights.

    Raises `NetworkError` for a model that cannot be captured, without generated code, or where no
    plan fits.
    """
    if host() is None:
        cause = "plans require AVX2, AVX-512 or NEON"
        raise NetworkError(cause, request=type(model).__name__)
    graph = capture_call(model, args, kwargs)
    *_, (_, network) = rewritten(network_of(graph, model))
    layout = fastest_layout(network, accuracy)
    inputs = [each for each in tree_leaves((tuple(args), dict(kwargs))) if isinstance(each, Tensor)]
    strides = [each.stride() for each in inputs]
    plan = Plan(lower(network, layout, accuracy, strides), torch.get_num_threads())
    if memory is not None and plan.bytes > memory:
        plan = Plan(lower(network, layout, accuracy, strides, is_compact=True), plan.threads)
        if plan.bytes > memory:
            cause = f"its plan needs {plan.bytes:,} bytes of memory, {memory:,} are allowed"
            raise NetworkError(cause, request=type(model).__name__)
    del network  # its folded weights were packed
    give_back_memory()
    return Planned(plan, graph.returned, layout)


def passes_of(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[str, Network], ...]:
    """Return the network of a call as captured, and after each pass, by the pass's name."""
    captured = network_of(capture_call(model, args, kwargs), model)
    return (("captured", captured), *rewritten(captured))


def network_of(graph: Graph, model: nn.Module) -> Network:
    """Return a graph with the numbers of its parameters and constants."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    tensors = dict(graph.constants)
    values = (value for each in graph.operations for value in each.inputs)
    for value in (*values, *graph.outputs):
        if value.kind == "parameter":
            tensors[value.number] = named[value.name].detach()
        elif value.kind == "constant" and value.number not in tensors:
            cause = "it makes a constant whose numbers are not known before it runs"
            raise NetworkError(cause, request=type(model).__name__)
    return Network(graph.operations, graph.inputs, graph.outputs, tensors)
