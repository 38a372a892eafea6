"""Softmax over the last axis, as PyTorch's.

    output = exp(x − m) / s,     m = max x,     s = Σ exp(x − m)

Three passes over a row: its maximum, the powers and their sum, the quotients. With
n = roundings_of_sum(length), d = m − x, the mean D = Σ output · d, and the smallest number ε:

    |error| ≤ output · γ(n + 12 + d + D) + ε
"""

from __future__ import annotations

from functools import cache
from math import inf

from glassconv.codegen.ir import Code, Module, Pointer, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.activations import exp
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations.reductions import ACCUMULATORS, reduced, sum_of
from glassconv.operations.rows import emit_rows, step_of_rows, supports_rows
from glassconv.operations.step import Step
from glassconv.operations.strided import Strided
from glassconv.operations.vectors import Vectors, vectors_of
from glassconv.reports.verdict import Verdict


def supports(input: Strided, output: Strided) -> Verdict:
    """Return whether both arrays [*rows, length] have adjacent elements, and rows evenly spaced."""
    return supports_rows(input, output)


def step(input: Strided, output: Strided, target: Target, threads: int) -> Step:
    """Compile a supported softmax; its arrays are `input` and `output`."""
    return step_of_rows(_compile(input.dtype, target), input, output, threads)


@cache
def _compile(dtype: str, target: Target) -> Compiled:
    def softmax(
        code: Code, length: Value, input: Pointer, output: Pointer, arrays: Arrays[Pointer]
    ) -> None:
        # NaN is no maximum, but its power is NaN, and so are the sum and all quotients.
        most = reduced(
            code, length, -inf, lambda most, x: x.maximum(most), lambda vectors: vectors.load(input)
        )

        def powers(vectors: Vectors) -> list[Value]:
            results = [exp(code, x - most) for x in vectors.load(input)]
            vectors.store(output, results)
            return results

        factor = code.constant(1) / sum_of(code, length, powers)
        for vectors in vectors_of(code, 0, length, ACCUMULATORS):
            vectors.store(output, [power * factor for power in vectors.load(output)])

    module = Module("softmax", dtype, target)
    in_parallel(module, emit_rows(module, softmax))
    return compiled(module, "softmax")
