"""Errors that repeat the request and state the cause.

Each class is also the built-in class that PyTorch raises for the same mistake, so code written for
`torch.nn.functional` catches it unchanged.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Self


class ConvError(Exception):
    """An error with the request, its cause, and suggestions of what to try instead.

    >>> str(ConvError("stride must be at least 1, got 0", request="conv2d(stride=0)"))
    'conv2d(stride=0): stride must be at least 1, got 0'
    """

    def __init__(self, cause: str, *, request: str = "", suggestions: tuple[str, ...] = ()) -> None:
        hint = f"; try: {', or '.join(suggestions)}" if suggestions else ""
        super().__init__(f"{request}: {cause}{hint}" if request else cause + hint)
        self.cause = cause
        self.request = request
        self.suggestions = suggestions

    def asked_as(self, request: str) -> Self:
        """Return the same error with another request."""
        return type(self)(self.cause, request=request, suggestions=self.suggestions)

    def with_suggestions(self, suggestions: tuple[str, ...]) -> Self:
        """Return the same error with suggestions."""
        return type(self)(self.cause, request=self.request, suggestions=suggestions)


class ShapeError(ConvError, RuntimeError):
    """Two sizes disagree, or the kernel does not fit the padded input."""


class AxesError(ShapeError, IndexError):
    """An input of `unfold` with too few axes."""


class ArgumentError(ConvError, RuntimeError):
    """An invalid value: stride 0, groups that do not divide the channels."""


class ArgumentRangeError(ArgumentError, ValueError):
    """An integer that has no 64 bits."""


class ArgumentTypeError(ConvError, TypeError):
    """A value of the wrong type: stride 1.5, a list instead of an array."""


class DtypeError(ConvError, RuntimeError):
    """Element types that differ, or that no algorithm supports."""


class UnsupportedDtypeError(DtypeError, NotImplementedError):
    """An element type that PyTorch does not convolve either."""


class DeviceError(ConvError, RuntimeError):
    """Arrays that are on different devices."""


class StorageError(ConvError, RuntimeError):
    """A tensor whose memory was freed, or is smaller than its shape and strides require."""


class UnsupportedError(ConvError, RuntimeError):
    """The named algorithm does not support this problem."""


class UnknownNameError(ConvError, ValueError):
    """There is no algorithm, accuracy, figure or network of this name."""


class ShorthandError(ConvError, ValueError):
    """A shorthand that cannot be parsed; the message marks the position."""


class MalformedAlgorithmError(ConvError, ImportError):
    """A module of `algorithms/` or an entry point that is no algorithm, or whose name is taken."""


class MissingExtraError(ConvError, ImportError):
    """An optional dependency is not installed; the message has the command to install it."""


class DataError(ConvError, OSError):
    """An image, a CIFAR-10 folder or an output folder that cannot be used."""


class NetworkError(ConvError, ValueError):
    """A network that cannot be loaded; the message has the file and the reason."""


def unknown_name(
    kind: str, name: object, known: Collection[str], also: str = ""
) -> UnknownNameError:
    """Return the error for an unknown name, with the most similar known name as a suggestion.

    kind: what is named, such as "algorithm". also: what else is accepted.

    >>> print(unknown_name("color", "gren", ["red", "green"]))
    unknown color 'gren' (did you mean 'green'?); available: red, green
    """
    similar = difflib.get_close_matches(str(name), known, n=1)
    hint = f" (did you mean {similar[0]!r}?)" if similar else ""
    available = ", ".join([*known, *([also] if also else [])])
    return UnknownNameError(f"unknown {kind} {name!r}{hint}; available: {available}")
