"""refusals: why a network cannot be computed tile by tile, with the layer and the number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from glassconv.dispatch.select import STRICT
from glassconv.errors import UnsupportedError
from glassconv.networks.convolutions import is_convolution, read
from glassconv.networks.graph import Graph, Operation, Value
from glassconv.networks.reads import WHOLE, Along
from glassconv.networks.windows import sides_of_padding
from glassconv.tiling.means import is_global_mean
from glassconv.tiling.regions import Regions
from glassconv.tiling.rules import has_same_bits, rule_of
from glassconv.tiling.rules.copies import PADS, VIEWS
from glassconv.tiling.rules.windows import RULES as WINDOWS


def check_means(means: Sequence[Operation], accuracy: str, request: str) -> None:
    """Raise `UnsupportedError` for global means in strict."""
    if means and accuracy == STRICT:
        cause = (
            f"{means[0].name}: the last bits of a mean depend on the tiles that it is added from, "
            f"which accuracy='strict' excludes"
        )
        raise UnsupportedError(cause, request=request)


def check(
    graph: Graph, regions: Regions, accuracy: str, request: str, known: Collection[int]
) -> tuple[Operation, ...]:
    """Return the operations that are computed for each tile, in their order.

    known: the numbers of values that are computed before, but not from constants alone.

    Raises `UnsupportedError` where one cannot be, or where `accuracy` is "strict" and one may have
    other last bits in another tile.
    """
    if graph.executed:
        cause = f"what it computes may depend on the numbers of the whole image: {graph.executed}"
        raise UnsupportedError(cause, request=request)
    if len(graph.outputs) != 1:
        cause = f"it has {len(graph.outputs)} outputs, and tiles of one output are computed"
        raise UnsupportedError(cause, request=request)
    operations = _between(graph, known)
    causes: list[Callable[[Operation], str]] = [
        partial(_reads_all, regions),
        partial(_cannot, regions),
    ]
    if accuracy == STRICT:
        causes.append(_may_differ)
    left = operations
    for cause_of in causes:  # the first is the most telling: what reads all makes others fail
        for operation in left:
            if cause := cause_of(operation):
                raise UnsupportedError(f"{operation.name}: {cause}", request=request)
        left = tuple(each for each in left if regions.dims(each.outputs[0]))  # others read means
    return operations


def _between(graph: Graph, known: Collection[int]) -> tuple[Operation, ...]:
    """Return the operations between what is known or the input, and the output."""
    reached = {value.number for value in graph.inputs} | set(known)
    behind = []
    for operation in graph.operations:
        if any(value.number in reached for value in operation.inputs):
            behind.append(operation)
            reached.update(value.number for value in operation.outputs)
    wanted = {value.number for value in graph.outputs}
    found = []
    for operation in reversed(behind):
        if any(value.number in wanted for value in operation.outputs):
            found.append(operation)
            wanted.update(value.number for value in operation.inputs)
    return tuple(reversed(found))


def _reads_all(regions: Regions, operation: Operation) -> str:
    """Return which axis each output reads all of, an empty text where there is none."""
    fields, output = regions.fields, operation.outputs[0]
    given = [fields.of(value) for value in operation.inputs]
    for axis, reads in enumerate(fields.of(output)):
        if reads == WHOLE and WHOLE not in [each[axis] for each in given]:
            size = regions.graph.inputs[0].shape[2 + axis]
            cause = f"{operation.function} reads all {size} positions of an axis for each output"
            if is_global_mean(operation, given[0], fields.of(output)):
                cause += "; two_pass=True computes it before"
            return cause
    return ""


def _cannot(regions: Regions, operation: Operation) -> str:
    """Return why no rule computes an operation on a tile, an empty text where one does."""
    function, output = operation.function, operation.outputs[0]
    if rule_of(operation) is None:
        return f"no rule computes {function} on a tile"
    fields = regions.fields.of(output)
    if any(isinstance(reads, Along) and reads.inner > 1 for reads in fields):
        return f"{function} joins an axis of the image with another dimension"
    if function in VIEWS and _lengths(operation.inputs[0], regions) != _lengths(output, regions):
        return f"{function} divides an axis of the image"
    if operation.arguments.get("train"):
        return f"{function} draws random numbers"
    if not set(_moved(operation)) <= set(regions.dims(output)):
        return f"{function} has windows along a dimension that is no axis of the image"
    return ""


def _may_differ(operation: Operation) -> str:
    """Return why the last bits of an output may depend on its tile, an empty text if not."""
    if has_same_bits(operation):
        return ""
    return (
        f"the last bits of PyTorch's {operation.function} may depend on the tile, which "
        f"accuracy='strict' excludes"
    )


def _lengths(value: Value, regions: Regions) -> list[int]:
    return [value.shape[dim] for dim in regions.dims(value)]


def _moved(operation: Operation) -> list[int]:
    """Return the dimensions along which outputs read windows, padding among them."""
    given, output = operation.inputs[0].shape, operation.outputs[0].shape
    if is_convolution(operation):
        return list(range(len(output) - read(operation).problem.ndim, len(output)))
    if operation.function in WINDOWS:
        ndim = int(operation.function.removesuffix("_with_indices")[-2])
        return list(range(len(output) - ndim, len(output)))
    if operation.function in PADS:
        return [dim for dim in range(len(given)) if any(sides_of_padding(operation, dim))]
    return []
