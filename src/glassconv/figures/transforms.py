"""Figures of the algorithms that multiply in another domain."""

from __future__ import annotations

from matplotlib.figure import Figure

from glassconv.algorithms import named, winograd2
from glassconv.algorithms.parts.winograd_transforms import transforms_of
from glassconv.data import photograph
from glassconv.examples.sample_operands import blurred_photograph
from glassconv.figures.request import Request
from glassconv.problem.problem import equal_convolution
from glassconv.tracing.forward import trace
from glassconv.views import notation
from glassconv.views.figures import fft as spectra
from glassconv.views.figures import winograd as one_tile

MOST_CELLS = 16  # pixels per side of a figure of tiles
MOST_PHOTOGRAPH = 512  # pixels per side of an image, or of its spectrum
MOST_SPECTRA = 10**9  # bytes of all planes and spectra; a figure shows eight of them


def draw_winograd(request: Request) -> Figure:
    """Draw one tile of F(2, r)."""
    problem = request.problem
    verdict = winograd2.supports(equal_convolution(request.asked))
    if not verdict:
        raise request.refusal(f"winograd {verdict.reason}")
    traced = request.trace("winograd2")
    cells = max(traced["padded"].shape[2:])
    if cells > MOST_CELLS:
        raise request.refusal(
            f"winograd is legible up to {MOST_CELLS} pixels per side, padded to whole tiles; "
            f"this has {cells}"
        )
    matrices = [
        {"Bᵀ": each.input, "G": each.filter, "Aᵀ": each.output}
        for each in transforms_of(problem, winograd2.OUTPUTS)
    ]
    return one_tile.draw(traced, matrices, request.subject, request.theme)


def draw_fft(request: Request) -> Figure:
    """Draw two spectra, their product and the inverse transform; of a photograph if it fits."""
    problem = request.problem
    pixels = max(axis.padded_size for axis in problem.axes)
    taken = named("fft").cost(problem).workspace_bytes
    if pixels > MOST_PHOTOGRAPH or taken > MOST_SPECTRA:
        raise request.refusal(
            f"fft is legible up to {MOST_PHOTOGRAPH} padded pixels per side and may take up to "
            f"{notation.size(MOST_SPECTRA)}; this has {pixels} and takes {notation.size(taken)}"
        )
    if request.has_own_numbers or problem.in_channels not in (1, 3):
        random = "random numbers" if request.random else "numbers"
        return spectra.draw(request.trace("fft"), random, random, request.subject, request.theme)
    operands = blurred_photograph(problem, photograph.chelsea().pixels)
    return spectra.draw(
        trace(problem, "fft", operands),
        "Chelsea the cat",
        "a blur",
        request.subject,
        request.theme,
    )
