"""The addresses of a call are packed by name, in the order that generated code reads."""

from __future__ import annotations

import inspect
import random
from ctypes import string_at
from dataclasses import fields

import numpy as np

from glassconv.codegen.ir import INT, Code, Module, Pointer, Value, function
from glassconv.codegen.jit import compiled
from glassconv.codegen.struct import pack, words_of
from glassconv.kernels.runtime.parameters import Arrays, pack_arrays, residual_offset
from support.compile_function import this_machine

NAMES = [field.name for field in fields(Arrays)]


def test_arrays_are_packed_by_name() -> None:
    assert list(inspect.signature(pack_arrays).parameters) == NAMES
    shuffled = random.Random(0).sample(NAMES, len(NAMES))
    addresses = {name: 2**40 + NAMES.index(name) for name in shuffled}
    words = pack(Arrays(**addresses))
    assert pack_arrays(**addresses) == string_at(words, 8 * len(NAMES))


def test_the_residual_is_so_many_bytes_from_the_output() -> None:
    module = Module("distance", "float32", this_machine())

    @function(module, "distance", public=True)
    def distance(
        code: Code, parameters: Pointer, arrays: Arrays[Pointer], tasks: Value, threads: Value
    ) -> None:
        arrays.output.cast(INT)[0] = residual_offset(arrays)

    kernel, output, residual = compiled(module, "distance"), *np.zeros((2, 4), np.int64)
    for other in (residual, output):
        addresses = dict.fromkeys(NAMES, 0)
        addresses |= {"output": output.ctypes.data, "residual": other.ctypes.data}
        kernel.call(words_of(), pack_arrays(**addresses), 1, 1)
        assert output[0] == other.ctypes.data - output.ctypes.data
