"""Which values are in slices of the concatenations that they are parts of.

A kernel that writes its output where the concatenation needs it saves a copy. Concatenations are
looked at from the last to the first, so that a value that is a part of several is in the last one.
The parts of a dense block's concatenations then are in one buffer, which grows: each concatenation
is a slice of the next, and no step at all.

In channels last, a slice of the channels has gaps between its pixels. A value is there only if
everything that reads it reads one with gaps as fast. What the network returns is never there:
whoever gets it may write to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glassconv.networks.convolutions import FORWARD, TRANSPOSED
from glassconv.networks.graph import Operation, Value
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.places import Slice, has_gaps, same_strides
from glassconv.networks.plan.rules import JOINING, POSITIONED, READING_GAPS, RESHAPES
from glassconv.networks.plan.rules.copies import unequal_parts
from glassconv.networks.plan.rules.sums import reads_gaps

Found = dict[int, Slice]  # by the number of the value


def slices_of(builder: Builder) -> Mapping[int, Slice]:
    """Return the slices of a network's values, by their numbers."""
    found: Found = {}
    operations = builder.network.operations
    if any(map(_depends_on_memory, operations)):
        return found
    for operation in reversed(operations):
        if operation.function in JOINING and unequal_parts(operation) is None:
            _find(builder, operation, found)
    return found


def _depends_on_memory(operation: Operation) -> bool:
    """Return whether an operation depends on where in memory an array begins."""
    is_cast = operation.function in RESHAPES and "dtype" in operation.arguments
    return is_cast or operation.function in POSITIONED


def _find(builder: Builder, operation: Operation, found: Found) -> None:
    """Find the slice of a concatenation in another, or those of its parts in it."""
    (whole,) = operation.outputs
    axis = operation.arguments["dim"] % len(whole.shape)
    parts = [each for each in operation.arguments["tensors"] if each.shape[axis]]
    if 0 in whole.shape:
        return
    own = found.get(whole.number)
    if own is None:
        joined = _joined([found.get(each.number) for each in parts], parts, axis)
        if joined is not None and _may_be_in(builder, whole, joined, found):
            found[whole.number] = Slice(joined, axis, found[parts[0].number].start, is_direct=True)
            return
    if len(parts) < 2:
        return
    start = 0
    if own is not None and own.is_direct and own.axis == axis:
        whole, start = own.whole, own.start
    for each in parts:
        if each.number not in found:
            is_direct = _may_be_in(builder, each, whole, found)
            found[each.number] = Slice(whole, axis, start, is_direct)
        start += each.shape[axis]


def _joined(slices: Sequence[Slice | None], parts: Sequence[Value], axis: int) -> Value | None:
    """Return what slices that follow each other along an axis are slices of, else None."""
    whole, stop = None, None
    for each, part in zip(slices, parts, strict=True):
        if each is None or each.axis != axis or whole not in (None, each.whole):
            return None
        if stop not in (None, each.start):
            return None
        whole, stop = each.whole, each.start + part.shape[axis]
    return whole


def _may_be_in(builder: Builder, value: Value, whole: Value, found: Found) -> bool:
    """Return whether a value may be in a slice of a concatenation."""
    network = builder.network
    if value.number in network.returned or value.number not in network.producers:
        return False
    while whole.number in found and found[whole.number].is_direct:
        whole = found[whole.number].whole
    strides, dense = builder.strides(whole.shape), builder.strides(value.shape)
    if same_strides(value.shape, strides, dense):
        return True
    readers = network.readers.get(value.number, ())
    return has_gaps(value.shape, strides, dense) and all(
        _reads_gaps(builder, each, value, strides) for each in readers
    )


def _reads_gaps(
    builder: Builder, operation: Operation, value: Value, strides: tuple[int, ...]
) -> bool:
    """Return whether an operation reads a value with gaps as fast as one without."""
    if operation.function in (*FORWARD, *TRANSPOSED):
        is_input = operation.arguments["input"] == value and operation.inputs.count(value) == 1
        return is_input and reads_gaps(builder, operation, strides)
    return operation.function in READING_GAPS
