"""Trained networks do their task, computed by PyTorch and by glassconv.

Each convolution's outputs are judged against the definition in float64, within the bound of the
algorithm that computed them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import glassconv
from glassconv.algorithms import named
from glassconv.networks.load import load
from glassconv.networks.optimize import OptimizedNetwork
from glassconv.problem.operands import Operands
from support import trained
from support.cifar10_batches import published_images

CODE = Path(trained.__file__)
FACES = {"pnet": (1, 3, 60, 40), "rnet": (4, 3, 24, 24), "onet": (4, 3, 48, 48)}  # and their inputs
# The face in Matplotlib's picture of Grace Hopper, by eye: left, top, right, bottom.
FACE = (175, 125, 360, 335)
FOUND = 0.5  # intersection over union: where the field counts an object as found


def face_network(name: str) -> nn.Module:
    """Return a network of facenet-pytorch with its trained weights."""
    weights = trained.folder_of("facenet_pytorch") / "data" / f"{name}.pt"
    return load(f"{CODE}:{name}+{weights}")


def pictures() -> tuple[Tensor, list[int]]:
    """Return 20 pictures [picture, channel, row, column] of CIFAR-10, and what is on them."""
    images, labels = published_images()
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float(), labels


def by_pytorch(network: nn.Module) -> nn.Module:
    return network


def by_glassconv(network: nn.Module) -> nn.Module:
    report = glassconv.nn.swap(network)
    convolutions = sum(isinstance(each, nn.Conv2d) for each in network.modules())
    assert len(report.swapped) == convolutions > 0
    return report.model


def by_plan(network: nn.Module) -> nn.Module:
    return OptimizedNetwork(network, "default")


WAYS = pytest.mark.parametrize("by", [by_pytorch, by_glassconv, by_plan])


@contextmanager
def judged(network: nn.Module) -> Iterator[list[str]]:
    """Judge every convolution of a network as it runs; yield the algorithms that computed them."""
    algorithms: list[str] = []

    def judge(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        operands = Operands(inputs[0], layer.weight, layer.bias).copy()
        problem = glassconv.problem_of(
            inputs[0].shape, layer.weight.shape, layer.weight.shape[:1], layer.stride, layer.padding
        )
        algorithm = glassconv.choose(problem).algorithm
        bound = named(algorithm).error_bound(problem)
        verification = glassconv.judge(problem, algorithm, output.numpy(), operands, bound)
        assert verification.verdict, verification
        algorithms.append(algorithm)

    convolutions = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    hooks = [each.register_forward_hook(judge) for each in convolutions]
    yield algorithms
    for hook in hooks:
        hook.remove()


@WAYS
def test_the_classifier_is_right_on_20_of_20_pictures(by: Callable[[nn.Module], nn.Module]) -> None:
    trained.folder_of("cifar_10_model")
    network = by(load(f"{CODE}:cifar10"))
    x, labels = pictures()
    with torch.no_grad():
        assert network(x).argmax(1).tolist() == labels
    assert not getattr(network, "reasons", ())  # a plan's


def test_the_classifiers_convolutions_are_within_their_bounds() -> None:
    network = by_glassconv(trained.cifar10())
    with judged(network) as algorithms, torch.no_grad():
        network(pictures()[0][:1])
    assert len(algorithms) == 6


@pytest.mark.parametrize("name", FACES)
def test_the_face_networks_convolutions_are_within_their_bounds(name: str) -> None:
    network = by_glassconv(face_network(name))
    with judged(network) as algorithms, torch.no_grad():
        *_, probability = network(torch.randn(FACES[name]))
    assert len(algorithms) == {"pnet": 5, "rnet": 3, "onet": 4}[name]
    torch.testing.assert_close(probability.sum(1), torch.ones_like(probability[:, 0]))


@WAYS
def test_the_face_networks_find_a_face(
    by: Callable[[nn.Module], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = [by(face_network(name)) for name in FACES]
    from facenet_pytorch.models.utils import detect_face

    monkeypatch.setattr(detect_face, "batched_nms", trained.batched_nms)
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    picture = Image.open(str(path)).convert("RGB")
    with torch.no_grad():
        boxes, _ = detect_face.detect_face(picture, 100, *networks, [0.6, 0.7, 0.7], 0.709, "cpu")
    (found,) = boxes[0]  # left, top, right, bottom, probability
    assert found[4] > 0.99
    assert _overlap(found[:4], FACE) > FOUND
    assert not [reason for each in networks for reason in getattr(each, "reasons", ())]


def _overlap(one: np.ndarray, other: tuple[int, ...]) -> float:
    """Return the intersection of two boxes over their union."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    common = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    both = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()
    return float(common / (both - common))
