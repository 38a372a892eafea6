r"""Problems in shorthand, as people write them on a whiteboard: `3x32x32 4@5x5 s1 p0`.

    [batch x] in_channels x sizes   out_channels @ kernel sizes   options

    s2  s2x1         stride          g4        groups
    p1  p1x0  p0:1   padding         nobias    without a bias (a layer has one by default)
    psame  pvalid    padding         float64   element type; float32 by default
    d2  d2x1         dilation  transposed  a transposed convolution
    o1  o1x0         its output padding

As many kernel sizes as there are spatial axes; a further number in front of the input is the batch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from glassconv.errors import ArgumentError, ConvError, ShorthandError
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import problem_of
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.size_text import by_x, once, sides
from glassconv.problem.suggestions import suggest

EXAMPLE = "3x32x32 4@5x5 s1 p0"

_SIZES = re.compile(r"\d{1,19}(x\d{1,19})*", re.ASCII)
_FILTERS = re.compile(r"(\d{1,19})@(\d{1,19}(?:x\d{1,19})*)", re.ASCII)
_OPTION = re.compile(
    r"([spdgo])(same|valid|\d{1,19}(?::\d{1,19})?(?:x\d{1,19}(?::\d{1,19})?)*)", re.ASCII
)
_NAMES = {"s": "stride", "p": "padding", "d": "dilation", "g": "groups", "o": "output_padding"}
_LETTERS = {name: letter for letter, name in _NAMES.items()}
_IMAGE_CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency


def parse(text: str) -> ConvProblem:
    """Return the problem that a shorthand describes.

    Raises `ShorthandError` with a caret under what is wrong. `str(problem)` writes the shorthand
    back.

    >>> print(parse("64x56x56 64@3x3 p1").gemm)
    Gemm(groups=1, m=64, n=3136, k=576)
    >>> parse("3x32x32 4@5y5")
    Traceback (most recent call last):
    glassconv.errors.ShorthandError: filters are written OUT@KxK, such as 4@5x5
      3x32x32 4@5y5
              ^^^^^
    """
    written = read(text)
    if written.transposed:
        cause = "this is a transposed convolution: read it with parse_transposed"
        _refuse(written.text, written.places["transposed"], cause)
    if "output_padding" in written.places:
        cause = "only a transposed convolution has an output_padding: add the word transposed"
        _refuse(written.text, written.places["output_padding"], cause)
    in_channels, groups = written.in_channels, written.options.get("groups", 1)
    if groups == 0 or in_channels % groups:
        cause = f"groups must divide in_channels, but {in_channels} is not a multiple of {groups}"
        channels = {"in_channels": in_channels, "groups": groups}
        suggestions = suggest(channels, partial(_groups_divide, written.out_channels))
        written.refuse(ArgumentError(cause, suggestions=suggestions), _channels_first(written))
    weight_shape = [written.out_channels, in_channels // groups, *written.kernel_size]
    try:
        return problem_of(written.input_shape, weight_shape, written.bias_shape, **written.options)
    except ConvError as error:
        written.refuse(error, _channels_first(written))


def split(text: str) -> list[str]:
    """Take several problems apart: each begins with its input, the only word of plain sizes.

    >>> split("3x32x32 4@5x5 4x28x28 8@3x3 s2")
    ['3x32x32 4@5x5', '4x28x28 8@3x3 s2']
    """
    problems: list[list[str]] = []
    for word in text.replace("×", "x").split():
        if _SIZES.fullmatch(word) or not problems:
            problems.append([])
        problems[-1].append(word)
    return [" ".join(words) for words in problems]


@dataclass(frozen=True)
class Written:
    """A shorthand taken apart, and where each argument stands in it."""

    text: str
    input_shape: list[int]
    out_channels: int
    kernel_size: list[int]
    bias: bool
    transposed: bool
    options: dict[str, Any]  # stride, padding, … and dtype, as far as the text has them
    places: dict[str, re.Match[str]]

    @property
    def in_channels(self) -> int:
        """Return the number before the sizes."""
        return self.input_shape[-len(self.kernel_size) - 1]

    @property
    def bias_shape(self) -> list[int] | None:
        """Return [out_channels], or None without a bias."""
        return [self.out_channels] if self.bias else None

    def refuse(self, error: ConvError, instead: str = "") -> NoReturn:
        """Raise a refusal again, with a caret under the word that it names.

        Its suggestions are written in shorthand. instead: what may have been meant.
        """
        words = re.findall(r"\w+", error.cause)
        named = (self.places[word] for word in words if word in self.places)
        suggestions = tuple(map(self._in_shorthand, error.suggestions))
        _refuse(self.text, next(named, None), error.cause, suggestions, instead)

    def _in_shorthand(self, suggestion: str) -> str:
        """Write a suggestion "name=value" as the word of a shorthand that has this value."""
        name, _, text = suggestion.partition("=")
        value = ast.literal_eval(text)
        axes = len(self.kernel_size)
        if name == "out_channels":
            return f"{value}@{by_x(self.kernel_size)}"
        if name == "kernel_size":
            return f"{self.out_channels}@{by_x(_each(value, axes))}"
        if name == "in_channels":
            return by_x([*self.input_shape[: -axes - 1], value, *self.input_shape[-axes:]])
        if name == "input_size":
            return by_x([*self.input_shape[:-axes], *_each(value, axes)])
        return _LETTERS[name] + _value(value)


def read(text: str) -> Written:
    """Take a shorthand apart; raises `ShorthandError` where it is not one."""
    text = " ".join(text.replace("×", "x").split())
    words = list(re.finditer(r"\S+", text))
    if len(words) < 2:
        _refuse(text, None, f"a problem needs an input and filters, such as {EXAMPLE}")
    input_word, filter_word, *option_words = words
    if not _SIZES.fullmatch(input_word[0]):
        _refuse(text, input_word, "an input is written CxHxW, such as 3x32x32")
    filters = _FILTERS.fullmatch(filter_word[0])
    if filters is None:
        _refuse(text, filter_word, "filters are written OUT@KxK, such as 4@5x5")
    input_shape = _by_x(input_word[0])
    out_channels, kernel_size = int(filters[1]), _by_x(filters[2])
    axes = len(kernel_size)
    if len(input_shape) - axes not in (1, 2):
        cause = f"{axes} kernel sizes need {axes + 1} input sizes, or {axes + 2} with the batch"
        _refuse(text, input_word, cause)

    places = dict.fromkeys(("input", "input_size", "in_channels"), input_word)
    places |= dict.fromkeys(("weight", "kernel", "kernel_size", "out_channels"), filter_word)
    options: dict[str, Any] = {}
    for word in option_words:
        name, value = _option(text, word)
        if name in options:
            _refuse(text, word, f"{name} is given twice")
        options[name], places[name] = value, word
    bias, transposed = options.pop("bias", True), options.pop("transposed", False)
    return Written(text, input_shape, out_channels, kernel_size, bias, transposed, options, places)


def _option(text: str, word: re.Match[str]) -> tuple[str, Any]:
    """Return the argument an option word stands for, and its value."""
    if word[0] == "nobias":
        return "bias", False
    if word[0] == "transposed":
        return "transposed", True
    if word[0] in FORMATS:
        return "dtype", word[0]
    match = _OPTION.fullmatch(word[0])
    if match is None:
        types = ", ".join(FORMATS)
        options = "s, p, d, g or o with a number, nobias, transposed"
        _refuse(text, word, f"options are {options}, or one of {types}")
    name, value = _NAMES[match[1]], match[2]
    if name == "padding":
        return name, value if value in ("same", "valid") else _sides(value)
    if not re.fullmatch(_SIZES, value):
        _refuse(text, word, f"{name} takes numbers, such as {match[1]}2 or {match[1]}2x1")
    if name == "groups":
        if "x" in value:
            _refuse(text, word, "groups is one number")
        return name, int(value)
    return name, _by_x(value)


def _sides(value: str) -> list[tuple[int, int]]:
    """Read '1' as (1, 1) and '0:1' as (0, 1), per axis."""
    pairs = [side.split(":") for side in value.split("x")]
    return [(int(pair[0]), int(pair[-1])) for pair in pairs]


def _by_x(value: str) -> list[int]:
    return [int(size) for size in value.split("x")]


def _each(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """Return one size per axis, where equal ones are given once."""
    return (value,) * axes if isinstance(value, int) else value


def _value(value: int | str | tuple[Any, ...]) -> str:
    """Write an option's value: 2, valid, 2x1 or 1x0:1.

    >>> _value((2, 1)), _value(((1, 1), (0, 1)))
    ('2x1', '1x0:1')
    """
    if not isinstance(value, tuple):
        return str(value)
    return sides(value) if isinstance(value[0], tuple) else once(value)


def _channels_first(written: Written) -> str:
    """Return what is meant where the channels seem to be written last: 32x32x3 for 3x32x32."""
    axes = len(written.kernel_size)
    batch, (*sizes, channels) = written.input_shape[: -axes - 1], written.input_shape[-axes - 1 :]
    if channels not in _IMAGE_CHANNELS or min(sizes) < channels:
        return ""
    input = by_x([*batch, channels, *sizes])
    meant = written.text.replace(written.places["input"][0], input, 1)
    if meant == written.text:
        return ""
    try:
        parse(meant)
    except ConvError:
        return ""
    return f"{input}? channels come first"


def _groups_divide(out_channels: int, channels: Mapping[str, Any]) -> bool:
    in_channels, groups = channels.values()
    return bool(
        groups > 0 and in_channels > 0 and in_channels % groups == out_channels % groups == 0
    )


def _refuse(
    text: str,
    word: re.Match[str] | None,
    cause: str,
    suggestions: tuple[str, ...] = (),
    instead: str = "",
) -> NoReturn:
    start, end = word.span() if word else (0, max(len(text), 1))
    marked = f"{cause}\n  {text}\n  {' ' * start}{'^' * (end - start)}"
    hints = f"\n  did you mean {instead}" if instead else ""
    hints += "".join(f"\n  try: {suggestion}" for suggestion in suggestions)
    raise ShorthandError(marked + hints) from None
