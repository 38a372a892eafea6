"""The plan of a network: called with the inputs, it runs its steps and returns the outputs.

Kernels that follow each other are one program (codegen/team.py): one native call runs them all.
Between programs are the operations that stay with PyTorch. Buffers that only kernels use are at
fixed offsets of an arena, so most addresses are written when the arena is made; those of inputs,
outputs and PyTorch's results are written before the program that uses them runs.
"""

from __future__ import annotations

import ctypes
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from glassconv.codegen import team
from glassconv.codegen.parallel import task_name
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.kernels.runtime.plan import on_huge_pages
from glassconv.networks.plan.arena import ALIGNMENT, Buffer, arrange
from glassconv.networks.plan.builder import WORKSPACE, with_tensors
from glassconv.networks.plan.lifetimes import Lifetime, bytes_by_pytorch, lifetimes
from glassconv.networks.plan.lower import Lowered
from glassconv.networks.plan.places import Address
from glassconv.networks.plan.steps import KernelStep, PlanStep, PyTorchStep

NAMES = [each.name for each in fields(Arrays)]

# Makes the context that a step runs in, given its number and the memory of each root.
Around = Callable[[int, Mapping[int, Tensor]], AbstractContextManager[object]]


class Plan:
    """A network's steps for inputs of these shapes, strides and element types."""

    def __init__(self, lowered: Lowered, threads: int) -> None:
        self.lowered, self.threads = lowered, threads
        self._free: list[_Memory] = []
        self._lock = threading.Lock()

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Return the outputs for inputs as the plan was made for.

        While PyTorch's profiler is active, it sees each step by its name.
        """
        if torch._C._autograd._profiler_enabled():
            return self.run_apart(inputs, self._recorded)
        with self._memory() as memory:
            return memory.run(inputs)

    def run_apart(self, inputs: Sequence[Tensor], around: Around) -> list[Tensor]:
        """Return the outputs as a call does, with each step a program and in a context of its own.

        A step takes longer so, by what it takes a team of threads to begin a program.
        """
        with self._memory() as memory:
            return memory.run(inputs, around)

    def _recorded(self, number: int, _: object) -> AbstractContextManager[object]:
        return torch.profiler.record_function(self.steps[number].name)

    @contextmanager
    def _memory(self) -> Iterator[_Memory]:
        with self._lock:
            memory = self._free.pop() if self._free else None
        if memory is None:
            memory = _Memory(self)
        try:
            yield memory
        finally:
            with self._lock:
                self._free.append(memory)

    @property
    def steps(self) -> tuple[PlanStep, ...]:
        """Return the steps in their order."""
        return self.lowered.steps

    @cached_property
    def arena(self) -> tuple[dict[int, int], int]:
        """Return the offset of each root in the arena, the workspace's first, and its size."""
        offsets, size = arrange(list(self._buffers()))
        start = round_up(self.workspace_bytes, ALIGNMENT)
        placed = {number: start + offset for number, offset in offsets.items()}
        return {WORKSPACE: 0, **placed}, start + size

    @property
    def bytes(self) -> int:
        """Return how much memory the plan takes: packed weights, the arena and one call's outputs.

        What PyTorch allocates at once for its operations is among it.
        """
        held = [root for root in self.lowered.roots if root.memory in ("tensor", "output")]
        return sum(root.bytes for root in held) + self.arena[1] + self.bytes_by_pytorch

    @property
    def bytes_by_pytorch(self) -> int:
        """Return the most bytes that PyTorch's operations have allocated at once in a call."""
        return bytes_by_pytorch(self.steps, self.lowered.roots, self.lifetimes)

    @cached_property
    def lifetimes(self) -> Mapping[int, Lifetime]:
        """Return how long each root is needed."""
        return lifetimes(self.steps, (each.root for each in self.lowered.outputs))

    @property
    def workspace_bytes(self) -> int:
        """Return how large the workspace is that all kernels share."""
        kernels = [each for each in self.lowered.steps if isinstance(each, KernelStep)]
        return max((each.workspace_bytes for each in kernels), default=0)

    def _buffers(self) -> Iterator[Buffer]:
        """Yield the roots in the arena with the steps from their first write to their last read."""
        for each in self.lowered.roots:
            if each.memory == "arena" and each.number in self.lifetimes:
                life = self.lifetimes[each.number]
                yield Buffer(each.number, each.bytes, life.first, life.last)


@dataclass
class _Segment:
    """Nodes that run in one native call, or an operation of PyTorch's."""

    first: int  # node
    count: int
    patches: list[tuple[int, int, int]] = field(default_factory=list)  # word, root, offset
    pytorch: PyTorchStep | None = None
    dropped: tuple[int, ...] = ()  # roots of PyTorch's results that are not needed afterwards


class _Memory:
    """The arena of one call at a time, and the programs whose addresses point into it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        offsets, size = plan.arena
        self.arena = on_huge_pages(size)
        self.bases = {root: self.arena.data_ptr() + at for root, at in offsets.items()}
        self.tensors: dict[int, Tensor] = {}
        for root in plan.lowered.roots:
            if root.tensor is not None:
                self.bases[root.number] = root.tensor.data_ptr()
                self.tensors[root.number] = root.tensor
            elif root.number in offsets:
                at = offsets[root.number]
                self.tensors[root.number] = self.arena[at : at + root.bytes]
        self.fixed = set(self.bases)
        launches = sum(
            len(each.launches) for each in plan.lowered.steps if isinstance(each, KernelStep)
        )
        self.nodes = (ctypes.c_int64 * (launches * team.WORDS_PER_NODE))()
        self.arrays = (ctypes.c_int64 * (launches * len(NAMES)))()
        self.apart = list(self._segments(plan.lowered.steps))
        self.together = list(_joined(self.apart))
        self.new_outputs = [
            (root.number, root.bytes) for root in plan.lowered.roots if root.memory == "output"
        ]

    def _segments(self, steps: Sequence[PlanStep]) -> Iterator[_Segment]:
        """Yield a segment for each step."""
        node = 0
        dropped = self._dropped()
        for number, step in enumerate(steps):
            segment = _Segment(node, 0, dropped=tuple(dropped[number]))
            if isinstance(step, PyTorchStep):
                segment.pytorch = step
            else:
                for launch in step.launches:
                    self._write(node, launch, segment)
                    node += 1
                segment.count = node - segment.first
            yield segment

    def _dropped(self) -> Mapping[float, list[int]]:
        """Return the roots of PyTorch's results that each step is the last one to need."""
        dropped: defaultdict[float, list[int]] = defaultdict(list)
        for root in self.plan.lowered.roots:
            if root.memory == "result":
                dropped[self.plan.lifetimes[root.number].last].append(root.number)
        return dropped

    def _write(self, node: int, launch: Any, segment: _Segment) -> None:
        """Write a node, and note the words that depend on the call."""
        place = node * len(NAMES)
        for word, name in enumerate(NAMES, place):
            address = getattr(launch.arrays, name)
            if isinstance(address, Address):
                if address.root not in self.fixed:
                    segment.patches.append((word, *address))
                    continue
                address = self.bases[address.root] + address.offset
            self.arrays[word] = address
        kernel = launch.kernel
        at = node * team.WORDS_PER_NODE
        self.nodes[at] = kernel.address_of(task_name(kernel.name))
        self.nodes[at + 1] = ctypes.addressof(launch.parameters)
        self.nodes[at + 2] = ctypes.addressof(self.arrays) + 8 * place
        self.nodes[at + 3] = launch.tasks

    def run(self, inputs: Sequence[Tensor], around: Around | None = None) -> list[Tensor]:
        """Run all steps; around: makes a context for each, which is then a program of its own."""
        lowered = self.plan.lowered
        tensors = self.tensors.copy()
        for place, tensor in zip(lowered.inputs, inputs, strict=True):
            tensors[place.root] = tensor
        for root, size in self.new_outputs:
            tensors[root] = torch.empty(size, dtype=torch.uint8)
        if around is None:
            for segment in self.together:
                self._run(segment, tensors)
                _drop(segment, tensors)
        else:
            for number, segment in enumerate(self.apart):
                with around(number, tensors):
                    self._run(segment, tensors)
                _drop(segment, tensors)
        return [place.of(tensors[place.root]) for place in lowered.outputs]

    def _run(self, segment: _Segment, tensors: dict[int, Tensor]) -> None:
        if segment.pytorch is not None:
            self._call(segment.pytorch, tensors)
            return
        for word, root, offset in segment.patches:
            self.arrays[word] = tensors[root].data_ptr() + offset
        nodes = ctypes.addressof(self.nodes) + 8 * team.WORDS_PER_NODE * segment.first
        team.run_program(nodes, segment.count, self.plan.threads)

    def _call(self, step: PyTorchStep, tensors: dict[int, Tensor]) -> None:
        arguments = with_tensors(dict(step.arguments), lambda place: place.of(tensors[place.root]))
        result = step.call(**arguments)
        returned = result if isinstance(result, list | tuple) else [result]
        for place, tensor in zip(step.outputs, returned, strict=False):
            if tensor is None:  # which the rule for shapes calls an empty tensor
                continue
            expected = tensor
            if tensor.stride() != place.strides:
                expected = tensor.new_empty_strided(place.shape, place.strides).copy_(tensor)
            tensors[place.root] = expected


def _drop(segment: _Segment, tensors: dict[int, Tensor]) -> None:
    for root in segment.dropped:
        tensors.pop(root, None)  # an operation may return None for a result


def _joined(segments: Sequence[_Segment]) -> Iterator[_Segment]:
    """Yield segments with those that follow each other without PyTorch between them as one."""
    for is_native, group in groupby(segments, lambda each: each.pytorch is None):
        if not is_native:
            yield from group
            continue
        several = list(group)
        patches = [patch for each in several for patch in each.patches]
        dropped = tuple(root for each in several for root in each.dropped)
        count = sum(each.count for each in several)
        yield _Segment(several[0].first, count, patches, dropped=dropped)
