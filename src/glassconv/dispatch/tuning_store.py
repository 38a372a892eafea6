"""The tuning store: what `glassconv tune` measured on this machine, in a file a person can read.

    {"znver3": {"2": {"1x64x56x56 64@3x3 s1 p1 nchw": {"direct": 0.7}}}}

By processor, number of threads, and problem with its memory layout: how many times as fast as
PyTorch each algorithm was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from glassconv.codegen.cache_folder import cache_folder
from glassconv.errors import DataError
from glassconv.problem.problem import Problem

Ratios = Mapping[str, float]
Layers = Mapping[str, Ratios]


def file() -> Path:
    """Return where the measurements are kept."""
    return cache_folder() / "tuned.json"


def recorded(problem: Problem, layout: str) -> Ratios:
    """Return how many times as fast as PyTorch each algorithm was, empty where none was timed.

    Of this processor with the number of threads that PyTorch uses now.
    """
    threads = _document().get(machine(), {}).get(str(torch.get_num_threads()), {})
    return threads.get(f"{problem} {layout}", {})


def keep(measured: Mapping[tuple[Problem, str], Ratios]) -> Path:
    """Add measurements to the store; return its file. Raises `DataError` if it cannot be written.

    Those of other processors and other numbers of threads stay as they are.
    """
    place = file()
    _document.cache_clear()
    document = {name: dict(threads) for name, threads in _document().items()}
    by_threads = document.setdefault(machine(), {})
    threads = str(torch.get_num_threads())
    added = {f"{problem} {layout}": dict(each) for (problem, layout), each in measured.items()}
    by_threads[threads] = {**by_threads.get(threads, {}), **added}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(document, indent=1), encoding="utf-8")
        unfinished.replace(place)
    except OSError as error:
        raise DataError(f"cannot write the tuning store {place}: {error}") from None
    _document.cache_clear()
    return place


def machine() -> str:
    """Return the processor's name, as the code generator calls it."""
    from glassconv.codegen.target import host_name

    return host_name()


@cache
def _document() -> Mapping[str, Mapping[str, Layers]]:
    """Return the whole store; empty where the file is missing or not one of ours."""
    try:
        document: Any = json.loads(file().read_text(encoding="utf-8"))
        return {
            str(name): {
                str(int(threads)): {
                    str(layer): {str(name): float(ratio) for name, ratio in ratios.items()}
                    for layer, ratios in layers.items()
                }
                for threads, layers in by_threads.items()
            }
            for name, by_threads in document.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
