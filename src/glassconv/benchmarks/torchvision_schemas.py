"""Let torchvision from the package index be imported beside a torch for the CPU.

Its compiled part is built for a torch with CUDA and does not load there. Then the schemas of two
operators that it would have declared are missing, and are declared here. A torchvision that fits
its torch, as a user's does, declares them itself and needs nothing of this.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def declare() -> torch.library.Library | None:
    """Declare what is missing, before torchvision is imported; return it, for it to last."""
    if _build("torchvision") == _build("torch"):
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    if not torch._C._jit_get_schemas_for_operator("torchvision::nms"):
        for schema in SCHEMAS:
            library.define(schema)  # type: ignore[no-untyped-call]
    return library


def _build(package: str) -> str | None:
    """Return what a package is built for, such as "cpu", or None if it is not installed."""
    try:
        return version(package).partition("+")[2]
    except PackageNotFoundError:
        return None
