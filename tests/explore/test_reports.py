"""What the page is told: the problem, its numbers, and PyTorch's own output of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from glassconv.data import Picture, photograph
from glassconv.errors import ArgumentError, ConvError, DtypeError, ShapeError, UnsupportedError
from glassconv.examples.tutorial import walk
from glassconv.explore.reports import SCHEMA, Exploration, of_layer, of_picture, of_problems
from glassconv.explore.tensors import from_document
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import parse_transposed
from glassconv.reports.array import Array


def output_of(layer: nn.Module, input: torch.Tensor) -> Array:
    with torch.no_grad():
        output: Array = layer(input).numpy()
    return output


def test_the_document_is_of_its_schema_and_holds_the_arrays() -> None:
    explored = of_problems([parse("3x8x8 4@3x3 s2 p1")])
    document = json.loads(explored.to_json())
    assert document["schema"] == SCHEMA
    assert document["problem"] == "1x3x8x8 4@3x3 s2 p1"
    assert document["source"] == "whole numbers"
    assert document["inputKind"] == "random"
    assert "layers" not in document
    for name in ("input", "weight", "bias", "output"):
        back = from_document(document[name], name)
        np.testing.assert_array_equal(back, getattr(explored, name))


def test_the_document_tells_images_from_arrays_and_random_numbers() -> None:
    layer = nn.Conv2d(3, 2, 3)
    for explored, kind in (
        (of_picture(photograph.chelsea()), "image"),
        (of_picture(photograph.chelsea(), parse("3x32x32 2@3x3")), "image"),
        (of_layer(layer, torch.zeros(2, 3, 8, 8)), "array"),
        (of_layer(layer, [2, 3, 8, 8]), "random"),
    ):
        assert json.loads(explored.to_json())["inputKind"] == kind, explored.source


@pytest.mark.parametrize("text", ["4x5x6 6@3x3 s2 p1 transposed o1", "4x9 2@4 s3 transposed"])
def test_a_transposed_convolution_is_explored_too(text: str) -> None:
    problem = parse_transposed(text)
    explored = of_problems([problem])
    drawn = problem.as_2d()
    assert json.loads(explored.to_json())["problem"] == str(drawn)
    assert explored.weight is not None and explored.output is not None
    assert explored.weight.shape == drawn.weight_shape
    assert explored.output.shape == drawn.output_shape


def test_a_transposed_layer_is_explored_too() -> None:
    layer, x = nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1), torch.randn(1, 2, 4, 4)
    explored = of_layer(layer, x)
    assert explored.output is not None
    np.testing.assert_array_equal(explored.output, output_of(layer, x))


def test_several_problems_are_a_strip() -> None:
    problems = [parse("3x8x8 4@3x3"), parse("4x6x6 8@1x1 nobias")]
    document = json.loads(of_problems(problems).to_json())
    assert document["layers"] == [
        {"name": "layer 1", "kind": "conv", "text": "1x3x8x8 4@3x3 s1 p0"},
        {"name": "layer 2", "kind": "conv", "text": "1x4x6x6 8@1x1 s1 p0 nobias"},
    ]


def test_numbers_that_would_fill_the_page_are_left_to_it() -> None:
    explored = of_problems([parse("512x112x112 64@3x3 p1")])
    assert (explored.input, explored.output) == (None, None)
    assert len(explored.to_json()) < 1000


def test_without_a_problem_a_picture_is_the_tutorials_input() -> None:
    explored = of_picture(photograph.chelsea())
    facts = walk(photograph.chelsea().pixels, "")
    assert str(explored.problem) == "1x3x32x32 1@5x5 s1 p0"
    for found, expected in (
        (explored.input, facts.layer.input),
        (explored.weight, facts.layer.weight),
        (explored.output, facts.conv2d),
    ):
        assert found is not None
        np.testing.assert_array_equal(found, expected)
    assert "Chelsea" in explored.source


def test_a_picture_becomes_the_input_of_a_problem() -> None:
    pixels = np.full((6, 5, 3), 255, np.uint8)
    grey = of_picture(Picture(pixels, "white"), parse("1x6x5 2@3x3 float64"))
    assert grey.input is not None
    assert grey.input.shape == (1, 1, 6, 5)
    assert grey.input.dtype == np.float64
    assert np.all(grey.input == 1)


@pytest.mark.parametrize("text", ["4x8x8 2@3x3", "3x8 2@3", "3x4x4x4 2@2x2x2"])
def test_what_is_no_picture_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="an image has two axes and 3 channels, or 1 in grey"):
        of_picture(photograph.chelsea(), parse(text))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(4, 6, 3, 2, 1, groups=2), nn.Conv2d(4, 2, (3, 2), padding="same", bias=False)],
)
def test_a_layer_is_shown_on_its_input(layer: nn.Module, dtype: torch.dtype) -> None:
    layer, input = layer.to(dtype), torch.randn(1, 4, 7, 6, dtype=dtype)
    explored = of_layer(layer, input)
    assert explored.source == ""
    for found, expected in ((explored.input, input), (explored.output, output_of(layer, input))):
        assert found is not None
        np.testing.assert_array_equal(found, expected)
    assert (explored.bias is None) == (layer.bias is None)


@pytest.mark.parametrize("as_numpy", [False, True])
def test_of_a_batch_the_first_image_is_shown(as_numpy: bool) -> None:
    batch = torch.randn(5, 3, 8, 8)
    explored = of_layer(nn.Conv2d(3, 2, 3), batch.numpy() if as_numpy else batch)
    assert explored.source == "image 1 of 5"
    assert explored.problem.batch == 1
    assert explored.input is not None
    np.testing.assert_array_equal(explored.input, batch[:1])


def test_an_image_needs_no_batch_axis_and_a_shape_no_numbers() -> None:
    layer = nn.Conv2d(3, 2, 3)
    assert of_layer(layer, torch.zeros(3, 8, 8)).problem.batch == 1
    assert of_layer(layer, [3, 8, 8]).source == "random numbers"


def test_a_sequence_is_a_picture_of_one_row() -> None:
    layer, input = nn.Conv1d(3, 2, 4, stride=2, padding=1, dilation=2), torch.randn(1, 3, 20)
    explored = of_layer(layer, input)
    assert str(explored.problem) == "1x3x1x20 2@1x4 s1x2 p0x1 d1x2"
    assert explored.output is not None
    np.testing.assert_array_equal(explored.output[:, :, 0], output_of(layer, input))


def test_the_layer_is_left_as_it_was() -> None:
    layer = nn.Conv2d(1, 1, 1)
    explored = of_layer(layer, torch.ones(1, 1, 2, 2))
    assert explored.weight is not None
    explored.weight[:] = 7
    assert layer.weight.item() != 7
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    ("layer", "shape", "kind", "cause"),
    [
        (nn.Conv2d(3, 1, 3), [0, 3, 8, 8], ArgumentError, "no image in an empty batch"),
        (nn.Conv3d(1, 1, 2), [1, 1, 4, 4, 4], UnsupportedError, "not of three"),
        (nn.Conv2d(3, 1, 3).half(), [1, 3, 8, 8], DtypeError, "not in float16"),
        (nn.Conv2d(64, 64, 3), [1, 64, 512, 512], ArgumentError, "134 MB, and a page holds up"),
        (nn.Conv2d(3, 1, 3), [1, 4, 8, 8], ShapeError, "reads 3 channels"),
        (nn.Linear(3, 1), [1, 3], UnsupportedError, "only the layers nn.Conv1d"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_layer(
    layer: nn.Module, shape: list[int], kind: type[ConvError], cause: str
) -> None:
    with pytest.raises(kind, match=cause):
        of_layer(layer, shape)


def test_an_exploration_without_numbers_is_a_problem() -> None:
    document = json.loads(Exploration(parse("3x8x8 4@3x3")).to_json())
    assert document.pop("gradients")
    assert document == {"schema": SCHEMA, "problem": "1x3x8x8 4@3x3 s1 p0"}


def test_what_computes_the_gradients_is_in_the_document() -> None:
    document = json.loads(of_problems([parse("64x56x56 64@3x3 p1")]).to_json())
    gradients = document["gradients"]
    assert set(gradients) == {"input", "weight"}
    for each in gradients.values():
        assert set(each) == {"kernel", "reason", "seconds", "pytorchSeconds"}
    assert gradients["weight"]["kernel"] == "winograd"
