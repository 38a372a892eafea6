"""Errors over the length of the sum: those of verify, for every algorithm that can."""

from __future__ import annotations

from glassconv.problem.operands import random_operands
from glassconv.problem.shorthand import parse
from glassconv.verification.error_curves import CHANNELS, error_curves
from glassconv.verification.verify import verify_each


def test_every_point_is_what_verify_finds() -> None:
    found = error_curves(parse("2x5x4 4@3x3 g2 nobias"))
    assert found.products == tuple(9 * each for each in CHANNELS)
    assert {"aten", "im2col", "winograd2", "fft"} <= {curve.algorithm for curve in found.curves}
    for place in (0, 3, -1):
        problem = parse(f"{2 * CHANNELS[place]}x5x4 4@3x3 g2 nobias")
        for curve in found.curves:
            (checked,) = verify_each(problem, [curve.algorithm], random_operands(problem))
            assert checked.verdict
            assert checked.worst is not None
            assert curve.worst[place] == checked.max_error
            assert curve.rms[place] == checked.rms_error
            assert curve.bound[place] == checked.worst.bound
            assert curve.share[place] == checked.share


def test_who_cannot_follow_to_the_end_is_left_out() -> None:
    """A Toeplitz matrix of 512 channels is too large, a depthwise layer has but one."""
    names = {curve.algorithm for curve in error_curves(parse("1x20x20 1@3x3")).curves}
    assert not {"toeplitz", "depthwise", "pointwise"} & names
