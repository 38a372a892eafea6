"""The tutorial's own figures, on the tutorial's own pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from glassconv.data import cifar10, photograph
from glassconv.examples.tutorial import CS231N, normalise, tutorial_layer, walk, worked_example
from glassconv.problem.operands import to_numpy
from glassconv.reports.worked_example import Tutorial
from support.cifar10_batches import write_published_images

# m.weight as the tutorial prints it, to four decimals.
WEIGHT = """
    -0.0445  0.0310 -0.0023  0.0916 -0.0102    0.0306 -0.0349 -0.0227 -0.1103 -0.0765
    -0.0476  0.0043  0.0456  0.0693 -0.0783   -0.0503  0.0419  0.0959 -0.0238  0.0864
    -0.0186  0.0122  0.1046 -0.1071 -0.0727
    -0.0292 -0.0450  0.0998 -0.0748 -0.0532   -0.0807 -0.1081 -0.0674  0.0993  0.0515
     0.0560  0.0061 -0.0592  0.0195 -0.1078   -0.0834 -0.0595  0.0729  0.0677 -0.0512
    -0.0042  0.0739  0.1148  0.0458  0.0156
     0.0774 -0.0680  0.0215 -0.0895 -0.0800   -0.0596  0.0522  0.0464 -0.0684  0.0349
     0.0634 -0.0146  0.0044  0.0268  0.0716    0.1109 -0.0890 -0.0423  0.0454  0.0957
     0.1005  0.1019  0.0230 -0.1004  0.0106
"""
PRINTED = 1.4901e-07  # (Conv2d_output - im2col_output).abs().max()


@pytest.fixture(scope="module")
def facts() -> Tutorial:
    chelsea = photograph.chelsea()
    return walk(chelsea.pixels, chelsea.source)


def cifar10_facts(folder: Path, index: int) -> Tutorial:
    write_published_images(folder)
    picture = cifar10.read(folder, index)
    return walk(picture.pixels, picture.source)


def test_all_75_weights_are_the_tutorials() -> None:
    weights = to_numpy(tutorial_layer().weight).ravel()
    assert [f"{weight:.4f}" for weight in weights] == WEIGHT.split()


def test_the_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    walk(np.zeros((32, 32, 3), np.uint8), "black")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_shapes_are_the_tutorials(facts: Tutorial) -> None:
    layer = facts.layer
    shapes = [layer.weight.shape, layer["columns"].shape, layer["product"].shape]
    assert shapes == [(1, 3, 5, 5), (1, 75, 784), (1, 1, 784)]
    assert layer.output.shape == facts.conv2d.shape == (1, 1, 28, 28)


def test_the_steps_are_the_tutorials_own_lines(facts: Tutorial) -> None:
    layer = tutorial_layer()
    input = normalise(facts.picture)
    unfolded = F.unfold(input, (5, 5))
    with torch.no_grad():
        product = unfolded.transpose(1, 2).matmul(layer.weight.view(1, -1).t()).transpose(1, 2)
        assert np.array_equal(facts.conv2d, to_numpy(layer(input)))
    assert np.array_equal(facts.layer["columns"], to_numpy(unfolded))
    assert np.array_equal(facts.layer["rows"][0], to_numpy(layer.weight.view(1, -1)))
    assert facts.layer["product"].shape == product.shape


def test_normalise_is_that_of_the_tutorial() -> None:
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    normalised = normalise(pixels)
    assert normalised.shape == (1, 3, 16, 16)
    assert (float(normalised.min()), float(normalised.max())) == (-1, 1)
    expected = (torch.arange(256).float() / 255 - 0.5) / 0.5
    assert torch.equal(normalised[0, 1].flatten(), expected)


def test_everything_agrees_within_its_bound(facts: Tutorial) -> None:
    assert facts.difference.verdict
    assert [check.candidate for check in facts.checks] == ["nn.Conv2d", "im2col"]
    assert all(check.verdict for check in facts.checks)
    assert facts.checks[0].formula.startswith("76·u, ")


@pytest.mark.parametrize(("index", "name"), [(0, "cat"), (10, "plane")])
def test_on_cifar10_the_difference_is_of_the_tutorials_size(
    tmp_path: Path, index: int, name: str
) -> None:
    facts = cifar10_facts(tmp_path, index)
    assert facts.source.endswith(name)
    assert facts.difference.verdict
    assert PRINTED / 4 <= facts.difference.maximum <= PRINTED * 4  # some roundings, up or down


def test_four_filters_are_one_product(facts: Tutorial) -> None:
    four = facts.four_filters
    assert (four["rows"].shape, four["columns"].shape) == ((1, 4, 75), (1, 75, 784))
    assert four.problem.macs == 4 * 75 * 784
    assert four.problem.copies().max() == 25
    assert four.problem.copies().min() == 1


def test_the_worked_example_is_small_whole_numbers_summed() -> None:
    worked = worked_example()
    assert worked.problem == CS231N
    assert worked.output.shape == (2, 3, 3)
    for array in (worked.input, worked.weight, worked.bias, worked.output):
        assert np.array_equal(array, array.round())
        assert np.abs(array).max() < 10
    products = [x * w for x, w in zip(worked.window.flat, worked.filter.flat, strict=True)]
    assert len(products) == 27
    assert sum(products) + worked.bias[0] == worked.value == 2
    assert sum(worked.channel_sums) == sum(products)
