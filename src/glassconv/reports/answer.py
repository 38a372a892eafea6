"""Answer: what a network returns for one image."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.reports.shown import Shown


@dataclass(frozen=True)
class ClassFacts:
    """A class of a classifier, and its probability."""

    number: int
    label: str  # empty where no file names it
    probability: float


@dataclass(frozen=True)
class OutputFacts:
    """An output that is no row of classes."""

    shape: tuple[int, ...]
    dtype: str
    smallest: float | None  # None where it has no numbers
    largest: float | None


@dataclass(frozen=True, eq=False)
class Answer(Shown):
    """The classes that a classifier finds most probable, or the other outputs of a network."""

    model: str
    image: str  # the file, and what was made of it
    classes: tuple[ClassFacts, ...]  # the most probable first; none for what is no classifier
    outputs: tuple[OutputFacts, ...]
    reasons: tuple[str, ...]  # why no plan computed it
