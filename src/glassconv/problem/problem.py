"""Problem: a convolution or a transposed convolution, from a call's arguments or from shorthand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from glassconv.errors import ArgumentTypeError, UnsupportedError
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import Padding, Size, problem_of, settled, settled_name
from glassconv.problem.conv_problem import LARGEST_STEP, LARGEST_USUAL_STRIDE
from glassconv.problem.shorthand import EXAMPLE, parse, read
from glassconv.problem.transposed import TransposedProblem, parse_transposed, transposed_of

Problem = ConvProblem | TransposedProblem


def parse_problem(text: str) -> Problem:
    """Return the problem that a shorthand describes; the word `transposed` says of which kind.

    Raises `ShorthandError` as `parse` does.

    >>> type(parse_problem("8x4x4 3@2x2 s2 transposed")).__name__
    'TransposedProblem'
    """
    return parse_transposed(text) if read(text).transposed else parse(text)


def as_problem(problem: str | Problem) -> Problem:
    """Return a problem, read from shorthand where it is a text.

    Raises `ShorthandError` as `parse` does, `ArgumentTypeError` for what is neither.

    >>> as_problem("3x32x32 4@5x5") == parse("3x32x32 4@5x5") == as_problem(parse("3x32x32 4@5x5"))
    True
    """
    if isinstance(problem, str):
        return parse_problem(problem)
    if isinstance(problem, ConvProblem | TransposedProblem):
        return problem
    raise ArgumentTypeError(
        f"a problem is a ConvProblem, a TransposedProblem or a text such as {EXAMPLE!r}, "
        f"not a {type(problem).__name__}"
    )


def as_convolution(problem: str | Problem, function: str) -> ConvProblem:
    """Return a problem as `as_problem` does. function: what takes no transposed convolution.

    Raises `UnsupportedError` for a transposed convolution.
    """
    found = as_problem(problem)
    if isinstance(found, ConvProblem):
        return found
    cause = f"{function} takes a convolution, and this is a transposed one"
    raise UnsupportedError(cause, request=str(found))


def equal_convolution(problem: Problem) -> ConvProblem:
    """Return the convolution that computes a problem: itself, or that of a transposed one."""
    return problem if isinstance(problem, ConvProblem) else problem.convolution


class Arguments(NamedTuple):
    """The arguments of a call beside its arrays, hashable once `settled`."""

    ndim: int
    transposed: bool
    stride: Size
    padding: Padding
    dilation: Size
    groups: int
    output_padding: Size  # 0 unless transposed
    algorithm: str
    accuracy: str
    activation: str | None

    @property
    def function(self) -> str:
        """Return the name of the function that was called."""
        return f"conv_transpose{self.ndim}d" if self.transposed else f"conv{self.ndim}d"

    def is_settled(self) -> bool:
        """Return whether every size is an int or a tuple of ints, or a string; and names strings.

        Nothing else may be looked up: True and 1.0 are equal to 1, and a tensor's value changes.
        """
        sizes: tuple[Any, ...] = self[2:7]
        if type(self[7]) is not str or type(self[8]) is not str:
            return False
        if self[9] is not None and type(self[9]) is not str:
            return False
        for value in sizes:
            kind = type(value)
            if kind is int or (kind is str and not self.transposed):
                continue
            if kind is not tuple:
                return False
            for entry in value:
                if type(entry) is not int:
                    return False
        return True

    def with_tuples(self) -> Arguments:
        """Return the arguments with lists as tuples, so that they can be looked up."""
        arguments: list[Any] = [tuple(each) if type(each) is list else each for each in self]
        return Arguments(*arguments)

    def is_ordinary(self) -> bool:
        """Return whether every size is in the range where PyTorch's own checks can be relied on.

        PyTorch 2.13 accepts a stride of 0 on the meta device, and a dilation of 2⁶² anywhere; its
        gradients crash on strides far larger than the input.
        """
        return (
            _is_ordinary(self.stride, 1, LARGEST_USUAL_STRIDE)
            and all(_is_ordinary(size, 1) for size in (self.dilation, self.groups))
            and all(_is_ordinary(size, 0) for size in (self.padding, self.output_padding))
        )

    def reachable(
        self,
        input_shape: Sequence[int],
        weight_shape: Sequence[int],
        bias_shape: Sequence[int] | None = None,
    ) -> Arguments:
        """Return the arguments with strides that every implementation can address.

        Raises what `problem` raises.
        """
        problem = self.problem(input_shape, weight_shape, bias_shape)
        return self._replace(stride=problem.with_reachable_stride().stride)

    def settled(self) -> Arguments:
        """Return the same arguments with lists as tuples, whole numbers as ints, texts as strings.

        Raises `ArgumentTypeError` for what is not a whole number, or not a name.
        """
        if self.transposed and isinstance(self.padding, str):
            raise ArgumentTypeError(
                f"a transposed convolution takes its padding as numbers, got {self.padding!r}"
            )
        return Arguments(
            self.ndim,
            self.transposed,
            settled("stride", self.stride),
            settled("padding", self.padding),
            settled("dilation", self.dilation),
            settled("groups", self.groups),
            settled("output_padding", self.output_padding),
            settled_name("algorithm", self.algorithm),
            settled_name("accuracy", self.accuracy),
            None if self.activation is None else settled_name("activation", self.activation),
        )

    def problem(
        self,
        input_shape: Sequence[int],
        weight_shape: Sequence[int],
        bias_shape: Sequence[int] | None = None,
        dtype: str = "float32",
    ) -> Problem:
        """Return the problem of a call with arrays of these shapes.

        Raises what `problem_of` and `transposed_of` raise.
        """
        steps: dict[str, Any] = {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "dtype": dtype,
        }
        if not self.transposed:
            return problem_of(input_shape, weight_shape, bias_shape, **steps)
        steps["output_padding"] = self.output_padding
        return transposed_of(input_shape, weight_shape, bias_shape, **steps)

    def request(
        self,
        input_shape: Sequence[int],
        weight_shape: Sequence[int],
        bias_shape: Sequence[int] | None = None,
    ) -> str:
        """Return the call as text, for an error."""
        shapes = (
            f"input {list(input_shape)}, weight {list(weight_shape)}, "
            f"bias {None if bias_shape is None else list(bias_shape)}"
        )
        output_padding = f"output_padding={self.output_padding!r}, " if self.transposed else ""
        return (
            f"{self.function}({shapes}, stride={self.stride!r}, padding={self.padding!r}, "
            f"{output_padding}dilation={self.dilation!r}, groups={self.groups!r})"
        )


def _is_ordinary(size: Any, least: int, largest: int = LARGEST_STEP) -> bool:
    if type(size) is tuple:
        return all(_is_ordinary(entry, least, largest) for entry in size)
    return type(size) is not int or least <= size <= largest
