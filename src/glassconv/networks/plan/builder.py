"""The builder of a plan: it gives each value a place, and collects the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from glassconv.codegen.target import host
from glassconv.dispatch import machine_store
from glassconv.errors import NetworkError, UnsupportedError
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.kernels.runtime.plan import Launch
from glassconv.networks.allocations import Allocations
from glassconv.networks.convolutions import is_convolution, read
from glassconv.networks.graph import Operation, Value, with_each
from glassconv.networks.passes.network import Network
from glassconv.networks.passes.sums import ADDED, is_sum
from glassconv.networks.peak_memory import bytes_of_call
from glassconv.networks.plan.places import (
    Address,
    Memory,
    Place,
    Root,
    Slice,
    dense_strides,
    has_gaps,
    part,
    same_strides,
)
from glassconv.networks.plan.steps import KernelStep, PlanStep, PyTorchStep
from glassconv.networks.tensors import dtype_of, layout_of, tensors_in
from glassconv.operations import copy, elementwise
from glassconv.operations.elementwise import Expression, Name
from glassconv.operations.step import Step
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NHWC
from glassconv.problem.problem import Problem


class Builder:
    """What the rules of lowering write to."""

    def __init__(self, network: Network, layout: str, accuracy: str, *, is_compact: bool) -> None:
        self.network, self.layout, self.accuracy = network, layout, accuracy
        self.is_compact = is_compact  # whether packed weights may not be larger than the weights
        self.threads, self.machine = torch.get_num_threads(), machine_store.machine()
        target = host()
        assert target is not None, "a plan is made where code is generated"
        self.target = target
        self.fake = FakeTensorMode()  # in which operations are tried without numbers
        self.roots: list[Root] = []
        self.places: dict[int, Place] = {}  # by the number of the value
        self.steps: list[PlanStep] = []
        self.copies: dict[tuple[Place, tuple[int, ...]], Place] = {}
        self.slices: Mapping[int, Slice] = {}  # by the number of the value (slices.py)
        self.wholes: dict[int, Place] = {}  # of concatenations, by the number of the value
        self.filled: set[tuple[Place, Place]] = set()  # slices, and what was copied there
        self.shared: set[int] = set()  # roots in which values are that are written into slices

    # -- places -----------------------------------------------------------------------------

    def root(self, memory: Memory, size: int, tensor: Tensor | None = None) -> Root:
        """Return new memory of so many bytes."""
        root = Root(len(self.roots), memory, size, tensor)
        self.roots.append(root)
        return root

    def strides(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the strides of an array in the plan's memory layout."""
        return dense_strides(shape, channels_last=self.layout == NHWC)

    def new(
        self,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        strides: tuple[int, ...] | None = None,
        memory: Memory = "arena",
    ) -> Place:
        """Return the place of an array that a step will write."""
        root = self.root(memory, prod(shape) * dtype.itemsize)
        return Place(root.number, shape, strides or self.strides(shape), dtype)

    def output(self, value: Value, strides: tuple[int, ...] | None = None) -> Place:
        """Return the place of a value that a step will write.

        It is new, or a slice of a concatenation, unless strides are asked for.
        """
        place = self.slice(value) if strides is None else None
        place = place or self.new(value.shape, dtype_of(value), strides)
        self.places[value.number] = place
        return place

    def slice(self, value: Value) -> Place | None:
        """Return the slice of a concatenation that a value is written into, None without one."""
        found = self.slices.get(value.number)
        if found is None or not found.is_direct:
            return None
        whole = self.whole(found.whole)
        self.shared.add(whole.root)
        return part(whole, found.axis, found.start, found.start + value.shape[found.axis])

    def whole(self, value: Value) -> Place:
        """Return the place of a concatenation, which may be a slice of another."""
        if value.number not in self.wholes:
            place = self.slice(value)
            if place is None:
                place = self.new(value.shape, dtype_of(value))
                name = self.network.producers[value.number].name
                self.roots[place.root].concatenation = name
            self.wholes[value.number] = place
        return self.wholes[value.number]

    def tensor(self, tensor: Tensor) -> Place:
        """Return the place of a weight or a constant."""
        root = self.root("tensor", tensor.nbytes, tensor)
        return Place(root.number, tuple(tensor.shape), tensor.stride(), tensor.dtype)

    def place(self, value: Value) -> Place:
        """Return where a value is."""
        if value.number not in self.places:
            numbers = self.network.tensors[value.number]
            self.places[value.number] = self.tensor(numbers.detach().clone())
        return self.places[value.number]

    # -- steps ------------------------------------------------------------------------------

    def kernel(
        self,
        name: str,
        kernel: str,
        launches: Iterable[Launch[Any]],
        reads: Iterable[Place],
        write: Place,
        workspace_bytes: int,
        seconds: float,
        problem: Problem | None = None,
        layout: str = "",
        owner: object = None,
        before: Problem | None = None,
    ) -> None:
        """Add what kernels compute."""
        self.steps.append(
            KernelStep(
                name,
                kernel,
                tuple(launches),
                tuple(each.root for each in reads),
                write,
                workspace_bytes,
                seconds,
                problem,
                layout,
                before,
                owner,
            )
        )

    def view(self, operation: Operation) -> bool:
        """Give the outputs of an operation their places if they are views of its inputs."""
        _, places, returned, _ = self._without_numbers(operation)
        views = [viewed(each, places) for each in returned]
        if not views or any(each is None for each in views):
            return False
        for value, place in zip(operation.outputs, views, strict=True):
            assert place is not None, "a view"
            self.places[value.number] = place
        return True

    def pytorch(self, operation: Operation, reason: str) -> None:
        """Let PyTorch compute an operation."""
        arguments, places, returned, allocated = self._without_numbers(operation)
        found = [(tuple(each.shape), each.dtype) for each in returned]
        if found != [(value.shape, dtype_of(value)) for value in operation.outputs]:
            cause = f"{operation.function} returns other shapes or element types than in place"
            raise NetworkError(cause, request=operation.name)
        outputs = tuple(
            self.new(tuple(each.shape), each.dtype, each.stride(), "result") for each in returned
        )
        self.places.update(
            (value.number, place) for value, place in zip(operation.outputs, outputs, strict=True)
        )
        shared = {each.untyped_storage()._cdata for each in places.values()}
        is_view = any(each.untyped_storage()._cdata in shared for each in returned)
        if is_view:
            allocated += sum(self.roots[each.root].bytes for each in outputs)
        elif is_convolution(operation):
            allocated = self._bytes_of_convolution(operation, places) or allocated
        self.steps.append(
            PyTorchStep(
                operation.name,
                reason,
                partial(_copied, operation.overload) if is_view else _call_of(operation),
                tuple(arguments.items()),
                outputs,
                tuple(each.root for each in places),
                tuple(each.root for each in outputs),
                allocated,
            )
        )

    def _bytes_of_convolution(
        self, operation: Operation, places: Mapping[Place, Tensor]
    ) -> int | None:
        """Return what PyTorch allocates at once, None for what is no problem of glassconv's."""
        try:
            found = read(operation)
        except UnsupportedError:
            return None
        layout = layout_of(places[self.place(found.input)])
        return bytes_of_call(found.problem, layout, self.threads)

    def _without_numbers(
        self, operation: Operation
    ) -> tuple[dict[str, Any], dict[Place, Tensor], list[Tensor], int]:
        """Return an operation's arguments, the tensors that it reads, and those that it returns.

        The tensors have shapes and strides, and no numbers. The last item is how many bytes PyTorch
        would allocate at once.
        """
        arguments = {
            name: with_each(each, self.place) for name, each in operation.arguments.items()
        }
        allocations = Allocations()
        try:
            with self.fake, torch.inference_mode():
                given = _places(tuple(arguments.values()))
                places = {place: place.like("cpu") for place in given}
                with allocations:
                    result = _call_of(operation)(**with_tensors(arguments, places.__getitem__))
        except Exception as error:  # whatever PyTorch raises for tensors without numbers
            cause = f"{operation.function} has no rule for shapes: {error}"
            raise NetworkError(cause, request=operation.name) from error
        return arguments, places, list(tensors_in(result)), allocations.peak_bytes

    def in_layout(self, place: Place) -> Place:
        """Return where a value is in the plan's memory layout, copied only if necessary.

        An image may be a slice of another: there may be gaps between its rows, pixels or channels.
        """
        dense = self.strides(place.shape)
        if has_gaps(place.shape, place.strides, dense):
            return place
        return self.with_strides(place, dense)

    def without_gaps(self, place: Place, layout: str) -> Place:
        """Return where a value is in a memory layout without gaps, copied only if necessary."""
        channels_last = layout == NHWC
        return self.with_strides(place, dense_strides(place.shape, channels_last=channels_last))

    def with_strides(self, place: Place, strides: tuple[int, ...]) -> Place:
        """Return where a value has these strides, copied only if necessary."""
        if same_strides(place.shape, place.strides, strides):
            return replace(place, strides=strides)
        copied = self.copies.get((place, strides))
        if copied is None:
            copied = self.copies[place, strides] = self.new(place.shape, place.dtype, strides)
            self.copy(place, copied)
        return copied

    def fill(self, place: Place, to: Place) -> None:
        """Copy an array into a slice, unless it is there already."""
        is_there = (place.root, place.offset) == (to.root, to.offset)
        is_there = is_there and same_strides(to.shape, place.strides, to.strides)
        if not is_there and (place, to) not in self.filled:
            self.filled.add((place, to))
            self.copy(place, to)

    def copy(self, place: Place, to: Place) -> None:
        """Copy an array into another place of its shape, of which it may be broadcast."""
        if not copy.supports(place.strided, to.strided):  # another element type, or many axes
            arguments = (("self", to), ("src", place), ("non_blocking", False))
            call = torch.ops.aten.copy_.default
            self.steps.append(
                PyTorchStep("copy", "copy", call, arguments, (), (place.root,), (to.root,), 0)
            )
            return
        step = copy.step(place.strided, to.strided, self.target, self.threads)
        self.operation("copy", "copy", step, to, input=place)

    def operation(
        self, name: str, kernel: str, step: Step, output: Place, **arrays: Place | None
    ) -> None:
        """Add a compiled operation between convolutions.

        arrays: the places of `input`, `weight`, `bias` and `residual`, as far as it reads them.
        """
        if not step.tasks:  # its output is empty; a node of a program has a task
            return
        read = [each for each in arrays.values() if each is not None]
        launch = Launch(
            step.kernel,
            step.parameters,
            self.arrays(**{"input": output, **arrays}, output=output),
            step.tasks,
            step.tasks,
        )
        moved = sum(each.strided.bytes for each in (*read, output))
        seconds = moved / self.machine.bandwidth(moved, min(step.tasks, self.threads))
        workspace_bytes = self.threads * step.workspace_bytes
        self.kernel(name, kernel, [launch], read, output, workspace_bytes, seconds)

    def expression(
        self,
        name: str,
        expression: Expression,
        output: Place,
        arrays: Mapping[Name, Place],
        kernel: str = "elementwise",
    ) -> None:
        """Add an expression of arrays, by the names that it has for them."""
        strided = {each: place.strided for each, place in arrays.items()}
        step = elementwise.step(expression, strided, output.strided, self.target, self.threads)
        places: dict[str, Place] = dict(arrays.items())
        self.operation(name, kernel, step, output, **places)

    def workspace(self) -> Address:
        """Return the address of the workspace, which all steps share."""
        return Address(WORKSPACE, 0)

    def arrays(self, **places: Place | None) -> Arrays[Any]:
        """Return the addresses of a kernel's arrays; one that is left out is not used."""
        addresses = {name: place.address for name, place in places.items() if place is not None}
        output = addresses["output"]
        absent = {"weight": output, "bias": output, "residual": output}
        return Arrays(workspace=self.workspace(), **{**absent, **addresses})


WORKSPACE = -1  # the root of the workspace


def _places(arguments: tuple[Any, ...]) -> Iterable[Place]:
    for each in arguments:
        if isinstance(each, Place):
            yield each
        elif isinstance(each, tuple):
            yield from _places(each)


def with_tensors(arguments: Mapping[str, Any], tensor: Callable[[Place], Tensor]) -> dict[str, Any]:
    """Return arguments with tensors instead of places."""

    def read(argument: Any) -> Any:
        if isinstance(argument, Place):
            return tensor(argument)
        return [read(each) for each in argument] if isinstance(argument, tuple) else argument

    return {name: read(each) for name, each in arguments.items()}


def _call_of(operation: Operation) -> Callable[..., Any]:
    """Return what computes an operation by PyTorch, what passes added to it included."""
    overload: Callable[..., Any] = operation.overload
    if not is_sum(operation) or frozenset(ADDED).isdisjoint(operation.arguments):
        return overload
    return partial(_with_added, overload)


def _with_added(
    function: Callable[..., Tensor],
    *,
    scale: Tensor | None = None,
    residual: Tensor | None = None,
    activation: str | None = None,
    input_by_rows: bool = False,  # how a kernel would compute it
    **arguments: Any,
) -> Tensor:
    """Return a convolution of the scaled input, then its epilogue."""
    if scale is not None:
        arguments["input"] = arguments["input"] * scale
    return Epilogue(activation, residual is not None).applied(function(**arguments), residual)


def _copied(function: Callable[..., Any], **arguments: Any) -> list[Tensor]:
    """Return copies of what a function returns: memory of the arena is soon another value's."""
    return [each.clone() for each in tensors_in(function(**arguments))]


def viewed(returned: Tensor, places: Mapping[Place, Tensor]) -> Place | None:
    """Return the place of a view of what is in one of these places, None if it has own memory."""
    storage = returned.untyped_storage()._cdata
    for place, meta in places.items():
        if meta.untyped_storage()._cdata == storage and meta.dtype == returned.dtype:
            shape, offset = tuple(returned.shape), int(returned.storage_offset())
            return Place(place.root, shape, returned.stride(), place.dtype, offset)
    return None
