"""Rules of functions that mix elements along dimensions: reductions, norms, products, attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from glassconv.networks.field_rules.known import Known, along, broadcast, by_name, mixed, same
from glassconv.networks.field_rules.shape import pointwise, unchanged
from glassconv.networks.graph import Operation, Value
from glassconv.networks.reads import Along, Fields, Reads, union


def reduction(operation: Operation, known: Known) -> list[Fields]:
    """One number for all elements along some dims, which may be dropped."""
    if "other" in operation.arguments:  # the larger or the smaller of two arrays
        return pointwise(operation, known)
    given = operation.inputs[0]
    dims = _dims(operation, given)
    fields = mixed(known.of(given), given.shape, dims)
    return [_without(fields, given, output, dims) for output in operation.outputs]


def _dims(operation: Operation, given: Value) -> Sequence[int]:
    """Return the dims that an operation names; all of them where it names none."""
    asked = operation.arguments.get("dim", operation.arguments.get("dims"))
    if asked is None or asked == ():
        return range(len(given.shape))
    return (asked,) if isinstance(asked, int) else tuple(asked)


def _without(fields: Fields, given: Value, output: Value, dims: Sequence[int]) -> Fields:
    """Return fields after dims were dropped, where the output has fewer."""
    if len(output.shape) == len(given.shape):
        return fields
    gone = {dim % len(given.shape) for dim in dims}

    def one(reads: Along) -> Reads:
        return replace(reads, dim=sum(dim not in gone for dim in range(reads.dim)))

    return along(fields, one)


def layer_norm(operation: Operation, known: Known) -> list[Fields]:
    """Statistics over the last dims."""
    given = operation.inputs[0]
    count = len(operation.arguments["normalized_shape"])
    return same(operation, mixed(known.of(given), given.shape, range(-count, 0)))


def norm_over_positions(operation: Operation, known: Known) -> list[Fields]:
    """Instance and group normalisation: statistics over all positions of an image."""
    given = operation.inputs[0]
    return same(operation, mixed(known.of(given), given.shape, range(1, len(given.shape))))


def batch_norm(operation: Operation, known: Known) -> list[Fields]:
    """Normalise by running statistics, or by those of the batch over all positions."""
    if operation.arguments["training"] or operation.arguments["running_mean"] is None:
        return norm_over_positions(operation, known)
    return unchanged(operation, known)


def linear(operation: Operation, known: Known) -> list[Fields]:
    """Each output is a product with a weight along the last dim."""
    given = operation.inputs[0]
    return same(operation, mixed(known.of(given), given.shape, (-1,)))


def matrix_product(operation: Operation, known: Known) -> list[Fields]:
    """Rows of the first by columns of the second: the dimension between them is mixed."""
    *added, first, second = operation.inputs  # addmm adds the product to an array
    shape = operation.outputs[0].shape
    if len(first.shape) < 2 or len(second.shape) < 2:
        every = (
            mixed(known.of(each), each.shape, range(len(each.shape))) for each in (first, second)
        )
        return [tuple(map(union, *every))]
    rows = mixed(known.of(first), first.shape, (-1,))
    columns = mixed(known.of(second), second.shape, (-2,))
    parts = [
        broadcast(rows, (*first.shape[:-1], 1), shape),
        broadcast(columns, (*second.shape[:-2], 1, second.shape[-1]), shape),
        *(broadcast(known.of(each), each.shape, shape) for each in added),
    ]
    return [reduce(lambda one, other: tuple(map(union, one, other)), parts)]


def attention(operation: Operation, known: Known) -> list[Fields]:
    """Each query reads every key and every value of its row of the batch."""
    query, *others = operation.inputs
    found = mixed(known.of(query), query.shape, (-1,))
    for each in others:
        found = tuple(map(union, found, mixed(known.of(each), each.shape, (-2, -1))))
    return same(operation, found)


RULES = by_name(
    (reduction, "mean sum amax amin max min std var prod any all logsumexp argmax argmin"),
    (reduction, "linalg_vector_norm norm var_mean std_mean"),
    (reduction, "softmax log_softmax _softmax _log_softmax cumsum sort topk flip roll"),
    (layer_norm, "layer_norm native_layer_norm rms_norm"),
    (norm_over_positions, "group_norm instance_norm"),
    (batch_norm, "batch_norm"),
    (linear, "linear"),
    (matrix_product, "matmul bmm mm addmm baddbmm"),
    (attention, "scaled_dot_product_attention"),
)
