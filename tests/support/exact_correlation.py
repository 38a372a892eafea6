"""Three matrices held to the correlation that they must be, in exact fractions."""

from __future__ import annotations

from fractions import Fraction

from glassconv.mathematics.cook_toom import Matrix, Row, Transforms


def times(matrix: Matrix, vector: Row) -> Row:
    """Return a matrix times a vector."""
    return tuple(
        sum((a * b for a, b in zip(row, vector, strict=True)), Fraction()) for row in matrix
    )


def unit(size: int, place: int) -> Row:
    """Return the vector that is 1 at one place and 0 elsewhere."""
    return tuple(Fraction(place == other) for other in range(size))


def is_the_correlation(transforms: Transforms, m: int, r: int, stride: int = 1) -> bool:
    """Return whether Aᵀ [(G g) ⊙ (Bᵀ d)] is y_i = Σ_k g_k · d_(i·stride+k) for all g and d.

    It tries all pairs of unit vectors: what is linear in both is then right for everything.
    """
    output, filter, input = transforms
    pixels = (m - 1) * stride + r
    return all(
        times(output, tuple(g * d for g, d in zip(transformed, values, strict=True)))
        == tuple(Fraction(i * stride + k == place) for i in range(m))
        for k, transformed in enumerate(times(filter, unit(r, k)) for k in range(r))
        for place, values in enumerate(times(input, unit(pixels, at)) for at in range(pixels))
    )
