"""Write files whole or not at all."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from glassconv.errors import DataError
from glassconv.reports.trace import Trace


def prepare(folder: Path) -> None:
    """Make sure a folder is there and can be written to, or raise `DataError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f"cannot write into {folder}: {error.strerror}") from None


def arrays_to_bytes(traced: Trace) -> bytes:
    """Return a .npz file's content: the operands and every step's array, by name."""
    arrays = {"input": traced.input, "weight": traced.weight}
    if traced.bias is not None:
        arrays["bias"] = traced.bias
    arrays |= {step.name: step.array for step in traced.steps}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def write_all(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files by name into a folder and return their paths; if one fails, none is left.

    Each is written beside its place first and renamed at the end. Raises `DataError`.
    """
    prepare(folder)
    for name in files:
        if (folder / name).is_dir():
            raise DataError(f"{folder / name} is a folder, not a file to write to")
    unfinished: dict[Path, Path] = {}
    try:
        for name, content in files.items():
            beside = folder / f".{name}.{os.getpid()}"
            unfinished[beside] = folder / name
            beside.write_bytes(content)
        for beside, place in unfinished.items():
            beside.replace(place)
    except OSError as error:
        raise DataError(f"cannot write into {folder}: {error.strerror}") from None
    finally:
        for beside in unfinished:
            beside.unlink(missing_ok=True)
    return list(unfinished.values())
