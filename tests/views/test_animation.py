"""The animation: a frame for each output, the right cells in each, and a file that loops."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from glassconv.errors import ShorthandError, UnsupportedError
from glassconv.gallery import ANIMATED, animation, transposed_animation
from glassconv.problem import ConvProblem
from glassconv.sample_operands import whole_numbers
from glassconv.shorthand import parse
from glassconv.trace import trace
from glassconv.transposed import parse_transposed
from glassconv.views.figures import animation as sliding
from glassconv.views.figures.style import DARK, LIGHT

MOVED = [
    "1x6x6 1@3x3 s2",
    "1x7x7 1@3x3 d2",
    "4x5x5 2@2x3 g2",
    "2x4x6 3@3x2 s1x2 p1:0x2 nobias",
    "1x30x12 1@7x7 s3",
]


def content(problem: ConvProblem, format: str) -> bytes:
    return sliding.to_bytes(list(animation(problem, DARK)), format)


@pytest.mark.parametrize("text", MOVED)
def test_there_is_a_frame_for_each_output_and_each_is_another(text: str) -> None:
    problem = parse(text)
    frames = list(animation(problem, DARK))
    assert len(frames) == problem.output_size[0] * problem.output_size[1]
    assert len({frame.size for frame in frames}) == 1
    assert all(one.tobytes() != other.tobytes() for one, other in pairwise(frames))


def test_columns_fill_from_the_left_and_stay() -> None:
    """What appeared does not change, but for the outline that moves on."""
    frames = [np.asarray(frame).astype(int) for frame in animation(parse(ANIMATED), LIGHT)]
    accent = np.array([int(LIGHT.accent[i : i + 2], 16) for i in (1, 3, 5)])
    last = frames[-1]
    filled = [int((np.abs(frame - last).sum(2) > 0).sum()) for frame in frames]
    assert filled == sorted(filled, reverse=True)
    assert filled[-1] == 0
    assert all((np.abs(frame - accent).sum(2) == 0).sum() > 100 for frame in frames)


def test_the_sum_beneath_is_the_outputs() -> None:
    problem = parse("3x5x5 2@3x3 p1")
    traced = trace(problem, "im2col", whole_numbers(problem))
    scene = sliding._scene(traced, DARK, None)
    column = traced["columns"][0][:, 7]
    first, _ = sliding._sum(scene, traced, (1, 2), column, DARK)
    value = float(traced.output[0, 0, 1, 2])
    assert first.get_text().startswith("y[0, 1, 2] = ")  # type: ignore[attr-defined]
    assert first.get_text().endswith(f"= {value:.0f}".replace("-", "−"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("format", sliding.FORMATS)
def test_the_file_moves_and_loops_and_is_the_same_each_time(format: str) -> None:
    problem = parse(ANIMATED)
    made = content(problem, format)
    assert made == content(problem, format)
    image = Image.open(io.BytesIO(made))
    assert getattr(image, "n_frames", 1) == 9
    assert image.info["loop"] == 0
    assert len(made) < 1_000_000
    times = []
    for number in range(9):
        image.seek(number)
        times.append(image.info["duration"])
    assert times == [sliding.MILLISECONDS] * 8 + [sliding.LAST_MILLISECONDS]


@pytest.mark.parametrize("text", ["1x3x3 1@3x3 s2 p1", "2x2x3 3@2x3 s3x2", "1x2x2 1@3x3 s2 d2"])
def test_a_transposed_one_ends_in_pytorchs_output(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    problem = parse_transposed(text)
    seen = []
    frames = sliding.frames

    def watched(*arguments: object) -> object:
        seen.append(arguments)
        return frames(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sliding, "frames", watched)
    drawn = list(transposed_animation(problem, DARK))
    assert len(drawn) == problem.output_size[0] * problem.output_size[1]
    traced, _, stuffing = seen[0]
    down, across = problem.stride
    input = torch.from_numpy(traced.input)[:, :, ::down, ::across]  # type: ignore[attr-defined]
    assert (traced.input[0, 0][stuffing] == 0).all()  # type: ignore[attr-defined]
    weight = torch.from_numpy(traced.weight).flip(2, 3)  # type: ignore[attr-defined]
    weight = weight.reshape(problem.groups, -1, *weight.shape[1:]).transpose(1, 2)
    weight = weight.reshape(problem.weight_shape)
    bias = torch.from_numpy(traced.bias)  # type: ignore[attr-defined]
    padding = tuple(before for before, _ in problem.padding)
    expected = F.conv_transpose2d(
        input, weight, bias, problem.stride, padding, problem.output_padding, problem.groups,
        problem.dilation,
    )  # fmt: skip
    assert (expected.numpy() == traced.output).all()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "1x20x20 1@3x3",
            "up to 144 positions and 64 rows of a group's matrix; this has 324 and 9",
        ),
        ("9x5x5 1@3x3", "up to 144 positions and 64 rows of a group's matrix; this has 9 and 81"),
        ("1x99x5 1@9x3 s9", "up to 64 padded pixels a side; this has 99"),
        ("1x9 1@3", "two spatial axes"),
        ("0x1x9x9 1@3x3", "a batch that is not empty"),
    ],
)
def test_what_would_move_too_long_is_refused(text: str, cause: str) -> None:
    with pytest.raises(UnsupportedError, match=cause) as caught:
        next(iter(animation(parse(text), DARK)))
    assert str(parse(text)) in str(caught.value)


def test_a_transposed_problem_that_cannot_be_is_pointed_at() -> None:
    with pytest.raises(ShorthandError, match="cuts off more than") as caught:
        parse_transposed("1x2x2 1@3x3 p4")
    assert "^" in str(caught.value)
