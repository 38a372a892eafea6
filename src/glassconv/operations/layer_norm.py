"""Layer normalization over the last axis, as PyTorch's layer_norm.

    μ = Σx / length     σ² = Σ(x − μ)² / length     r = 1 / √(σ² + eps)
    output = z · weight + bias,     z = (x − μ) · r

Three passes over a row, which is in L1. A mean m is computed first, and Σ(x − m) beside σ². Its
mean corrects m, so elements that differ little have outputs as exact as others.

With n = roundings_of_sum(length), the error of m is at most δ = γ(n + 1) · Σ|x| / length, and its
square is added to σ². That of the corrected mean is ε = γ(n + 2) · (Σ|x − μ| / length + δ):

    |error| ≤ |weight| · (|z| · r²δ² / 2 + rε + γ(n + 10) · (|z| + rε)) + u · |output|
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from glassconv.codegen.ir import Code, Module, Pointer, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.target import Target
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations.functions import FUNCTIONS
from glassconv.operations.reductions import ACCUMULATORS, sum_of, two_sums_of
from glassconv.operations.rows import emit_rows, step_of_rows, supports_rows
from glassconv.operations.step import Step
from glassconv.operations.strided import Strided
from glassconv.operations.vectors import Vectors, vectors_of
from glassconv.reports.verdict import Verdict


def supports(input: Strided, output: Strided) -> Verdict:
    """Return whether both arrays [*rows, length] have adjacent elements, and rows evenly spaced."""
    return supports_rows(input, output)


def step(
    input: Strided,
    output: Strided,
    eps: float,
    target: Target,
    threads: int,
    *,
    weight: bool = True,
    bias: bool = True,
) -> Step:
    """Compile a supported normalization; its arrays are `input`, `output`, `weight` and `bias`.

    weight, bias: whether there is one, [length] without gaps.
    """
    kernel = _compile(eps, weight, bias, input.dtype, target)
    return step_of_rows(kernel, input, output, threads)


@cache
def _compile(eps: float, weight: bool, bias: bool, dtype: str, target: Target) -> Compiled:
    def normalize(
        code: Code, length: Value, input: Pointer, output: Pointer, arrays: Arrays[Pointer]
    ) -> None:
        count = code.broadcast(length.as_float())
        mean = sum_of(code, length, lambda vectors: vectors.load(input)) / count

        def centered(vectors: Vectors) -> list[Value]:
            return [x - mean for x in vectors.load(input)]

        def and_squares(vectors: Vectors) -> tuple[list[Value], Iterator[Value]]:
            differences = centered(vectors)
            return differences, (x * x for x in differences)

        sums = two_sums_of(code, length, and_squares)
        correction, variance = (each / count for each in sums)
        deviation = FUNCTIONS["sqrt"].write(code, variance + code.constant(eps))
        factor = code.constant(1) / deviation
        for vectors in vectors_of(code, 0, length, ACCUMULATORS):
            results = [(x - correction) * factor for x in centered(vectors)]
            weights = vectors.load(arrays.weight) if weight else [code.constant(1)] * len(results)
            biases = vectors.load(arrays.bias) if bias else [code.zeros()] * len(results)
            vectors.store(output, list(map(code.fma, results, weights, biases)))

    module = Module("layer_norm", dtype, target)
    in_parallel(module, emit_rows(module, normalize))
    return compiled(module, "layer_norm")
