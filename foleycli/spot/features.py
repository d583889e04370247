"""What the picture says about its sound: one row of 512 numbers every 250 ms."""

import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

import numpy as np

from foleycli.config import FEATURES
from foleycli.sight.sightings import Sighting


@dataclass(frozen=True, slots=True)
class Selection:
    """What some words name, in curves of its own at 64 points a second."""

    how: str  # seen; whole: no map knows the words; unseen: it is nowhere
    hits: np.ndarray  # (T * 16,)
    activity: np.ndarray  # (T * 16,)
    places: np.ndarray  # (T * 16,) from left, -1, to right, 1


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody's vision-language model said of a stretch of film, checked."""

    start: Fraction  # seconds
    end: Fraction
    place: str  # a name of ``places.csv``
    sounds: tuple[tuple[str, str, str, str], ...]  # words, layer, how, what is seen of it
    struck: str  # material of what is struck; "" where nothing is
    by: str  # the model's name


@dataclass(frozen=True, slots=True)
class Features:
    """Features of one span of film, laid out as ``config.FeatureConfig`` says.

    ``what`` is a text embedding whose length is the confidence; ``hits`` and ``activity`` are
    curves at 64 points a second, so that a student or a person can look at and edit both.
    """

    says_what: ClassVar[bool] = True  # False: the rows are no words, and no cues are found in them
    rows: np.ndarray  # (T, 512) float32, four a second; T covers the duration
    duration: Fraction  # seconds
    cuts: tuple[Fraction, ...] = ()  # seconds, each the first instant of a new shot
    classes: np.ndarray | None = None  # (T, 1000) float16, ImageNet probabilities of each row
    sightings: tuple[Sighting, ...] = ()  # things, people and hands, in order of time
    dark: np.ndarray | None = None  # (T,) bool, where the picture is dark
    places: np.ndarray | None = None  # (T * 16,) where it moves, from left, -1, to right, 1
    sizes: np.ndarray | None = None  # (T * 16,) of what stops there, in picture heights; 0: none
    force: np.ndarray | None = None  # (T * 16,) how hard it comes, as `sight.stops` reads it
    selections: dict[str, Selection] = field(default_factory=dict)  # by words that were asked
    told: tuple[Told, ...] = ()  # whole shots, in order of time; the others are seen as ever

    @classmethod
    def assemble(
        cls,
        what: np.ndarray,
        hits: np.ndarray,
        activity: np.ndarray,
        duration: Fraction,
        cuts: tuple[Fraction, ...] = (),
        timbre: np.ndarray | None = None,
        classes: np.ndarray | None = None,
        sightings: tuple[Sighting, ...] = (),
        dark: np.ndarray | None = None,
        places: np.ndarray | None = None,
        sizes: np.ndarray | None = None,
        force: np.ndarray | None = None,
    ) -> "Features":
        """Lay out rows from what (T', 384), classes (T', 1000), dark (T',) and curves (n,) at
        64 Hz, padded to the duration, and so are places, sizes and force; timbre (T, 96) is an
        example to sound like."""
        rows = np.zeros((row_count(duration), FEATURES.size), np.float32)
        if len(what):
            rows[:, _WHAT] = _hold(what, len(rows))
        rows[:, _HITS] = _fit(hits, len(rows))
        rows[:, _ACTIVITY] = _fit(activity, len(rows))
        if timbre is not None:
            rows[:, _TIMBRE] = timbre
        held, shade = (None if s is None else _hold(s, len(rows)) for s in (classes, dark))
        where, size, hard = (
            None if curve is None else _fit(curve, len(rows)).reshape(-1)
            for curve in (places, sizes, force)
        )
        return cls(rows, duration, cuts, held, sightings, shade, where, sizes=size, force=hard)

    @property
    def what(self) -> np.ndarray:
        """(T, 384) text embedding times confidence."""
        return self.rows[:, _WHAT]

    @property
    def hits(self) -> np.ndarray:
        """(T * 16,) strength of the event that begins at each point, 0 nearly everywhere."""
        return self.rows[:, _HITS].reshape(-1)

    @property
    def activity(self) -> np.ndarray:
        """(T * 16,) how much the picture keeps sounding, 0 to 1."""
        return self.rows[:, _ACTIVITY].reshape(-1)

    @property
    def timbre(self) -> np.ndarray:
        """(T, 96) of an example to sound like, zero where there is none."""
        return self.rows[:, _TIMBRE]

    def shots(self) -> list[tuple[Fraction, Fraction]]:
        """(start, end) in seconds of the stretches between cuts."""
        edges = [Fraction(0), *self.cuts, self.duration]
        return [(a, b) for a, b in itertools.pairwise(edges) if b > a]


_WHAT = slice(0, FEATURES.what_size)
_HITS = slice(FEATURES.what_size, FEATURES.what_size + FEATURES.bins)
_ACTIVITY = slice(_HITS.stop, _HITS.stop + FEATURES.bins)
_TIMBRE = slice(_ACTIVITY.stop, _ACTIVITY.stop + FEATURES.timbre_size)


def row_count(duration: Fraction) -> int:
    """Rows that cover ``duration`` seconds; a single frame has one."""
    return max(1, math.ceil(duration * FEATURES.frame_rate))


def _hold(seen: np.ndarray, rows: int) -> np.ndarray:
    """Rows (n, size), at least one, cut to (rows, size) or the last one repeated."""
    return seen[np.minimum(np.arange(rows), len(seen) - 1)]


def _fit(curve: np.ndarray, rows: int) -> np.ndarray:
    """A curve (n,) cut or padded with zeros to (rows, bins)."""
    fitted = np.zeros(rows * FEATURES.bins, np.float32)
    fitted[: len(curve)] = curve[: len(fitted)]
    return fitted.reshape(rows, FEATURES.bins)
