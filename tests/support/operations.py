"""Run compiled operations on arrays with gaps, beside guard pages, and look at what is around."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
import torch
from torch import Tensor

from glassconv.codegen.struct import words_of
from glassconv.codegen.target import Target, named
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations.step import Step
from support.compile_function import this_machine
from support.guard_pages import SIDES, guarded

UNTOUCHED = -12345.0
NAMES = tuple(Arrays.__dataclass_fields__)


def targets() -> list[Target]:
    """Return the instruction sets that this machine runs."""
    here = this_machine()
    return [here] if here.name != "avx512" else [here, named("avx2")]


TARGETS = pytest.mark.parametrize("target", targets(), ids=lambda target: target.name)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def laid(values: Tensor, order: Sequence[int], chance: Random) -> Tensor:
    """Return a copy in the memory order of its axes, at times a slice of rows with NaN around.

    order: the axes from the one with the largest stride to the one with stride 1.
    """
    inner = values.permute(*order)
    before, after = (chance.choice((0, 0, 1, 5)) for _ in range(2))
    larger = torch.full(
        (*inner.shape[:-1], before + inner.shape[-1] + after), torch.nan, dtype=values.dtype
    )
    there = larger.narrow(-1, before, inner.shape[-1]).copy_(inner)
    back = [list(order).index(axis) for axis in range(len(order))]
    return guarded(there.permute(*back), chance.choice(SIDES))


def room(shape: Sequence[int], order: Sequence[int], dtype: torch.dtype, chance: Random) -> Tensor:
    """Return an array to write to, laid as `laid` does, with a number in it and in its gaps."""
    array = laid(torch.zeros(*shape, dtype=dtype), order, chance)
    _span(array).fill_(UNTOUCHED)
    return array


def call(step: Step, team: int = 1, **tensors: Tensor) -> None:
    """Call a step with arrays by their names."""
    tensors.setdefault("residual", tensors["output"])
    space = torch.full((team * step.workspace_bytes,), 0xFF, dtype=torch.uint8)  # NaN of any type
    space = guarded(space, "after")
    addresses = [tensors[name].data_ptr() if name in tensors else 0 for name in NAMES]
    addresses[NAMES.index("workspace")] = space.data_ptr()
    step.kernel.call(step.parameters, words_of(*addresses), step.tasks, team)


def run(step: Step, team: int = 1, **tensors: Tensor) -> Tensor:
    """Call a step, and return a copy of its output; check that its gaps were not written."""
    call(step, team, **tensors)
    output = tensors["output"]
    gaps = torch.ones_like(_span(output), dtype=torch.bool)
    gaps.as_strided(output.shape, output.stride()).fill_(False)
    assert bool((_span(output)[gaps] == UNTOUCHED).all()), "something else was written"
    return output.clone()


def _span(array: Tensor) -> Tensor:
    """Return the memory from the first to the last element, gaps too."""
    steps = zip(array.shape, array.stride(), strict=True)
    span = 1 + sum((size - 1) * stride for size, stride in steps)
    return array.as_strided((span,), (1,), array.storage_offset())
