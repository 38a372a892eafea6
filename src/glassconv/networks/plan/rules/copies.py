"""Operations that only move numbers: joining, padding, rolling, changes of shape."""

from __future__ import annotations

from dataclasses import replace

from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.errors import NetworkError
from glassconv.networks.graph import Operation, Value
from glassconv.networks.plan.builder import Builder, viewed
from glassconv.networks.plan.places import Place, dense_strides, part
from glassconv.networks.windows import mode_of_padding, sides_of_padding
from glassconv.operations.elementwise import Number
from glassconv.problem.memory_layout import NCHW, NHWC


def joined(builder: Builder, operation: Operation) -> str | None:
    """Add a concatenation: each part is copied into its slice, unless it is there (slices.py)."""
    reason = unequal_parts(operation)
    if reason is not None:
        return reason
    value = operation.outputs[0]
    axis = operation.arguments["dim"] % len(value.shape)
    output = builder.places[value.number] = builder.whole(value)
    start = 0
    for each in operation.arguments["tensors"]:
        stop = start + each.shape[axis]
        builder.fill(builder.place(each), part(output, axis, start, stop))
        start = stop
    return None


def unequal_parts(operation: Operation) -> str | None:
    """Return why PyTorch computes a concatenation, None if its parts are alike."""
    parts: tuple[Value, ...] = operation.arguments["tensors"]
    if {each.dtype for each in parts} != {parts[0].dtype}:
        return "its parts have different element types"
    if any(len(each.shape) != len(operation.outputs[0].shape) for each in parts):
        return "its parts have different numbers of axes"
    return None


def stacked(builder: Builder, operation: Operation) -> str | None:
    """Add a stack: each part is copied into its slice of the output."""
    parts = [builder.place(each) for each in operation.arguments["tensors"]]
    value = operation.outputs[0]
    if {each.dtype for each in parts} != {parts[0].dtype}:
        return "its parts have different element types"
    axis = operation.arguments["dim"] % len(value.shape)
    output = builder.output(value)
    strides = tuple(each for place, each in enumerate(output.strides) if place != axis)
    for number, each in enumerate(parts):
        offset = output.offset + number * output.strides[axis]
        builder.copy(each, replace(output, shape=each.shape, strides=strides, offset=offset))
    return None


def padded(builder: Builder, operation: Operation) -> str | None:
    """Add a padding by a number, or return why PyTorch computes it."""
    arguments = operation.arguments
    given = builder.place(arguments["self"])
    mode = mode_of_padding(operation)
    if mode != "constant":
        return f"it pads in the mode {mode}"
    if str(given.dtype).removeprefix("torch.") not in ELEMENT_BYTES:
        return f"it pads {given.dtype}"
    output = builder.output(operation.outputs[0])
    inside, number = output, Number(float(arguments["value"] or 0))
    for axis in range(len(given.shape)):
        before, after = sides_of_padding(operation, axis)
        given = part(given, axis, max(-before, 0), given.shape[axis] - max(-after, 0))
        size = inside.shape[axis]
        start, stop = max(before, 0), size - max(after, 0)
        for edge in ((0, start), (stop, size)):
            if edge[0] < edge[1]:
                _fill(builder, operation.name, number, part(inside, axis, *edge))
        inside = part(inside, axis, start, stop)
    builder.copy(given, inside)
    return None


def rolled(builder: Builder, operation: Operation) -> str | None:
    """Add a roll: the parts on both sides of where each axis begins are copied to their places."""
    shifts, axes = operation.arguments["shifts"], operation.arguments["dims"]
    if not axes:
        return "it rolls the array as one row"
    given = builder.place(operation.arguments["self"])
    if len({axis % len(given.shape) for axis in axes}) < len(axes):
        return "it rolls an axis twice"
    output = builder.output(operation.outputs[0])
    parts = [(given, output)]
    for axis, shift in zip(axes, shifts, strict=True):
        parts = [
            (part(source, axis, *read), part(target, axis, *written))
            for source, target in parts
            for read, written in _rolled(given.shape[axis], shift)
        ]
    for source, target in parts:
        builder.copy(source, target)
    return None


def cloned(builder: Builder, operation: Operation) -> str | None:
    """Add a copy."""
    builder.copy(builder.place(operation.arguments["self"]), builder.output(operation.outputs[0]))
    return None


def reshaped(builder: Builder, operation: Operation) -> str | None:
    """Place an array of another shape; it is copied where its strides here permit no view."""
    if "dtype" in operation.arguments:
        return in_pytorchs_order(builder, operation)
    (value,) = operation.outputs
    given = builder.place(operation.arguments["self"])
    meta = given.like()
    place = viewed(meta.reshape(value.shape), {given: meta})
    if place is None:
        dense = dense_strides(given.shape, channels_last=False)
        strides = dense_strides(value.shape, channels_last=False)
        place = replace(builder.with_strides(given, dense), shape=value.shape, strides=strides)
    builder.places[value.number] = place
    return None


def same(builder: Builder, operation: Operation) -> str | None:
    """Place what has other strides in PyTorch, and the same numbers."""
    builder.places[operation.outputs[0].number] = builder.place(operation.arguments["self"])
    return None


def in_pytorchs_order(builder: Builder, operation: Operation) -> str | None:
    """Place a view that depends on the strides of its input."""
    given: Value = operation.arguments["self"]
    if given.layout == "strided":
        cause = f"{operation.function} depends on strides that the plan does not keep"
        raise NetworkError(cause, request=operation.name)
    layout = NHWC if given.layout == "channels_last" else NCHW
    builder.places[given.number] = builder.without_gaps(builder.place(given), layout)
    return None if builder.view(operation) else "it takes numbers for those of another type"


def _rolled(size: int, shift: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return where the parts of an axis are before and after it is rolled."""
    first = shift % size if size else 0
    moved = ((0, size - first), (first, size)), ((size - first, size), (0, first))
    return [each for each in moved if each[0][0] < each[0][1]]


def _fill(builder: Builder, name: str, number: Number, place: Place) -> None:
    if 0 not in place.shape:
        builder.expression(name, number, place, {}, kernel="fill")
