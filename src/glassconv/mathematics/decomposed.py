"""A filter of any size and stride as pieces of F(m, 1), F(m, 2) and F(m, 3), as three matrices.

Outputs that are s apart read, through every s-th tap, pixels that are s apart: a correlation of
stride 1. So a filter is s filters, one for each phase, each of every s-th tap. A phase of more than
three taps is cut into pieces of at most three, since larger F(m, r) need points that lose digits.
Each piece has the same m outputs, and their sum is the filter's:

    y_i = Σ_k g_k · d_(i·s+k) = Σ_pieces Σ_t g_(k0+t·s) · d_((i+t)·s+k0),    0 ≤ i < m,  0 ≤ k < r

    g filter [r]    d piece of input [(m − 1)·s + r]    s stride    k0 the first tap of a piece
    t tap of the piece                                  y outputs [m]

The matrices of the pieces, one below the other (G, Bᵀ) or side by side (Aᵀ), are those of one
algorithm y = Aᵀ [(G g) ⊙ (Bᵀ d)].

Source: D. Huang et al., DWM: a decomposable Winograd method for convolution acceleration, 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from glassconv.mathematics.cook_toom import Matrix, Row, Transforms, cook_toom

MOST_TAPS = 3  # of a piece


def pieces(r: int, stride: int) -> tuple[range, ...]:
    """Return the taps of each piece: phase by phase, as equal as can be.

    >>> [list(piece) for piece in pieces(3, 2)]
    [[0, 2], [1]]
    >>> [list(piece) for piece in pieces(7, 1)]
    [[0, 1, 2], [3, 4], [5, 6]]
    """
    found = []
    for phase in range(min(stride, r)):
        taps = range(phase, r, stride)
        for left in range(-(-len(taps) // MOST_TAPS), 0, -1):  # pieces
            size = -(-len(taps) // left)
            found.append(taps[:size])
            taps = taps[size:]
    return tuple(found)


@lru_cache
def decomposed(m: int, r: int, stride: int) -> Transforms:
    """Return the matrices of m outputs of a filter of r taps: Aᵀ [m, n], G [n, r], Bᵀ [n, pixels].

    >>> for row in decomposed(2, 3, 2).input:
    ...     print(*row)
    1 0 -1 0 0
    0 0 1 0 0
    0 0 1 0 -1
    0 1 0 0 0
    0 0 0 1 0
    """
    pixels = range((m - 1) * stride + r)
    output: list[Row] = [()] * m
    filter: list[Row] = []
    input: list[Row] = []
    for taps in pieces(r, stride):
        piece = cook_toom(m, len(taps)) if len(taps) > 1 else _of_one_tap(m)
        output = [row + more for row, more in zip(output, piece.output, strict=True)]
        filter += _placed(piece.filter, taps, r)
        input += _placed(piece.input, pixels[taps.start :: stride], len(pixels))
    return Transforms(tuple(output), tuple(filter), tuple(input))


def _of_one_tap(m: int) -> Transforms:
    """Return F(m, 1): every pixel times the tap, no transform."""
    identity = tuple(tuple(Fraction(i == j) for j in range(m)) for i in range(m))
    return Transforms(identity, ((Fraction(1),),) * m, identity)


def _placed(matrix: Matrix, places: Sequence[int], size: int) -> list[Row]:
    """Return the rows with their entries at these places, and zeros between them."""
    entries = (dict(zip(places, row, strict=False)) for row in matrix)
    return [tuple(row.get(place, Fraction(0)) for place in range(size)) for row in entries]
