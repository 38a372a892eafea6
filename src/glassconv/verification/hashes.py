"""A hash of outputs or of gradients in the published order: the same on every machine.

Inputs, weights, biases and output gradients follow from whole numbers, so no random number
generator and no library takes part in them. Element i of an array, counted in the order of its
axes, is

    h = (4 · i + a) · 2654435761        a = 1 for the input, 2 for the weight, 3 for the bias,
                                        and 0 for the output's gradient
    h = (h xor ⌊h / 2¹⁵⌋) · 2246822519
    element = ⌊h / 2⁸⌋ / 2²³ − 1

with h modulo 2³². It is a multiple of 2⁻²³ from −1 to 1, so float32 and float64 hold it exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from math import prod

import numpy as np
import torch
from torch import Tensor

from glassconv.dispatch.compiled_call import in_layout
from glassconv.dispatch.dispatch import compute, run
from glassconv.dispatch.select import STRICT
from glassconv.dispatch.weight_gradient_call import settings_of
from glassconv.problem.memory_layout import NCHW
from glassconv.problem.operands import to_numpy
from glassconv.problem.problem import Problem
from glassconv.reports.hashes import LayerHash, SuiteHash

GRAD, INPUT, WEIGHT, BIAS = range(4)
OUTPUT, GRADIENTS = "output", "gradients"  # what is hashed
ORDERED = "ordered"  # the algorithm whose order is published


def hash_each(problems: Iterable[Problem], layout: str = NCHW) -> Iterator[LayerHash]:
    """Yield the hash of each convolution's output, computed from an input in a memory layout.

    The bytes are those of the elements in the order [batch, out_channels, *output_size], the least
    significant byte first, whatever the layout and the machine.

    >>> from glassconv import parse
    >>> [layer] = hash_each([parse("3x8x8 4@3x3")])
    >>> layer.digest[:16]
    'd6663732491345f8'
    """
    for problem in problems:
        input, weight, bias = _operands(problem, layout)
        with torch.no_grad():
            output = run(problem, ORDERED, input, weight, bias)
        yield LayerHash(problem, _digest([output]))


def hash_gradients(problems: Iterable[Problem], layout: str = NCHW) -> Iterator[LayerHash]:
    """Yield the hash of each convolution's gradients: of its input, weight and bias if it has one.

    Their bytes follow one another, in order as `hash_each` has them.

    >>> from glassconv import parse
    >>> [layer] = hash_gradients([parse("3x8x8 4@3x3")])
    >>> layer.digest[:16]
    '33818efdbf349b3a'
    """
    for problem in problems:
        operands = _operands(problem, layout)
        leaves = [each.requires_grad_() for each in operands if each is not None]
        grad = in_layout(elements(problem.output_shape, GRAD, problem.dtype), layout)
        with torch.enable_grad():
            output = compute(*operands, None, settings_of(problem, STRICT).arguments())
        yield LayerHash(problem, _digest(torch.autograd.grad(output, leaves, grad)))


def suite_hash(suite: str, layers: Iterable[LayerHash], hashed: str = OUTPUT) -> SuiteHash:
    """Return the hash of a suite from those of its convolutions, in their order."""
    found = tuple(layers)
    whole = sha256("".join(layer.digest for layer in found).encode())
    return SuiteHash(suite, hashed, found, whole.hexdigest())


def _operands(problem: Problem, layout: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return input, weight and bias."""
    input = elements(problem.input_shape, INPUT, problem.dtype)
    weight = elements(problem.weight_shape, WEIGHT, problem.dtype)
    bias = elements((problem.out_channels,), BIAS, problem.dtype) if problem.bias else None
    return in_layout(input, layout), weight, bias


def _digest(arrays: Iterable[Tensor]) -> str:
    """Return the SHA-256 of the elements of arrays, in hexadecimal."""
    hashed = sha256()
    for array in arrays:
        ordered = np.ascontiguousarray(to_numpy(array))
        hashed.update(ordered.astype(ordered.dtype.newbyteorder("<"), copy=False).tobytes())
    return hashed.hexdigest()


def elements(shape: tuple[int, ...], array: int, dtype: str) -> Tensor:
    """Return an array of this shape whose elements follow from their number, from −1 to 1.

    array: 0 for the output's gradient, 1 for the input, 2 for the weight, 3 for the bias.

    >>> elements((3,), INPUT, "float32")
    tensor([-0.2729,  0.6793,  0.1522])
    """
    number = np.arange(prod(shape), dtype=np.uint64)
    mixed = ((4 * number + np.uint64(array)) * np.uint64(2654435761)).astype(np.uint32)
    mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(2246822519)
    exact = (mixed >> np.uint32(8)).astype(np.float64) / 2.0**23 - 1
    return torch.from_numpy(exact).to(getattr(torch, dtype)).reshape(shape)
