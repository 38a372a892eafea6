"""Let torchvision from the package index be imported beside a torch for the CPU.

Its compiled part is built for a torch with CUDA and does not load here. Then the schemas of two
operators that it would have declared are missing, and are declared here. A user's torchvision fits
their torch and needs nothing of this.
"""

from __future__ import annotations

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
for schema in SCHEMAS:
    library.define(schema)  # type: ignore[no-untyped-call]
