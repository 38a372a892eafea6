"""The animation: which outputs have a frame, the right cells in each, a small file that loops."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import AxesImage
from matplotlib.text import Text

from glassconv.errors import ShorthandError, UnsupportedError
from glassconv.figures.animations import ANIMATED, animation, slide_of
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import TransposedProblem, parse_transposed
from glassconv.reports.array import Array
from glassconv.views.figures import animation as sliding
from glassconv.views.figures import planes
from glassconv.views.figures.animation_scene import LEGIBLE, Scene, stage
from glassconv.views.figures.slide import (
    INSERTED,
    MOST_CHANNELS,
    MOST_FRAMES,
    PADDING,
    Slide,
    headings,
    legend_of,
    pace,
    shown,
)
from glassconv.views.figures.theme import DARK, LIGHT, Theme
from glassconv.views.notation import number

MOVED = [
    "1x6x6 1@3x3 s2",
    "1x7x7 1@3x3 d2",
    "4x5x5 2@2x3 g2",
    "2x4x6 3@3x2 s1x2 p1:0x2 nobias",
    "1x30x12 1@7x7 s3",
    "1x9 1@3 s2",
]
TRANSPOSED = [
    "1x3x3 1@3x3 s2 p1",
    "2x2x3 3@2x3 s3x2",
    "1x2x2 1@3x3 s2 d2",
    "1x4x4 1@2x2 s2 p3",
    "2x3x4 4@3x2 g2 s2 p1x3",
    "1x6 2@3 s2 nobias",
    "3x5 1@2 s3 p2",
]


def moved(text: str, transposed: bool = False) -> Slide:
    """Return what the gallery animates of a problem."""
    return slide_of(parse_transposed(text) if transposed else parse(text))


def cells_of(slide: Slide, places: range, theme: Theme = DARK) -> tuple[Scene, list[Artist]]:
    """Return a scene and the cells of some outputs, as they appear in it."""
    scene = stage(slide, theme, 2)
    FigureCanvasAgg(scene.figure)
    return scene, list(sliding._appear(scene, places))


@pytest.mark.parametrize("text", MOVED)
def test_there_is_a_frame_for_each_output_and_each_is_another(text: str) -> None:
    problem = parse(text)
    frames = list(animation(problem, DARK))
    assert len(frames) == prod(problem.output_size)
    assert len({frame.size for frame in frames}) == 1
    assert all(one.tobytes() != other.tobytes() for one, other in pairwise(frames))


@pytest.mark.parametrize(("outputs", "across"), [(48, 8), (100, 50), (81, 9), (144, 12), (400, 20)])
def test_frames_left_out_are_few_even_and_said(outputs: int, across: int) -> None:
    places = shown(outputs, across)
    assert places == sorted(set(places))
    assert len(places) <= MOST_FRAMES
    assert (places[0], places[-1]) == (0, outputs - 1)
    slow, step = pace(outputs, across)
    steps = [after - before for before, after in pairwise(places)]
    if outputs > MOST_FRAMES:
        assert set(steps[: slow - 1]) <= {1}
        assert set(steps[slow - 1 : -1]) <= {step}
        assert steps[-1] <= step
    slide = moved(f"1x{outputs // across}x{across} 1@1x1")
    said = " ".join(text for _, text in legend_of(slide, True))
    assert (f"{len(places)} of {outputs} windows have a frame" in said) == (outputs > MOST_FRAMES)
    if outputs == 81:
        assert len(list(sliding.frames(slide, DARK))) == len(places)


@pytest.mark.parametrize(
    ("text", "transposed"),
    [(text, False) for text in [*MOVED, "2x9 3@3 d2 p1:0"]] + [(text, True) for text in TRANSPOSED],
)
def test_every_column_is_what_its_output_reads(text: str, transposed: bool) -> None:
    slide = moved(text, transposed)
    trace, read = slide.trace, np.zeros(slide.kinds.shape, int)
    padded = np.pad(trace.input[0], ((0, 0), *slide.problem.padding))
    channels = slide.problem.weight_shape[1]
    for place in range(slide.output.size):
        window = np.ix_(range(channels), *planes.window(slide.problem, slide.position(place)))
        column = slide.columns[:, place]
        assert (padded[window].ravel() == column).all()
        bias = 0 if trace.bias is None else trace.bias[0]
        assert trace.weight[0].ravel() @ column + bias == slide.output.flat[place]
        assert not column[slide.column_kinds(place) > 0].any()
        read[window[1:]] += 1
    assert {tuple(cell) for cell in slide.unread()} == {
        tuple(cell) for cell in np.argwhere(read == 0)
    }


def test_columns_fill_from_the_left_and_stay() -> None:
    """What appeared does not change, but for the outline that moves on."""
    frames = [np.asarray(frame).astype(int) for frame in animation(parse(ANIMATED), LIGHT)]
    accent = np.array([int(LIGHT.accent[i : i + 2], 16) for i in (1, 3, 5)])
    last = frames[-1]
    filled = [int((np.abs(frame - last).sum(2) > 0).sum()) for frame in frames]
    assert filled == sorted(filled, reverse=True)
    assert filled[-1] == 0
    assert all((np.abs(frame - accent).sum(2) == 0).sum() > 100 for frame in frames)


@pytest.mark.parametrize(
    ("text", "place", "index"),
    [
        ("3x5x5 2@3x3 p1", 7, "0, 1, 2"),
        ("2x7 1@3 nobias", 3, "0, 3"),
        ("1x5x5 1@5x5", 0, "0, 0, 0"),
    ],
)
def test_the_sum_under_it_is_the_outputs(text: str, place: int, index: str) -> None:
    slide = moved(text)
    total, *channels = sliding.lines_of(slide, place)
    assert total.startswith(f"y[{index}] = ")
    assert total.endswith(f" = {number(float(slide.output.flat[place]))}")
    assert ("(bias)" in total) == (slide.trace.bias is not None)
    assert _value(total.split(" = ")[1].replace(" (bias)", "")) == slide.output.flat[place]
    weights = slide.trace.weight[0].reshape(len(channels), -1)
    pixels = slide.columns[:, place].reshape(len(channels), -1)
    for line, read, weight in zip(channels, pixels, weights, strict=True):
        terms, result = line.split(": " if len(channels) > 1 else "w = ")[1].split(" = ")
        assert _value(result) == (read * weight).sum()
        shown = min(9, read.size)
        assert _value(terms.replace(" + …", "")) == (read * weight)[:shown].sum()
        assert ("…" in terms) == (read.size > 9)


def _value(text: str) -> float:
    return float(eval(text.replace("−", "-").replace("·", "*")))


def test_every_channel_is_drawn_with_its_window() -> None:
    slide = moved("3x5x6 4@3x2 p1")
    scene = stage(slide, LIGHT, 4)
    for channel in range(3):
        padded = planes.padded(slide.problem, slide.trace.input[0, channel])
        source = np.asarray(scene.sources[channel].images[0].get_array())
        assert (source == padded).all()
        kernel = np.asarray(scene.kernels[channel].images[0].get_array())
        assert (kernel == slide.trace.weight[0, channel]).all()
    row = np.asarray(scene.weights.images[0].get_array())
    assert (row == slide.trace.weight[0].reshape(1, -1)).all()
    outlined = [patch.axes for patch in sliding._outlines(scene, 8)]
    everything = [*scene.sources, *scene.kernels, scene.weights, scene.matrix]
    assert outlined == [*everything, scene.output, scene.product]


@pytest.mark.parametrize("text", ["12x4x4 2@2x2", "64x3x3 1@1x1"])
def test_channels_that_do_not_fit_are_counted(text: str) -> None:
    slide = moved(text)
    assert len(stage(slide, DARK, 1).sources) == MOST_CHANNELS
    channels = slide.problem.in_channels
    assert f"channels 0 to 7 of {channels}" in headings(slide)["input"]


@pytest.mark.parametrize("text", TRANSPOSED)
def test_a_transposed_one_ends_in_pytorchs_output(text: str) -> None:
    problem, slide = parse_transposed(text), moved(text, transposed=True)
    traced, inserted = slide.trace, slide.inserted_zeros
    assert inserted is not None
    assert (traced.input[0, 0][inserted] == 0).all()
    spread = [slice(None, None, step) for step in (1, 1, *slide_stride(problem))]
    input = torch.from_numpy(traced.input)[tuple(spread)]
    assert (~inserted).sum() == input[0, 0].numel()
    weight = torch.from_numpy(traced.weight).flip(2, 3)
    weight = weight.reshape(problem.groups, -1, *weight.shape[1:]).transpose(1, 2)
    bias = None if traced.bias is None else torch.from_numpy(traced.bias)
    convolve = F.conv_transpose1d if problem.ndim == 1 else F.conv_transpose2d
    expected = convolve(
        input.reshape(problem.input_shape), weight.reshape(problem.weight_shape), bias,
        problem.stride, tuple(before for before, _ in problem.padding), problem.output_padding,
        problem.groups, problem.dilation,
    )  # fmt: skip
    assert slide.size[2 - problem.ndim :] == problem.output_size
    assert (expected[0, 0].numpy() == slide.output).all()


def slide_stride(problem: TransposedProblem) -> tuple[int, ...]:
    return (1, *problem.stride)[-2:]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1x3x3 1@2x2", "stride 1, padding 0: the convolution 1x1x3x3 1@2x2 s1 p1 of its input"),
        (
            "1x6 1@3 s2 p1",
            "stride 2, padding 1: the convolution 1x1x11 1@3 s1 p1 of its "
            "zero-inserted input, drawn as one row",
        ),
        (
            "1x3x3 1@2x3 s3x2 p0x1",
            "stride 3×2, padding 0×1: the convolution 1x1x7x5 1@2x3 s1 p1 of its "
            "zero-inserted input",
        ),
    ],
)
def test_a_transposed_one_says_which_convolution_it_is(text: str, said: str) -> None:
    assert moved(text, transposed=True).subtitle == said


def test_what_is_cut_off_has_no_frame_and_is_said() -> None:
    slide = moved("1x4x4 1@2x2 s2 p3", transposed=True)
    assert slide.size == (2, 2)
    assert slide.columns.shape == (4, 4)
    assert len(list(sliding.frames(slide, DARK))) == 4
    assert headings(slide)["output"] == "2 × 2, cropped from 6 × 6"
    assert len(slide.unread()) == 49 - 9
    assert any(swatch == "unread" for swatch, _ in legend_of(slide, True))
    uncut = moved("1x4x4 1@2x2 s2 p1", transposed=True)
    assert "cut" not in headings(uncut)["output"]


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_padding_inserted_zeros_and_pixels_look_unlike(theme: Theme) -> None:
    """Even where each is a zero: what differs between two cells is not their number."""
    slide = moved("1x3x3 1@3x3 s2 p1", transposed=True)
    assert {swatch for swatch, _ in legend_of(slide, True)} == {"outlined", "padding", "inserted"}
    scene = stage(slide, theme, 2)
    canvas = FigureCanvasAgg(scene.figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)  # type: ignore[no-untyped-call]

    def inked(row: int, column: int) -> tuple[float, Array]:
        """Return how much of a cell is not its commonest colour, and that colour."""
        across, up = scene.sources[0].transData.transform((column, row))
        down, side = picture.shape[0] - round(up), 12
        cell = picture[down - side : down + side, round(across) - side : round(across) + side]
        colours, counts = np.unique(cell.reshape(-1, 3), axis=0, return_counts=True)
        return 1 - counts.max() / counts.sum(), colours[counts.argmax()]

    places = {"pixel": (1, 3), "padding": (0, 0), "inserted": (2, 2)}
    planted = planes.padded(slide.problem, slide.trace.input[0, 0])
    assert all(planted[place] == 0 for place in places.values())
    assert [slide.kinds[place] for place in places.values()] == [0, PADDING, INSERTED]
    ink = {name: inked(*place) for name, place in places.items()}
    assert (ink["pixel"][1] != ink["inserted"][1]).any()
    shares = sorted(share for share, _ in ink.values())
    assert all(after - before > 0.03 for before, after in pairwise(shares))
    dots = [patch for patch in scene.sources[0].patches if patch.get_hatch() == "..."]
    assert len(dots) == slide.inserted_zeros.sum()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "numbered"),
    [
        ("1x5x5 1@3x3 s2 p1", "both"),
        ("4x6x6 3@3x3", "output"),
        ("1x14x14 1@3x3", "neither"),
        ("1x22x22 1@3x3", "neither"),
        ("6x20x20 1@3x3 s3", "neither"),
        ("1x9x10 1@2x2", "output"),
    ],
)
def test_numbers_are_legible_or_left_out(text: str, numbered: str) -> None:
    slide = moved(text)
    scene, artists = cells_of(slide, range(min(9, slide.output.size)))
    texts = [each for each in artists if isinstance(each, Text)]
    axes = {id(each.axes) for each in texts}
    assert (id(scene.matrix) in axes) == (numbered == "both")
    assert (id(scene.output) in axes) == (numbered != "neither")
    legend = [swatch for swatch, _ in legend_of(slide, numbered == "both")]
    assert ("positive" in legend) == (numbered != "both")
    written = " ".join(text.get_text() for text in scene.figure.texts)
    assert ("values do not fit" in written) == (numbered != "both")
    for each in texts:
        assert each.axes is not None
        box, (left, right) = each.get_window_extent(), each.axes.get_xlim()
        across = each.axes.get_window_extent().width / (right - left)
        assert box.width < 0.9 * across
        assert float(each.get_fontsize()) >= LEGIBLE


def test_equal_numbers_have_equal_colours_in_input_and_matrix() -> None:
    """Also where the matrix lacks the input's largest number: no window reads it."""
    slide = moved("1x12 1@3 s2 p1 d2")
    assert slide.columns.max() < slide.trace.input.max()
    scene, artists = cells_of(slide, range(slide.output.size))
    image = next(each for each in artists if isinstance(each, AxesImage))
    assert image.norm.vmax == scene.sources[0].images[0].norm.vmax == 3


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "1x23x23 1@3x3",
            "up to 400 positions and 64 rows of a group's matrix; this has 441 and 9",
        ),
        ("9x5x5 1@3x3", "up to 400 positions and 64 rows of a group's matrix; this has 9 and 81"),
        ("1x99x5 1@9x3 s9", "up to 64 padded pixels per side; this has 99"),
        ("1x9x9x9 1@3x3x3", "one or two spatial axes"),
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
