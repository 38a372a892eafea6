"""The time of each layer of a network of PyTorch modules, by hooks around each leaf module."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import torch
from torch import Tensor, nn

from glassconv.reports.network_benchmark import LayerTime

CALLS = 20


def layer_times(network: nn.Module, input: Tensor) -> list[LayerTime]:
    """Return the mean time of each leaf module, and what is between them as one row."""
    starts: dict[str, float] = {}
    seconds: dict[str, float] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    leaves = {name: each for name, each in network.named_modules() if not [*each.children()]}

    def before(name: str) -> Callable[..., None]:
        def start(*_: object) -> None:
            starts[name] = perf_counter()

        return start

    def after(name: str) -> Callable[..., None]:
        def stop(module: nn.Module, inputs: object, output: Tensor) -> None:
            seconds[name] = seconds.get(name, 0.0) + perf_counter() - starts[name]
            shapes[name] = tuple(output.shape)

        return stop

    with torch.inference_mode():
        network(input)
        for name, module in leaves.items():
            module.register_forward_pre_hook(before(name))
            module.register_forward_hook(after(name))
        begin = perf_counter()
        for _ in range(CALLS):
            network(input)
        whole = perf_counter() - begin
    rows = [
        LayerTime(name, type(leaves[name]).__name__, "", shapes[name], each / CALLS)
        for name, each in seconds.items()
    ]
    rest = (whole - sum(seconds.values())) / CALLS
    return [*rows, LayerTime("between modules", "", "", (), rest)]
