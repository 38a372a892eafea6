"""The numbers that Python and the explorer's page share, written into the page's sources.

    python -m glassconv.explore.constants

writes web/src/constants.json, which the page's bundle includes. The file is committed, and a test
checks that it is what Python writes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from glassconv.algorithms.parts.winograd import LARGEST_TILE
from glassconv.codegen.target import Target
from glassconv.codegen.target import named as target_named
from glassconv.data import photograph
from glassconv.examples.tutorial import tutorial_layer, worked_example
from glassconv.explore.tensors import DTYPES
from glassconv.kernels.gemm_parts.parameters import MAX_K_BLOCK
from glassconv.kernels.microkernel.register_tile import tile_heights
from glassconv.mathematics.cook_toom import good_points
from glassconv.problem.arguments import problem_of
from glassconv.problem.dtypes import FORMATS

FILE = Path(__file__).parents[3] / "web" / "src" / "constants.json"
TARGET_LABELS = {"avx2": "AVX2", "avx512": "AVX-512", "neon": "NEON"}  # the page's default first


def constants() -> dict[str, Any]:
    """Return what the page imports; sizes are in bytes, names are as in JavaScript.

    >>> constants()["targets"][0]["tile"]
    {'rows': 6, 'vectors': 2, 'heights': [6, 4, 2, 1]}
    """
    return {
        "dtypes": {name: _dtype(name) for name in DTYPES},
        "targets": [_target(target_named(name), label) for name, label in TARGET_LABELS.items()],
        "gemmBlocking": {"longestK": MAX_K_BLOCK},
        "winograd": {
            "largestTile": LARGEST_TILE,
            # of n elements there are n − 1 points, and infinity
            "points": [[float(point) for point in good_points(n)] for n in range(LARGEST_TILE)],
        },
        "examples": {"tutorial": _tutorial(), "worked-example": _worked_example()},
    }


def to_json() -> str:
    """Return the file's text, a line for each section."""
    sections = (
        f"  {json.dumps(name)}: {json.dumps(section)}" for name, section in constants().items()
    )
    return "{\n" + ",\n".join(sections) + "\n}\n"


def _dtype(name: str) -> dict[str, float]:
    format = FORMATS[name]
    return {
        "bytes": format.bytes,
        "unitRoundoff": format.unit_roundoff,
        "smallestPositive": format.tiny,
    }


def _target(target: Target, label: str) -> dict[str, Any]:
    rows, vectors = target.tile()
    return {
        "name": target.name,
        "label": label,
        "vectorBytes": target.vector_bytes,
        "registers": target.registers,
        "l1": target.l1,
        "l2": target.l2,
        "tile": {"rows": rows, "vectors": vectors, "heights": tile_heights(rows)},
    }


def _tutorial() -> dict[str, str]:
    layer = tutorial_layer()
    size = photograph.SIDE
    problem = problem_of((1, layer.in_channels, size, size), layer.weight.shape, [1])
    return {"problem": str(problem)}


def _worked_example() -> dict[str, Any]:
    """Return the worked example's problem and its numbers, flat, in memory order."""
    example = worked_example()
    arrays = {"input": example.input, "weight": example.weight, "bias": example.bias}
    numbers = {name: array.astype(int).ravel().tolist() for name, array in arrays.items()}
    return {"problem": str(example.problem), **numbers}


if __name__ == "__main__":
    FILE.write_text(to_json(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
