"""Errors that repeat the request and say the cause.

Each class is also the built-in class that PyTorch raises for the same mistake, so code written for
`torch.nn.functional` catches it unchanged.
"""

from __future__ import annotations

from typing import Self


class ConvError(Exception):
    """A refusal: what was asked (`request`), why it cannot be (`cause`), what could (`remedies`).

    >>> str(ConvError("stride must be at least 1, got 0", request="conv2d(stride=0)"))
    'conv2d(stride=0): stride must be at least 1, got 0'
    """

    def __init__(self, cause: str, *, request: str = "", remedies: tuple[str, ...] = ()) -> None:
        would_work = f"; would work: {', or '.join(remedies)}" if remedies else ""
        super().__init__(f"{request}: {cause}{would_work}" if request else cause + would_work)
        self.cause = cause
        self.request = request
        self.remedies = remedies

    def asked_as(self, request: str) -> Self:
        """Return the same refusal with the request put in the caller's own words."""
        return type(self)(self.cause, request=request, remedies=self.remedies)

    def with_remedies(self, remedies: tuple[str, ...]) -> Self:
        """Return the same refusal with what would work in its place."""
        return type(self)(self.cause, request=self.request, remedies=remedies)


class ShapeError(ConvError, RuntimeError):
    """Two sizes disagree, or the kernel does not fit the padded input."""


class ArgumentError(ConvError, RuntimeError):
    """A value that no convolution can have: stride 0, groups that do not divide."""


class ArgumentTypeError(ConvError, TypeError):
    """A value of the wrong type: stride 1.5, a list where an array belongs."""


class DtypeError(ConvError, RuntimeError):
    """Element types that differ, or that no algorithm here computes in."""


class UnsupportedError(ConvError, RuntimeError):
    """The algorithm asked for by name cannot compute this problem."""


class UnknownNameError(ConvError, ValueError):
    """No algorithm, accuracy or figure of that name."""


class ShorthandError(ConvError, ValueError):
    """A problem written in shorthand that cannot be read; the message points at the place."""


class MalformedAlgorithmError(ConvError, ImportError):
    """A module of `algorithms/` or an entry point that is no algorithm, or whose name is taken."""


class MissingExtraError(ConvError, ImportError):
    """A part of glassconv whose packages are not installed; the message says what installs them."""


class DataError(ConvError, OSError):
    """A picture, a CIFAR-10 folder or an output folder that cannot be used."""
