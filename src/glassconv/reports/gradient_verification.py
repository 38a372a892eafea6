"""Gradients compared with their definitions in float64, each element within its bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from glassconv.problem.problem import Problem
from glassconv.reports.shown import Shown
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import Verification


@dataclass(frozen=True, eq=False)
class GradientVerification(Shown):
    """The gradients of a convolution, by everything that computes them.

    Each is verified as the convolution that equals it, by each algorithm's readable steps and by
    each kernel.
    """

    problem: Problem
    of_input: tuple[Verification, ...]
    of_weight: tuple[Verification, ...]
    of_bias: tuple[Verification, ...]  # empty for a problem without a bias

    @property
    def named(self) -> dict[str, tuple[Verification, ...]]:
        """Return the verifications of each gradient, those of the bias only where it has one."""
        found = {"input": self.of_input, "weight": self.of_weight, "bias": self.of_bias}
        return {name: each for name, each in found.items() if each}

    @property
    def verdict(self) -> Verdict:
        """Return whether every gradient is within its bound."""
        wrong = list(self._wrong())
        if wrong:
            return Verdict(False, "; ".join(wrong))
        *names, last = self.named
        gradients = f"{', '.join(names)} and {last}"
        return Verdict(True, f"every element of the gradients of {gradients} is within its bound")

    def _wrong(self) -> Iterator[str]:
        for name, verified in self.named.items():
            for each in verified:
                if not each.verdict:
                    yield f"the {name}'s gradient by {each.candidate}: {each.verdict.reason}"


@dataclass(frozen=True)
class GradientCheck:
    """The gradients of one convolution of a network, as a step of training computes them."""

    name: str
    of_input: Verification | None  # None where none is asked for: of the network's own input
    of_weight: Verification
    of_bias: Verification | None

    @property
    def verifications(self) -> tuple[Verification, ...]:
        """Return those that there are."""
        found = (self.of_input, self.of_weight, self.of_bias)
        return tuple(each for each in found if each is not None)


@dataclass(frozen=True, eq=False)
class NetworkGradientVerification(Shown):
    """A network whose convolutions' gradients are compared with their definitions."""

    model: str
    input_shape: tuple[int, ...]
    checks: tuple[GradientCheck, ...]

    @property
    def verdict(self) -> Verdict:
        """Return whether every gradient of every convolution is within its bound."""
        wrong = [
            f"{check.name}: {each.verdict.reason}"
            for check in self.checks
            for each in check.verifications
            if not each.verdict
        ]
        if wrong:
            return Verdict(False, f"{len(wrong)} gradients are not right; {wrong[0]}")
        return Verdict(True, "the gradients of every convolution are within their bounds")
