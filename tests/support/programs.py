"""Files of `torch.export.save` for tests: one honest program, and copies of it with changes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
SAMPLES = "data/sample_inputs/model.pt"


class Network(nn.Module):
    """A convolution, its normalization, a constant, and a size that is computed."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("mask", torch.ones(4, 1, 1), persistent=False)
        self.shift = torch.full((4, 1, 1), 2.0)

    def forward(self, x: Tensor) -> dict[str, Any]:
        """Return the features and their mean."""
        y = torch.relu(self.norm(self.conv(x))) * self.mask + self.shift
        first, others = torch.split(y, [1, y.shape[2] - 1], dim=2)
        return {"features": (first, others), "mean": y.mean((2, 3))}


def export(network: nn.Module, inputs: tuple[Tensor, ...], path: Path, **options: Any) -> Path:
    """Export a network in evaluation mode to a file, and return its path."""
    torch.export.save(torch.export.export(network.eval(), inputs, **options), path)
    return path


@cache
def honest_entries() -> dict[str, bytes]:
    """Return the entries of an honest program's file, in order, by their paths in its folder.

    Its batch and height are symbols, the height of 3 to 64.
    """
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=3, max=64)}
    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        path = export(
            Network(),
            (torch.ones(2, 3, 8, 8),),
            Path(folder, "honest.pt2"),
            dynamic_shapes=(sizes,),
        )
        with zipfile.ZipFile(path) as archive:
            return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write_program(path: Path, changes: Mapping[str, bytes | None] | None = None) -> Path:
    """Write the honest program with some entries changed, or left out where they are None."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (honest_entries() | dict(changes or {})).items():
            if content is not None:
                archive.writestr(f"honest/{name}", content)
    return path


def changed(entry: str, change: Callable[[Any], object]) -> dict[str, bytes]:
    """Return a change of an entry of JSON: what a function does to its value in place."""
    value = json.loads(honest_entries()[entry])
    change(value)
    return {entry: json.dumps(value).encode()}


def node(program: Any, target: str) -> Any:
    """Return the first node of a program that calls an operator of aten."""
    nodes = program["graph_module"]["graph"]["nodes"]
    return next(each for each in nodes if each["target"] == f"torch.ops.aten.{target}")
