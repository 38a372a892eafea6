"""What Winograd's convolution spends: products, transforms, and the arrays on the way."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from glassconv.algorithms.parts.winograd import padded_along, tiles_along
from glassconv.algorithms.parts.winograd_transforms import Outputs, transforms_of
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost


def cost(problem: ConvProblem, outputs: Outputs) -> Cost:
    """Count the products and the transforms; multiplications by 0, 1 and −1 are none.

    The filters are transformed once per call. The transformed input and the products each exist
    twice for a while: in tiles' order and in the matrix product's.
    """
    transforms = transforms_of(problem, outputs)
    tiles = prod(map(tiles_along, problem.axes, transforms))
    elements = prod(len(each.input) for each in transforms)
    inputs = problem.batch * problem.in_channels * tiles
    results = problem.batch * problem.out_channels * tiles
    filters = problem.out_channels * problem.weight_shape[1]

    spent = [
        [number * each_time for each_time in _arithmetic(matrices)]
        for number, matrices in (
            (inputs, [each.input for each in transforms]),
            (filters, [each.filter for each in transforms]),
            (results, [each.output for each in transforms]),
        )
    ]
    multiplications, additions = map(sum, zip(*spent, strict=True))
    products = results * problem.weight_shape[1] * elements

    size = problem.format.bytes
    padded_bytes = (
        size
        * problem.batch
        * problem.in_channels
        * prod(map(padded_along, problem.axes, transforms))
    )
    input_bytes, filter_bytes = size * inputs * elements, 8 * filters * elements
    product_bytes = size * results * elements
    tile_bytes = size * results * prod(len(each.output) for each in transforms)
    return Cost(
        multiplications=products + multiplications,
        additions=products + additions + problem.bias * prod(problem.output_shape),
        workspace_bytes=padded_bytes
        + 2 * (input_bytes + filter_bytes + product_bytes)
        + tile_bytes
        + problem.output_bytes,
        traffic_bytes=problem.input_bytes
        + 2 * padded_bytes
        + 4 * problem.ndim * (input_bytes + product_bytes + filter_bytes)
        + 3 * (input_bytes + product_bytes + filter_bytes)
        + 3 * tile_bytes
        + problem.output_bytes,
        operations=1 + 10 * problem.ndim + 8,
    )


def _arithmetic(matrices: Sequence[Matrix]) -> tuple[int, int]:
    """Return multiplications and additions of one tile's transform, axis after axis."""
    multiplications = additions = 0
    for number, matrix in enumerate(matrices):
        done, waiting = matrices[:number], matrices[number + 1 :]
        lines = prod(map(len, done)) * prod(len(each[0]) for each in waiting)
        entries = [entry for row in matrix for entry in row]
        multiplications += lines * sum(entry not in (0, 1, -1) for entry in entries)
        additions += lines * (sum(entry != 0 for entry in entries) - len(matrix))
    return multiplications, additions
