"""from_exported: the program of a `.pt2` file as a module; nothing of the file is executed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import fx

from glassconv.errors import ConvError, NetworkError
from glassconv.networks.exported.graph import build
from glassconv.networks.exported.tensors import Tensors
from glassconv.networks.files.archive import Archive
from glassconv.networks.files.strict_json import field, parse_json

MODEL = re.compile(r"models/(\w+)\.json")
MOST_GRAPH = 16 << 20  # bytes: five times those of Inception-ResNet v2
VERSION = 8  # the major version of PyTorch's schema
LEGACY = "serialized_exported_program.json"


def from_exported(path: Path) -> fx.GraphModule:
    """Return the program of a file that `torch.export.save` wrote, as a module.

    Its parameters and buffers have the names that they had in the network that was exported. It
    takes inputs of the sizes that the file states, and raises `ShapeError` for others.

    Raises `NetworkError` with the reason for what cannot be read without executing it: pickled
    weights, operators that are not on the list, a program in training mode.
    """
    with Archive(path) as archive:
        try:
            model = _model(archive)
            program = parse_json(archive.read(f"models/{model}.json", MOST_GRAPH), str(path))
            _check_version(program)
            return build(program, Tensors(archive, model))
        except ConvError as error:
            raise NetworkError(error.cause, request=str(path)) from None
        except RecursionError:
            raise archive.error("its graph is nested too deeply") from None


def _model(archive: Archive) -> str:
    """Return the name of the only model of an archive."""
    names = archive.names()
    if LEGACY in names:
        raise NetworkError(
            "an older PyTorch wrote it, with pickled weights: load it there, and save it with "
            "this one"
        )
    models = [match[1] for match in map(MODEL.fullmatch, names) if match]
    if len(models) != 1:
        raise NetworkError(f"it must have one model, got {len(models)}")
    return models[0]


def _check_version(program: Any) -> None:
    """Raise for a program of another version of PyTorch's schema."""
    major = field(field(program, "schema_version", dict), "major", int)
    if major != VERSION:
        raise NetworkError(f"its schema has version {major}, where {VERSION} is supported")
