"""Every suggestion, if followed, gives a valid problem."""

from __future__ import annotations

import ast
import re
from dataclasses import asdict
from typing import Any

import pytest

from glassconv.errors import ConvError, ShorthandError
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import problem_of
from glassconv.problem.shorthand import parse
from glassconv.problem.suggestions import suggest
from glassconv.problem.transposed import transposed_of

REFUSED = {
    "a kernel too large": ([1, 3, 4, 4], [2, 3, 7, 7], {}),
    "a kernel too wide": ([1, 3, 9, 4], [2, 3, 3, 7], {}),
    "too much dilation": ([1, 3, 9, 9], [2, 3, 3, 3], {"dilation": 5}),
    "a stride of nothing": ([1, 3, 9, 9], [2, 3, 3, 3], {"stride": 0}),
    "less than no padding": ([1, 3, 9, 9], [2, 3, 3, 3], {"padding": -2}),
    "groups that leave filters over": ([1, 4, 9], [6, 1, 3], {"groups": 4}),
}


def changed_problems(suggestions: tuple[str, ...], problem: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the problem's fields as each suggestion would have them."""
    changed = []
    for suggestion in suggestions:
        name, _, text = suggestion.partition("=")
        value, before = ast.literal_eval(text), problem[name]
        if isinstance(before, tuple) and isinstance(value, int):
            pairs = isinstance(before[0], tuple)
            value = tuple((value, value) if pairs else value for _ in before)
        changed.append(problem | {name: value})
    return changed


@pytest.mark.parametrize(("input", "weight", "options"), REFUSED.values(), ids=REFUSED)
def test_each_suggestion_is_valid(
    input: list[int], weight: list[int], options: dict[str, int]
) -> None:
    with pytest.raises(ConvError) as caught:
        problem_of(input, weight, **options)  # type: ignore[arg-type]
    suggestions = caught.value.suggestions
    assert 1 <= len(suggestions) <= 3
    assert all(suggestion in str(caught.value) for suggestion in suggestions)
    ndim, groups = len(weight) - 2, options.get("groups", 1)
    fields: dict[str, Any] = asdict(parse("1x9 1@3" if ndim == 1 else "1x9x9 1@3x3"))
    fields |= {"in_channels": input[1], "out_channels": weight[0], "groups": groups}
    fields |= {"input_size": tuple(input[2:]), "kernel_size": tuple(weight[2:])}
    for name in ("stride", "dilation"):
        fields[name] = (options.get(name, 1),) * ndim
    fields["padding"] = ((options.get("padding", 0),) * 2,) * ndim
    with pytest.raises(ConvError):
        ConvProblem(**fields)
    for changed in changed_problems(suggestions, fields):
        ConvProblem(**changed)


def test_the_nearest_come_first_and_every_argument_before_any_again() -> None:
    found = suggest({"a": 10, "b": 10}, lambda new: new["a"] >= 13 or new["b"] <= 8)
    assert found == ("b=8", "a=13", "b=7")


def test_nothing_works_is_said_by_nothing() -> None:
    assert suggest({"a": 1}, lambda _: False) == ()


@pytest.mark.parametrize(
    ("weight", "groups", "suggestions"),
    [
        ([4, 5, 3, 3], 1, ("the input's channels=5", "the weight's channels=4")),
        ([4, 2, 3, 3], 1, ("groups=2", "the input's channels=2", "the weight's channels=4")),
        ([4, 3, 3, 3], 2, ("the weight's channels=2", "the input's channels=6")),
    ],
)
def test_channels_that_disagree_may_change_on_either_side(
    weight: list[int], groups: int, suggestions: tuple[str, ...]
) -> None:
    with pytest.raises(ConvError, match="but the input has 4") as caught:
        problem_of([1, 4, 8, 8], weight, groups=groups)
    assert set(suggestions) == set(caught.value.suggestions)


def test_same_with_a_stride_is_told_the_padding_it_means() -> None:
    with pytest.raises(ConvError, match="keeps the size only with stride 1") as caught:
        problem_of([1, 3, 8, 8], [4, 3, 3, 4], padding="same", stride=2)
    halves, tensorflow = "padding=((1, 1), (1, 2))", "padding=((0, 1), (1, 1))"
    assert caught.value.suggestions == ("stride=1", "padding='valid'", halves, tensorflow)
    assert problem_of(
        [1, 3, 8, 8], [4, 3, 3, 4], padding=((1, 1), (1, 2)), stride=2
    ).output_size == (4, 4)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("3x4x4 2@7x7", ["p2", "3x7x7", "2@4x4"]),
        ("2x3x9x4 2@3x7", ["p2", "2x3x9x7", "2@3x4"]),
        ("64x56x56 64@3x3 g3", ["g2", "g4", "g1"]),
        ("3x8x8 4@3x4 s2 psame", ["s1", "p1x1:2", "p0:1x1", "pvalid"]),
    ],
)
def test_shorthand_lists_them_in_shorthand_under_the_caret(text: str, lines: list[str]) -> None:
    with pytest.raises(ShorthandError) as caught:
        parse(text)
    said = re.findall(r"^  try: (.*)$", str(caught.value), re.MULTILINE)
    assert sorted(said) == sorted(lines)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("32x32x3 4@5x5", "3x32x32"),
        ("8x32x32x3 4@5x5", "8x3x32x32"),
        ("16x1 4@3", "1x16"),
        ("32x32x4 4@3x3 g3", None),  # 4 is no multiple of 3 either
        ("3x2x2 4@5x5", None),  # the last size is not that of an image's channels
        ("2x2x4 4@5x5", None),
    ],
)
def test_channels_written_last_are_recognised(text: str, meant: str | None) -> None:
    with pytest.raises(ShorthandError) as caught:
        parse(text)
    found = re.findall(r"^  did you mean (.*)\? channels come first$", str(caught.value), re.M)
    assert found == ([] if meant is None else [meant])


@pytest.mark.parametrize(
    ("shape", "weight", "call"),
    [
        ([2, 16, 3], [4, 3, 3], "x.permute(0, 2, 1)"),
        ([2, 32, 32, 3], [4, 3, 5, 5], "x.permute(0, 3, 1, 2)"),
        ([32, 32, 3], [4, 3, 5, 5], "x.permute(2, 0, 1)"),
        ([2, 8, 8, 8, 3], [4, 3, 5, 5, 5], "x.permute(0, 4, 1, 2, 3)"),
    ],
)
@pytest.mark.parametrize("transposed", [False, True])
def test_an_array_whose_channels_are_its_last_axis_is_recognised(
    shape: list[int], weight: list[int], call: str, transposed: bool
) -> None:
    of = transposed_of if transposed else problem_of
    weight = [weight[1], weight[0], *weight[2:]] if transposed else weight
    with pytest.raises(ConvError, match="channels come first") as caught:
        of(shape, weight)
    assert call in str(caught.value)
    permuted = [shape[int(axis)] for axis in re.findall(r"\d", call)]
    assert of(permuted, weight).in_channels == 3
