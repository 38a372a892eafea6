"""Machine: how fast the machine is that kernels run on, measured, never assumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, fields, replace
from math import inf
from typing import Any, cast

from glassconv.errors import DataError
from glassconv.reports.shown import Shown

# What a noisy measurement may find to take no time.
MAY_BE_0 = frozenset({"misprediction", "dispatch", "region", "compile_seconds"})


@dataclass(frozen=True)
class Level:
    """A cache, or the memory: its size in bytes, and how many bytes a second a thread reads."""

    name: str
    size: float  # inf for the memory
    bytes_per_second: float


@dataclass(frozen=True)
class Instructions:
    """How many seconds a thread takes for one of many instructions, all data being in L1.

    A vector has as many elements as the generated code's vectors have.
    """

    multiply_add: float  # of vectors that do not wait for each other
    latency: float  # of a multiply-add that waits for the one before
    load: float  # of a vector
    store: float
    masked_load: float
    masked_store: float
    gather: float  # of a vector from as many places
    loop: float  # to call a function that goes through a short loop
    misprediction: float  # more than that, where the end of the loop comes as a surprise

    def fastest(self, other: Instructions) -> Instructions:
        """Return each instruction's shorter time in two measurements."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        faster = Instructions(*(min(pair) for pair in pairs))
        # A misprediction is what a random length costs beyond the loop.
        random_length = min(each.loop + each.misprediction for each in (self, other))
        return replace(faster, misprediction=max(random_length - faster.loop, 0.0))


@dataclass(frozen=True)
class PyTorch:
    """What PyTorch's own convolutions take here, measured on one layer of each kind.

    Multiply-adds are those of all threads.
    """

    call: float  # seconds of the smallest call
    onednn_calls: tuple[tuple[str, float], ...]  # of the smallest that reach oneDNN, by layout
    macs_per_second: tuple[tuple[str, float], ...]  # of each kind of layer
    lowered_per_second: tuple[tuple[str, float], ...]  # elements of im2col's matrix, where one is
    copied_per_second: tuple[tuple[str, float], ...]  # elements of inputs, outputs and weights
    spectra_per_second: tuple[tuple[str, float], ...]  # what a convolution by spectra does
    gradients: tuple[tuple[str, float], ...]  # times as long as the forward call, by kind


@dataclass(frozen=True, eq=False)
class Machine(Shown):
    """What a processor and a number of threads do in a second, and how long that took to measure.

    Every prediction follows from these numbers and from what is counted in the code.
    """

    processor: str
    target: str  # whose vectors the instructions are of
    vector_bytes: int
    threads: int
    instructions: Instructions
    levels: tuple[Level, ...]  # from L1 to the memory
    memory_bytes_per_second: float  # read by all threads together
    dispatch: float  # seconds of a call of glassconv's besides the plan's, or PyTorch's
    call: float  # seconds from the call of a plan to its first task, and back
    region: float  # seconds to start all threads, and to wait for them
    pytorch: PyTorch
    seconds: float  # to measure all this
    compile_seconds: float  # of the code that measures; 0 from the disk cache
    # How many times as long as counted kernels take, beside PyTorch, in a memory layout.
    slowdowns: tuple[tuple[str, float], ...] = ()
    is_busy: bool = False  # other processes kept the cores: PyTorch was measured with one thread

    def to_document(self) -> dict[str, Any]:
        """Return what JSON can hold of it, the whole; the size of the memory is null."""
        document = {field.name: getattr(self, field.name) for field in fields(self)}
        document["instructions"] = asdict(self.instructions)
        document["pytorch"] = asdict(self.pytorch)
        document["levels"] = [
            asdict(level) | ({"size": None} if level.size == inf else {}) for level in self.levels
        ]
        return document

    @classmethod
    def from_document(cls, document: object) -> Machine:
        """Return what `to_document` wrote. Raises `DataError` where it is anything else."""
        try:
            given = dict(cast(Any, document))
            levels = [Level(**each) for each in given["levels"]]
            given["levels"] = tuple(
                replace(each, size=inf if each.size is None else each.size) for each in levels
            )
            given["instructions"] = Instructions(**given["instructions"])
            pytorch = PyTorch(**given["pytorch"])
            given["pytorch"] = replace(
                pytorch,
                macs_per_second=_pairs(pytorch.macs_per_second),
                lowered_per_second=_pairs(pytorch.lowered_per_second),
                onednn_calls=_pairs(pytorch.onednn_calls),
                copied_per_second=_pairs(pytorch.copied_per_second),
                spectra_per_second=_pairs(pytorch.spectra_per_second),
                gradients=_pairs(pytorch.gradients),
            )
            given["slowdowns"] = _pairs(given["slowdowns"])
            machine = cls(**given)
            rates = [*_rates(machine)]
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise DataError(f"no record of a machine: {error}") from None
        if [level for level in levels if level.size is None] != levels[-1:]:
            raise DataError("no record of a machine: its last level is not its memory")
        if not all(0 <= rate < inf and (rate > 0 or name in MAY_BE_0) for name, rate in rates):
            raise DataError("no record of a machine: a rate is not a positive number")
        return machine

    def to_json(self) -> str:
        """Return it as a JSON document."""
        return json.dumps(self.to_document(), indent=2)

    def peak(self, element_bytes: int) -> float:
        """Return the multiply-adds a second of all threads, of elements of so many bytes."""
        lanes = self.vector_bytes / element_bytes
        return self.threads * lanes / self.instructions.multiply_add

    def slowdown(self, layout: str) -> float:
        """Return how many times as long as counted kernels take in the layout of this name."""
        return dict(self.slowdowns).get(layout, 1.0)

    def level(self, footprint: float) -> Level:
        """Return the smallest level that holds so many bytes."""
        return next(level for level in self.levels if footprint <= level.size)

    def bandwidth(self, footprint: float, threads: int) -> float:
        """Return how many bytes a second a thread reads again and again from so many bytes.

        threads: how many read at the same time; they share the memory's bandwidth.
        """
        level = self.level(footprint)
        if level.size < inf:
            return level.bytes_per_second
        return min(level.bytes_per_second, self.memory_bytes_per_second / threads)


def _pairs(given: object) -> tuple[tuple[str, float], ...]:
    """Return pairs of a name and a rate, as JSON's lists."""
    return tuple((str(name), float(rate)) for name, rate in cast(Any, given))


def _rates(machine: Machine) -> Iterator[tuple[str, float]]:
    """Yield all that must be positive numbers, and their names."""
    holders: list[Any] = [machine, machine.instructions, machine.pytorch, *machine.levels[:-1]]
    for holder in holders:
        for field in fields(holder):
            if field.type in ("float", "int"):
                yield field.name, float(getattr(holder, field.name))
    yield "memory", float(machine.levels[-1].bytes_per_second)
    pytorch = machine.pytorch
    for rates in (pytorch.onednn_calls, pytorch.macs_per_second, pytorch.lowered_per_second):
        yield from rates
    yield from pytorch.copied_per_second
    yield from pytorch.spectra_per_second
    yield from pytorch.gradients
    yield from machine.slowdowns
