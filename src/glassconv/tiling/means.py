"""means: global means, which are known before the tiles that are computed with them.

A squeeze-and-excitation block scales channels by their means over the image; a network for classes
ends with one. What is computed from means alone has no positions, and is the same for every tile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from glassconv.networks.graph import Graph, Operation
from glassconv.networks.reads import WHOLE, Along, Fields
from glassconv.networks.receptive_fields import receptive_fields
from glassconv.tiling.call import evaluated

NARROW = (torch.float16, torch.bfloat16)


def is_global_mean(operation: Operation, given: Fields, found: Fields) -> bool:
    """Return whether an operation is a mean over all axes. given, found: its fields."""
    is_mean = operation.function == "mean" or operation.function.startswith("adaptive_avg_pool")
    is_tiled = all(isinstance(reads, Along) and reads.inner == 1 for reads in given)
    return is_mean and is_tiled and set(found) == {WHOLE}


def without_means(graph: Graph) -> tuple[Graph, tuple[Operation, ...]]:
    """Return a graph without its global means, whose outputs nothing computes, and the means.

    A later mean may depend on an earlier one.
    """
    means: list[Operation] = []
    while True:
        fields = receptive_fields(graph)
        for operation in graph.operations:
            given, output = operation.inputs[:1], operation.outputs[0]
            if given and is_global_mean(operation, fields.of(given[0]), fields.of(output)):
                means.append(operation)
                left = tuple(each for each in graph.operations if each is not operation)
                graph = replace(graph, operations=left)
                break
        else:
            return graph, tuple(means)


def mean_of(operation: Operation, tiles: Iterable[Tensor]) -> Tensor:
    """Return the output of a global mean of a value, of which all tiles are given.

    Each tile is summed as PyTorch sums float32, and the sums of tiles are added in float64.
    """
    shape = operation.inputs[0].shape
    dims = tuple(range(2, len(shape)))
    total = torch.zeros(1, dtype=torch.float64)
    dtype = total.dtype
    for tile in tiles:
        dtype = tile.dtype
        wide = torch.float32 if dtype in NARROW else dtype
        total = total + tile.sum(dims, keepdim=True, dtype=wide)
    mean = total / prod(shape[dim] for dim in dims)
    return evaluated(operation, 0, (mean.to(dtype),))
