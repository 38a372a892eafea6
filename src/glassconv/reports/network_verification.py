"""NetworkVerification: each convolution of a network, and its outputs, compared with float64."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.reports.shown import Shown
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import Verification


@dataclass(frozen=True)
class ConvolutionCheck:
    """One convolution of a network. Errors are relative to the largest value of its output."""

    name: str
    verification: Verification  # on the input that it gets in the network
    made: float  # the error that it makes itself
    so_far: float  # how far its output is from that of the network in float64


@dataclass(frozen=True, eq=False)
class NetworkVerification(Shown):
    """A network whose convolutions glassconv computes. Errors are relative to the largest value."""

    model: str
    input_shape: tuple[int, ...]
    checks: tuple[ConvolutionCheck, ...]
    error: float  # of the outputs, against the network in float64
    pytorch_error: float  # of the outputs that PyTorch computes
    finite: bool  # whether all outputs are

    @property
    def verdict(self) -> Verdict:
        """Return whether each convolution is within its bound and the outputs are finite."""
        wrong = [each for each in self.checks if not each.verification.verdict]
        if wrong:
            reason = f"{wrong[0].name}: {wrong[0].verification.verdict.reason}"
            return Verdict(False, f"{len(wrong)} of {len(self.checks)} are not right; {reason}")
        if not self.finite:
            return Verdict(False, "an output of the network is NaN or infinite")
        return Verdict(True, "every convolution is within its bound")
