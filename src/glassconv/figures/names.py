"""The names of figures, for whoever lists them and draws none: matplotlib takes long to load."""

from __future__ import annotations

NAMES = (
    "image",
    "window",
    "output-size",
    "im2col",
    "kn2row",
    "phases",
    "toeplitz",
    "worked-example",
    "matrix-product",
    "comparison",
    "error-bound",
    "winograd",
    "fft",
    "backward",
    "receptive-field",
    "cost",
)
