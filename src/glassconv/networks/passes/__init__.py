"""Passes: each rewrites a network into one that computes the same with less work.

A pass is a module with `NAME` and `run(network) -> Network`. They run in the order of `PASSES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from glassconv.networks.passes import (
    fold_batch_norm,
    fold_constants,
    fold_padding,
    fold_scale,
    functional,
    fuse_depthwise,
    fuse_elementwise,
    fuse_epilogue,
    scale_weights,
    unused,
)
from glassconv.networks.passes.network import Network

PASSES: tuple[ModuleType, ...] = (
    fold_constants,
    functional,
    fold_batch_norm,
    fold_scale,
    fold_padding,
    fuse_epilogue,
    fuse_elementwise,
    scale_weights,
    fuse_depthwise,
    unused,
)


def rewritten(network: Network) -> Iterator[tuple[str, Network]]:
    """Yield the name of each pass and the network that it returns."""
    for module in PASSES:
        network = module.run(network)
        yield module.NAME, network
