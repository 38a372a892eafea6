"""NonMaxSuppression: of boxes that overlap, the one with the highest score."""

from __future__ import annotations

import torch
from torch import Tensor

from glassconv.networks.onnx.node import Call, Node, call


def non_max_suppression(node: Node) -> Call:
    """Return a function."""
    return call(selected_boxes, *node.values, centred=node.get("center_point_box", 0) == 1)


def selected_boxes(
    boxes: Tensor,
    scores: Tensor,
    most: Tensor | None = None,
    overlap: Tensor | None = None,
    least_score: Tensor | None = None,
    *,
    centred: bool,
) -> Tensor:
    """Return [selected, 3]: image, class and box, for each class in the order of scores.

    boxes: [images, boxes, 4]. scores: [images, classes, boxes]. most: for each class. overlap: of
    two boxes whose intersection over union is above it, one is dropped. centred: whether a box is
    centre and size instead of two corners.
    """
    number = 0 if most is None else int(most)
    limit = 0.0 if overlap is None else float(overlap)
    corners = _corners(boxes, centred)
    found: list[tuple[int, int, int]] = []
    for image, of_classes in enumerate(scores):
        for label, of_boxes in enumerate(of_classes):
            kept: list[int] = []
            for box in of_boxes.argsort(descending=True, stable=True).tolist():
                if len(kept) >= number or (
                    least_score is not None and of_boxes[box] <= least_score
                ):
                    break
                if not (_overlaps(corners[image, box], corners[image, kept]) > limit).any():
                    kept.append(box)
            found.extend((image, label, box) for box in kept)
    return torch.tensor(found, dtype=torch.int64, device=boxes.device).reshape(-1, 3)


def _corners(boxes: Tensor, centred: bool) -> Tensor:
    """Return the lower and the upper corner of each box."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if centred:
        return torch.cat([first - second / 2, first + second / 2], -1)
    return torch.cat([torch.minimum(first, second), torch.maximum(first, second)], -1)


def _overlaps(box: Tensor, others: Tensor) -> Tensor:
    """Return intersection over union of a box with others; 0 where there is no area."""
    low, high = torch.maximum(box[:2], others[:, :2]), torch.minimum(box[2:], others[:, 2:])
    intersection = (high - low).clamp(min=0).prod(-1)
    union = _area(box) + _area(others) - intersection
    return torch.where(intersection > 0, intersection / union, 0)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


CONVERTERS = {"NonMaxSuppression": non_max_suppression}
