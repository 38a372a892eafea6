"""A network that was trained twice from the same numbers: what each training did, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.reports.array import Array
from glassconv.reports.compared import Compared


@dataclass(frozen=True, eq=False)
class TrainedNetwork(Compared):
    """One training."""

    name: str  # of the layers, such as PyTorch
    losses: tuple[float, ...]  # of each step
    accuracies: tuple[float, ...]  # after each epoch, on images that were held out
    seconds: tuple[float, ...]  # of each epoch
    filters: tuple[Array, ...]  # of the first layer after some steps, [filters, height, width]


@dataclass(frozen=True, eq=False)
class Training(Compared):
    """Two trainings that began with the same weights and saw the same images in the same order."""

    data: str
    network: str  # its layers, in words
    filters_after: tuple[int, ...]  # steps, the first of them 0
    steps_per_epoch: int
    ours: TrainedNetwork
    theirs: TrainedNetwork
