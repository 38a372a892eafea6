"""Temporaries: what kernels of PyTorch's allocate while they run, beside what they return.

Only those of which networks have many are here. The sizes are those of PyTorch's source, and tests
compare them with what its allocator is seen to give out. Convolutions are in peak_memory.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

LARGEST_KEYS = 512  # rows of keys that a thread takes at once


def temporary_bytes(function: Any, args: Sequence[Any]) -> int:
    """Return the bytes that an operator allocates and frees."""
    rule = RULES.get(function)
    return 0 if rule is None else rule(*args)


def _attention(query: Tensor, key: Tensor, *_: Any) -> int:
    """Return what flash attention allocates: blocks of products, and of outputs, for each thread.

    query, key: [batch, heads, rows, channels]. The kernel is in ATen's FlashAttentionKernel.cpp.
    """
    rows, channels = query.shape[-2:]
    split = 256 if rows >= 768 else 64 if rows >= 192 else 32
    queries, keys = min(split, rows), min(LARGEST_KEYS, key.shape[-2])
    elements = queries * keys + 2 * queries + queries * channels
    accumulated = max(query.element_size(), torch.float32.itemsize)
    return torch.get_num_threads() * elements * accumulated


def _multi_head_attention(
    query: Tensor, key: Tensor, value: Tensor, channels: int, heads: int, *_: Any
) -> int:
    """Return what a whole attention layer allocates, without its output.

    query: [batch, rows, channels]. Queries, keys and values stay while there are, in turn: them
    once more, the products of all rows with all rows, and two outputs.
    """
    batch, rows = query.shape[:2]
    output = batch * rows * channels
    return query.element_size() * (2 * output + max(3 * output, batch * heads * rows * rows))


RULES: Mapping[Any, Callable[..., int]] = {
    torch.ops.aten._native_multi_head_attention.default: _multi_head_attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default: _attention,
}
