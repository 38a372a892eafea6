"""Lower a network to a plan: kernels where a rule has one, PyTorch's operations between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from glassconv.networks.graph import Value
from glassconv.networks.passes.network import Network
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.places import Place, Root, dense_strides
from glassconv.networks.plan.rules import RULES
from glassconv.networks.plan.slices import slices_of
from glassconv.networks.plan.steps import PlanStep
from glassconv.networks.tensors import dtype_of

NO_RULE = "no kernel of a plan computes it"


@dataclass(frozen=True)
class Lowered:
    """The steps of a plan, and where its values are."""

    steps: tuple[PlanStep, ...]
    roots: tuple[Root, ...]
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    # Values that are complete after a step, by its number: where each is, by its own number.
    complete: Mapping[int, Mapping[int, Place]]


def lower(
    network: Network,
    layout: str,
    accuracy: str,
    strides: list[tuple[int, ...]],
    *,
    is_compact: bool = False,
) -> Lowered:
    """Return the steps of a network, in a memory layout.

    strides: of the network's inputs. is_compact: whether packed weights may not be larger than the
    weights.
    """
    builder = Builder(network, layout, accuracy, is_compact=is_compact)
    for value, given in zip(network.inputs, strides, strict=True):
        builder.places[value.number] = builder.new(value.shape, dtype_of(value), given, "input")
    inputs = tuple(builder.places[value.number] for value in network.inputs)
    builder.slices = slices_of(builder)
    complete = {}
    for operation in network.operations:
        before = len(builder.steps)
        rule = RULES.get(operation.function)
        if rule is None and builder.view(operation):
            continue
        reason = NO_RULE if rule is None else rule(builder, operation)
        if reason is not None:
            builder.pytorch(operation, reason)
        if len(builder.steps) > before:
            places = {each.number: builder.places[each.number] for each in operation.outputs}
            complete[len(builder.steps) - 1] = places
    outputs = []
    roots = Counter(builder.place(value).root for value in network.outputs)
    for value in network.outputs:
        place = _as_returned(builder, value, roots)
        root = builder.roots[place.root]
        if root.memory == "arena":
            root.memory = "output"
        outputs.append(place)
    return Lowered(tuple(builder.steps), tuple(builder.roots), inputs, tuple(outputs), complete)


def _as_returned(builder: Builder, value: Value, roots: Counter[int]) -> Place:
    """Return where an output is, in the memory layout in which the network returns it.

    Who is given a constant may write to it, and who is given a slice, beside another output.
    roots: how many outputs each has.
    """
    place = builder.place(value)
    root = builder.roots[place.root]
    is_slice = place.root in builder.shared and place.bytes < root.bytes
    if root.memory == "tensor" or (is_slice and roots[root.number] > 1):
        found, place = place, builder.new(value.shape, place.dtype)
        builder.copy(found, place)
    if value.layout == "strided":
        return place
    channels_last = value.layout == "channels_last"
    return builder.with_strides(place, dense_strides(value.shape, channels_last=channels_last))
