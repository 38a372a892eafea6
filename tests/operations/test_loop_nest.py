"""Loops over arrays: axes that lie behind one another become one, and tasks divide the first."""

from __future__ import annotations

import torch

from glassconv.operations.loop_nest import axes_of, loop_nest, supports_loops
from glassconv.operations.strided import Strided
from glassconv.reports.verdict import Verdict


def of(*shape: int) -> Strided:
    return Strided.of(torch.empty(*shape))


def test_dense_arrays_have_one_loop() -> None:
    arrays = {"output": of(2, 3, 4, 5), "input": of(2, 3, 4, 5)}
    assert [axis.size for axis in axes_of(arrays)] == [120]


def test_a_slice_of_channels_has_one_loop_more() -> None:
    whole = torch.empty(1, 7, 7, 64)
    arrays = {"output": Strided.of(whole[..., 8:24]), "input": of(1, 7, 7, 16)}
    assert [axis.size for axis in axes_of(arrays)] == [49, 16]


def test_the_loop_that_is_divided_is_the_first() -> None:
    output = Strided((2, 3, 500, 8), (40_000, 10, 32, 1), "float32")
    nest = loop_nest({"output": output}, tasks=10)
    assert [axis.size for axis in nest.axes] == [500, 2, 3, 8]
    assert nest.per_task == 50
    assert nest.tasks == 10


def test_tasks_of_one_row_end_at_cache_lines() -> None:
    nest = loop_nest({"output": of(1001)}, tasks=3)
    assert (nest.per_task, nest.tasks) == (336, 3)


def test_elements_that_are_not_adjacent_are_taken_one_by_one() -> None:
    arrays = {"output": of(4, 4), "input": Strided((4, 4), (8, 2), "float32")}
    assert [axis.size for axis in axes_of(arrays)] == [16, 1]


def test_refusals_say_why() -> None:
    many = torch.empty([3] * 7)[(slice(2),) * 7]
    assert supports_loops({"output": Strided.of(many)}) == Verdict(
        False, "requires at most 6 nested loops, got 7"
    )
    half = Strided((4,), (1,), "float16")
    assert supports_loops({"output": half}) == Verdict(
        False, "requires arrays of float32 or of float64, got float16"
    )
