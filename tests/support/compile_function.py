"""Compile a function that a test emits, for this machine, and run it on arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from glassconv.codegen.ir import INT, Code, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.struct import words_of
from glassconv.codegen.target import Target, host

Array = npt.NDArray[Any]
Body = Callable[..., None]  # body(code, *pointers, *numbers)


def this_machine(**changes: Any) -> Target:
    """Return this machine's target, changed as asked."""
    found = host()
    assert found is not None
    return replace(found, **changes)


def write(
    body: Body, arrays: int, numbers: int, dtype: str = "float32", target: Target | None = None
) -> Module:
    """Return a module whose public function `run` has the code that `body` emits."""
    module = Module("written", dtype, target or this_machine())

    @function(module, public=True)
    def run(
        code: Code, parameters: Pointer, addresses: Pointer, tasks: Value, threads: Value
    ) -> None:
        pointers = [addresses.load_pointer(place) for place in range(arrays)]
        words = parameters.cast(INT)
        body(code, *pointers, *(words[place] for place in range(numbers)))

    return module


def call(kernel: Compiled, arrays: Sequence[Array | torch.Tensor], numbers: Sequence[int]) -> None:
    """Call a compiled function with arrays and whole numbers."""
    places = [
        each.data_ptr() if isinstance(each, torch.Tensor) else each.ctypes.data for each in arrays
    ]
    kernel.call(words_of(*numbers), words_of(*places), 1, 1)


def run(body: Body, *given: Array | torch.Tensor | int, dtype: str = "float32") -> None:
    """Compile the code that `body` emits and call it with arrays, then whole numbers."""
    arrays = [each for each in given if not isinstance(each, int)]
    numbers = [each for each in given if isinstance(each, int)]
    call(compiled(write(body, len(arrays), len(numbers), dtype), "run"), arrays, numbers)


def integers(body: Callable[..., Sequence[Value]], *numbers: int) -> list[int]:
    """Return the integers that the emitted code computes from some integers."""
    found = np.full(64, -999, np.int64)
    made: list[int] = []

    def store(code: Code, output: Pointer, *given: Value) -> None:
        for place, value in enumerate(body(code, *given)):
            output.cast(INT)[place] = value
            made.append(place)

    run(store, found, *numbers)
    return [int(number) for number in found[: len(made)]]
