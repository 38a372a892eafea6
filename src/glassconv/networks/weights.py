"""The weights of a file, put into a network that has the same names and shapes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.files.quote import quoted
from glassconv.networks.files.state_dict import read_state_dict


def put_weights(network: nn.Module, path: Path) -> None:
    """Put the weights of a file into a network.

    Raises `NetworkError` if names or shapes differ, and as `read_state_dict` does. The network is
    then of no use: it may have some of the weights.
    """
    state = read_state_dict(path)
    own = {n: t for n, t in network.state_dict().items() if isinstance(t, Tensor)}
    for name in own.keys() & state.keys():
        if own[name].shape != state[name].shape:
            wanted, got = tuple(own[name].shape), tuple(state[name].shape)
            cause = f"{name} must have the shape {wanted}, got {got}"
            raise NetworkError(cause, request=str(path))
    absent, unexpected = network.load_state_dict(state, strict=False)
    held = {own[name].data_ptr() for name in own.keys() & state.keys()}
    missing = [
        name for name in absent if own[name].data_ptr() not in held
    ]  # but under another name
    if missing or unexpected:
        cause = f"it lacks {_some(missing)} and has {_some(unexpected)} that the network has not"
        raise NetworkError(cause, request=str(path))


def _some(names: Collection[str]) -> str:
    """Return how many names there are, and the first."""
    count = f"{len(names)} weights" if len(names) != 1 else "1 weight"
    return f"{count} ({quoted(min(names))}, …)" if names else "none"
