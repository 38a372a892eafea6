"""What `glassconv tune` measured on this machine, in a file a person can read.

    {"machine": "znver3", "threads": 2, "layers": {"1x64x56x56 64@3x3 s1 p1 nchw": {"direct": 0.7}}}

A number is how many times as fast as PyTorch an algorithm was. Records of another processor or of
another number of threads are not used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from glassconv.codegen.target import cpu_name
from glassconv.errors import DataError
from glassconv.problem import ConvProblem

Ratios = Mapping[str, float]


def file() -> Path:
    """Return where the records are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "glassconv" / "tuned.json"


def recorded(problem: ConvProblem, layout: str) -> Ratios:
    """Return how many times as fast as PyTorch each algorithm was; nothing where none was timed."""
    return _layers(torch.get_num_threads()).get(f"{problem} {layout}", {})


def keep(measured: Mapping[tuple[ConvProblem, str], Ratios]) -> Path:
    """Add measurements to the records; return their file. Raises `DataError` if it cannot."""
    threads = torch.get_num_threads()
    layers = dict(_layers(threads))
    layers |= {f"{problem} {layout}": dict(each) for (problem, layout), each in measured.items()}
    document = {"machine": machine(), "threads": threads, "layers": layers}
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        unfinished = file().with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(document, indent=1), encoding="utf-8")
        unfinished.replace(file())
    except OSError as error:
        raise DataError(f"cannot keep the records in {file()}: {error}") from None
    _layers.cache_clear()
    return file()


def machine() -> str:
    """Return the processor's name, as the code generator calls it."""
    return cpu_name()


@cache
def _layers(threads: int) -> Mapping[str, Ratios]:
    """Return the records for so many threads; none where the file is missing or not one of ours."""
    try:
        document: Any = json.loads(file().read_text(encoding="utf-8"))
        if (document["machine"], document["threads"]) != (machine(), threads):
            return {}
        return {
            str(layer): {str(name): float(ratio) for name, ratio in ratios.items()}
            for layer, ratios in document["layers"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
