"""The matrices of F(m, r) nested along the spatial axes, and their product with an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from glassconv.mathematics.cook_toom import Matrix, Transforms, cook_toom
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis

Outputs = int | Callable[[Axis], Transforms]
"""The outputs of a tile along each axis; or another algorithm's matrices for an axis."""


def transforms_of(problem: ConvProblem, outputs: Outputs) -> tuple[Transforms, ...]:
    """Return F(outputs, r) for each spatial axis, F(1, 1) where r is 1."""
    if callable(outputs):
        return tuple(map(outputs, problem.axes))
    return tuple(cook_toom(outputs if r > 1 else 1, r) for r in problem.kernel_size)


def transform(matrices: Sequence[Matrix], array: Tensor) -> Tensor:
    """Return the array with one matrix applied along each of its last axes."""
    for place, matrix in enumerate(matrices, start=-len(matrices)):
        array = along(place, matrix, array)
    return array


def along(place: int, matrix: Matrix, array: Tensor) -> Tensor:
    """Return the array with one of its axes multiplied by a matrix."""
    rows = [[float(entry) for entry in row] for row in matrix]
    columns = torch.tensor(rows, dtype=array.dtype, device=array.device).T
    return (array.movedim(place, -1) @ columns).movedim(-1, place)


def absolute(matrix: Matrix) -> Matrix:
    """Return the matrix of the absolute values."""
    return tuple(tuple(map(abs, row)) for row in matrix)
