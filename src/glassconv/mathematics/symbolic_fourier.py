"""A Fourier transform of six points over whole numbers, as the three matrices of a correlation.

The sixth root of one, s = e^(iπ/3), satisfies s² = s − 1. So every power of s is a + b·s with a and
b of 0 and ±1, and a spectrum of six real points is exact sums of them, if s stays a symbol:

    D_f = Σ_i d_i · s^(i·f)      f = 0, 3: one number    f = 1, 2: a pair    f = 4, 5: conjugates

Where spectra of filter and pixels are multiplied, two pairs take three products, not four:

    (a + b·s) (a' + b'·s) = (a a' − b b') + ((a + b) (a' + b') − a a') · s

Six outputs of r taps read r − 1 pixels more than six. A spectrum of six of them has the others'
products from the wrong end of its circle. They are corrected one by one: tap times the right pixel
less the wrong one. With three taps that is 1 + 1 + 3 + 3 products and 2 corrections, instead of 18:

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]        y_i = Σ_k g_k · d_(i+k),  0 ≤ i < 6,  0 ≤ k < r

    g filter [r]    d piece of input [r + 5]    y outputs [6]    ⊙ product element by element

Bᵀ adds and subtracts, Aᵀ has 0, ±1 and ±2, and 1/6 is part of G.

Source: L. He et al., SFC: achieve accurate fast convolution under low-precision arithmetic, 2024.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from glassconv.mathematics.cook_toom import Row, Transforms

POINTS = 6  # of a transform, and the outputs of a tile
POWERS = ((1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1))  # s^e = a + b·s
TRACES = (2, 1, -1, -2, -1, 1)  # s^e and its conjugate, added


@lru_cache
def symbolic_fourier(r: int) -> Transforms:
    """Return the matrices of 6 outputs of r taps, r ≤ 6: Aᵀ [6, n], G [n, r], Bᵀ [n, r + 5].

    >>> [len(symbolic_fourier(r).input) for r in (2, 3, 4, 5)]
    [9, 10, 12, 14]
    """
    pixels = POINTS + r - 1
    start = (r - 1) // 2  # of the six pixels that are transformed
    places = [(output - start) % POINTS for output in range(POINTS)]  # of outputs in the circle
    output: list[list[int]] = [[] for _ in range(POINTS)]
    filter: list[Row] = []
    input: list[Row] = []
    for frequency in range(POINTS // 2 + 1):
        values = _multiplied(frequency, range(POINTS))
        input += (_row(pixels, dict(enumerate(row, start))) for row in values)
        taps = _multiplied(frequency, range(0, -r, -1))
        filter += (tuple(Fraction(entry, POINTS) for entry in row) for row in taps)
        for row, place in zip(output, places, strict=True):
            row.extend(_inverse(frequency, -place * frequency))
    for wrong, tap in ((i, k) for i in range(POINTS) for k in range(r)):
        read = start + (places[wrong] + tap) % POINTS
        if read != wrong + tap:
            input.append(_row(pixels, {wrong + tap: 1, read: -1}))
            filter.append(_row(r, {tap: 1}))
            for i, row in enumerate(output):
                row.append(int(i == wrong))
    return Transforms(
        tuple(tuple(map(Fraction, row)) for row in output), tuple(filter), tuple(input)
    )


def _multiplied(frequency: int, exponents: range) -> list[list[int]]:
    """Return what a frequency multiplies: a column for each point, whose power of s^f is given.

    It is a number where s^f is 1 or −1, else a, b and a + b of the pair.
    """
    pairs = [POWERS[exponent * frequency % POINTS] for exponent in exponents]
    if frequency in (0, POINTS // 2):
        return [[a for a, _ in pairs]]
    return [[a for a, _ in pairs], [b for _, b in pairs], [a + b for a, b in pairs]]


def _inverse(frequency: int, exponent: int) -> list[int]:
    """Return what the products of a frequency add to six times an output, times s^exponent.

    Its conjugate's are included. The product of a pair is (p − q) + (t − p)·s of products p, q, t.
    """
    one, s = (TRACES[(exponent + power) % POINTS] for power in range(2))
    return [POWERS[exponent % POINTS][0]] if frequency in (0, POINTS // 2) else [one - s, -one, s]


def _row(size: int, entries: dict[int, int]) -> Row:
    return tuple(Fraction(entries.get(place, 0)) for place in range(size))
