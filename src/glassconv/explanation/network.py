"""Explain a network on an input: what each convolution computes, sees, holds and is computed by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from glassconv.dispatch.select import choose
from glassconv.errors import UnsupportedError
from glassconv.explanation.facts import derive
from glassconv.networks.capture import capture
from glassconv.networks.convolutions import Convolution, convolutions
from glassconv.networks.fusion import fusions
from glassconv.networks.graph import Graph, Value
from glassconv.networks.peak_memory import peak_of_activations
from glassconv.networks.reads import Along, Fields, Reads
from glassconv.networks.receptive_fields import receptive_fields
from glassconv.networks.tensors import dtype_of
from glassconv.networks.timing import seconds_of_operations
from glassconv.problem.problem import Problem
from glassconv.reports.network import (
    ChoiceFacts,
    ConvolutionFacts,
    FieldFacts,
    FusionFacts,
    NetworkExplanation,
    NetworkMemory,
    OperationFacts,
)
from glassconv.reports.shown import Shown

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, repr=False)
class NetworkReport(Shown):
    """The explanation of a network, which shows itself as text, in a notebook, or as JSON.

    >>> from glassconv import explain
    >>> report = explain(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2)), [1, 3, 9, 9])
    >>> report
    <explanation of Sequential on [1, 3, 9, 9]: 1 convolution>
    >>> report.facts.macs, report.facts.convolutions[0].receptive_field[0].size
    (10584, 3)
    >>> NetworkReport.from_json(report.to_json()) == report
    True
    """

    facts: NetworkExplanation

    def __repr__(self) -> str:
        count = len(self.facts.convolutions)
        found = f"{count} convolution{'s' * (count != 1)}"
        return f"<explanation of {self.facts.model} on {list(self.facts.input_shape)}: {found}>"

    def __rich__(self) -> RenderableType:
        """Return what rich prints in a terminal."""
        from glassconv.views.terminal.network import explained

        return explained(self.facts)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the tables, and each problem's report to open."""
        from glassconv.views.html.network import fragment

        return fragment(self.facts)

    def to_json(self) -> str:
        """Return a document of the schema in glassconv/reports/network.schema.json."""
        from glassconv.views.json.explanation import network_to_json

        return network_to_json(self.facts)

    @classmethod
    def from_json(cls, text: str) -> NetworkReport:
        """Return the report that `to_json` wrote; raises `DataError` for any other document."""
        from glassconv.views.json.explanation import network_from_json

        return cls(network_from_json(text))


def explain_network(
    model: nn.Module, input: Tensor | Sequence[int], name: str = "", *, timed: bool = False
) -> NetworkReport:
    """Return the explanation of a network on an input: a tensor, or a shape [batch, channels, ...].

    Numbers are computed only where what the network does depends on them, or where it is timed.
    name: what to call the network, if not by its class.

    Raises `UnsupportedError` for a network that calls no convolution, or one of numbers that
    glassconv does not take, `NetworkError` for one that cannot be run on this input.
    """
    graph = capture(model, input)
    name = name or type(model).__name__
    if not timed:
        return explain_graph(graph, name, {})
    seconds = seconds_of_operations(model, _numbers(input, graph.inputs[0]), graph)
    return explain_graph(graph, name, seconds)


def explain_graph(graph: Graph, name: str, seconds: Mapping[str, float]) -> NetworkReport:
    """Return the explanation of a network from its graph.

    seconds: of each operation by its name, empty where the network was not timed.

    Raises `UnsupportedError` as `explain_network` does.
    """
    found = convolutions(graph)
    if not found:
        request = f"{name} on an input {list(graph.inputs[0].shape)}"
        raise UnsupportedError("it calls no convolution", request=request)
    fields = receptive_fields(graph)
    run = f"It was run with numbers, not with shapes alone: {graph.executed}"
    counted = graph.flops.get("aten.convolution", 0) // 2
    problems = dict.fromkeys(each.problem for each in found)
    return NetworkReport(
        NetworkExplanation(
            model=name,
            input_shape=graph.inputs[0].shape,
            output_shapes=tuple(value.shape for value in graph.outputs),
            parameters=graph.parameters,
            macs=sum(each.problem.macs for each in found),
            counted_macs=counted,
            other_macs=sum(graph.flops.values()) // 2 - counted,
            operations=_operations(graph, seconds),
            convolutions=tuple(
                _convolution(each, fields.of(each.output), seconds) for each in found
            ),
            fusions=tuple(
                FusionFacts(
                    each.operation.name,
                    each.kind,
                    each.into.name if each.into else None,
                    each.reason,
                )
                for each in fusions(graph, found)
            ),
            memory=_memory(graph),
            notes=(*([run] if graph.executed else []), *fields.notes),
            explanations=tuple(map(derive, problems)),
        )
    )


def _numbers(input: Tensor | Sequence[int], value: Value) -> Tensor:
    """Return an input to be timed with."""
    if isinstance(input, Tensor):
        return input
    return torch.rand(*value.shape, dtype=dtype_of(value))


def _operations(graph: Graph, seconds: Mapping[str, float]) -> tuple[OperationFacts, ...]:
    places = {value.number: -1 for value in graph.inputs}
    facts = []
    for place, each in enumerate(graph.operations):
        read = (places[value.number] for value in each.inputs if value.number in places)
        facts.append(
            OperationFacts(
                name=each.name,
                function=each.function,
                inputs=tuple(dict.fromkeys(read)),
                output_shape=each.outputs[0].shape,
                output_bytes=sum(map(_bytes, each.outputs)),
                seconds=seconds.get(each.name),
            )
        )
        places |= {value.number: place for value in each.outputs}
    return tuple(facts)


def _bytes(value: Value) -> int:
    return prod(value.shape) * dtype_of(value).itemsize


def _convolution(
    found: Convolution, fields: Fields, seconds: Mapping[str, float]
) -> ConvolutionFacts:
    problem = found.problem
    parameters = prod(problem.weight_shape) + problem.bias * problem.out_channels
    return ConvolutionFacts(
        name=found.operation.name,
        weight=found.weight.name,
        shorthand=str(problem),
        macs=problem.macs,
        parameters=parameters,
        forward_bytes=problem.input_bytes + problem.output_bytes,
        backward_bytes=2 * problem.input_bytes + problem.output_bytes,
        receptive_field=tuple(map(_field, fields)),
        choice=_choice(problem),
        seconds=seconds.get(found.operation.name),
    )


def _field(reads: Reads) -> FieldFacts | None:
    if reads is None:  # a convolution of constants
        return FieldFacts(0, 0.0, 0.0, 0, 0)
    if not isinstance(reads, Along):
        return None
    before, after = reads.halo
    return FieldFacts(
        size=reads.size,
        stride=float(reads.stride),
        offset=float(reads.start),
        halo_before=before,
        halo_after=after,
    )


def _choice(problem: Problem) -> ChoiceFacts | None:
    try:
        chosen = choose(problem)
    except UnsupportedError:  # nothing fits in this machine's memory: explained all the same
        return None
    able = {
        each.name: each.compiled_seconds
        for each in chosen.candidates
        if each.verdict and each.compiled_seconds is not None
    }
    seconds = able.pop(chosen.algorithm)
    others = {name: time for name, time in able.items() if time < inf}
    following = min(others, key=lambda name: others[name], default=None)
    return ChoiceFacts(
        chosen.algorithm, seconds, following, others[following] if following else None
    )


def _memory(graph: Graph) -> NetworkMemory:
    peak, operation = peak_of_activations(graph)
    return NetworkMemory(
        parameter_bytes=graph.parameter_bytes,
        input_bytes=sum(map(_bytes, graph.inputs)),
        activation_bytes=peak,
        operation=operation.name,
        threads=torch.get_num_threads(),
    )
