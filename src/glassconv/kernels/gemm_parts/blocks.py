"""How the outputs of one image and group are divided into tasks: blocks of pixels × filters."""

from __future__ import annotations

from math import ceil, prod

TASK_OVERHEAD = 4  # pixels, and filters
SMALL_DIFFERENCE = 0.02


def task_blocks(
    *,
    pixels: int,
    filters: int,
    images: int,
    threads: int,
    max_tasks: int,
    max_pixels: int,
    pixel_unit: int,
    filter_unit: int,
    lowering: int,
) -> tuple[int, int]:
    """Return the pixels and the filters of a task, multiples of their units.

    Each block of filters lowers its pixels again, and each block of pixels reads its filters again:
    a task costs about as much as multiplying a few more pixels by a few more filters. The blocks
    are those that leave the busiest thread the least to do. Of blocks that differ little in that,
    the smallest are the best, because other threads can take over the tasks of a preempted one.

    lowering: multiplying a lowered element by so many filters takes as long as lowering it.
    images: of the batch, times the groups. There are more tasks than `max_tasks` only where the
    tasks would otherwise have more than `max_pixels`.

    >>> task_blocks(pixels=196, filters=512, images=1, threads=2, max_tasks=8, max_pixels=400,
    ...             pixel_unit=6, filter_unit=16, lowering=8)
    (198, 256)
    """
    images = max(images, 1)
    fewest = ceil(ceil(pixels / pixel_unit) / max(max_pixels // pixel_unit, 1))
    costs: dict[tuple[int, int], int] = {}
    for pixel_blocks in range(fewest, fewest + max_tasks):
        for filter_blocks in range(1, max_tasks + 1):
            tasks = images * pixel_blocks * filter_blocks
            if tasks > max(max_tasks, images * fewest + threads):
                break
            pixel_block = block_size(pixels, pixel_unit, pixel_blocks)
            filter_block = block_size(filters, filter_unit, filter_blocks)
            cost = (pixel_block + TASK_OVERHEAD) * (filter_block + TASK_OVERHEAD + lowering)
            costs[pixel_block, filter_block] = ceil(tasks / threads) * cost
    most = min(costs.values()) * (1 + SMALL_DIFFERENCE)
    return min((blocks for blocks, cost in costs.items() if cost <= most), key=prod)


def block_size(total: int, unit: int, count: int) -> int:
    """Return the size of `count` blocks of whole units; the last may be smaller, or missing.

    >>> block_size(196, 16, 2), block_size(196, 16, 1)
    (112, 208)
    """
    return ceil(ceil(total / unit) / count) * unit
