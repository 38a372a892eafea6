"""Strict kernels for NEON have the bits of the definition; qemu runs them where it is there."""

from __future__ import annotations

import pytest

from support.emulated import (
    COMPILER,
    EMULATOR,
    OTHER,
    compared,
    compared_gradients,
    is_installed,
)

pytestmark = pytest.mark.skipif(
    not is_installed(), reason=f"{EMULATOR} and {COMPILER} are not installed"
)


@pytest.mark.parametrize("seed", range(0, 24, 3))
def test_strict_kernels_for_neon_have_the_bits_of_the_definition(seed: int) -> None:
    assert not [line for line in compared(seed) if line.endswith(OTHER)]


@pytest.mark.parametrize("seed", range(0, 24, 3))
def test_their_gradients_have_them_too(seed: int) -> None:
    assert not [line for line in compared_gradients(seed) if line.endswith(OTHER)]
