"""Gain curves: one value a span for each stem, joined by ramps, as a mixer's volume keyframes are.

A curve is flat within its span and goes over into the next one on a straight line in dB around the
boundary. So keyframes say it exactly, and a table of spans says all that there is to say.
"""

import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.config import HIGHLIGHT
from foleycli.errors import MediaError
from foleycli.output import atomic_output

Stem = str  # one of STEMS
STEMS: tuple[Stem, ...] = ("dialogue", "music", "effects")
Floats = NDArray[np.float64]
GRID = 100  # values lie on hundredths of a dB, so that a table gives back the very curve
LONGEST = 1_000_000  # seconds that a table is believed
LOUDEST = 60.0  # dB that a table is believed
SLIVER = Fraction(1, 1000)  # seconds


@dataclass(frozen=True, slots=True)
class Span:
    """A second or a shot: what each stem is turned by, and why."""

    start: Fraction  # seconds from the picture's first frame
    end: Fraction
    gains_db: dict[Stem, float]
    terms: dict[str, float]  # dB by name, such as "music dip"; they add up where no bound acts
    reason: str = ""

    @property
    def duration(self) -> Fraction:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A stem's level at an instant; between two of them dB run on a straight line."""

    time: float  # seconds from the picture's first frame
    gain_db: float


def limit_speed(values: Floats, durations: Floats, speed_db: float = HIGHLIGHT.speed_db) -> Floats:
    """The highest curve under ``values`` (spans,) whose ramps, as long as the spans on either side
    allow, are no faster than ``speed_db`` a second. Never louder than asked: a dip under speech
    begins early rather than late.
    """
    limited = values.copy()
    steps = speed_db * np.minimum(durations[1:], durations[:-1])
    for i in range(1, len(limited)):
        limited[i] = min(limited[i], limited[i - 1] + steps[i - 1])
    for i in range(len(limited) - 2, -1, -1):
        limited[i] = min(limited[i], limited[i + 1] + steps[i])
    return limited


def on_grid(values: Floats) -> Floats:
    """Values in dB on the grid that tables are written in, towards zero where between."""
    return np.trunc(values * GRID + np.sign(values) * 1e-6) / GRID + 0.0


def keyframes(spans: Sequence[Span], stem: Stem) -> list[Keyframe]:
    """The curve of a stem: both ends of every ramp, and those of the whole.

    A ramp is centred on its boundary and takes `HighlightConfig.smoothing`, longer where the step
    would pass `HighlightConfig.speed_db`, never more than half of the spans on either side.
    """
    if not spans:
        return []
    gains = [span.gains_db.get(stem, 0.0) for span in spans]
    points = [Keyframe(float(spans[0].start), gains[0])]
    for before, after, a, b in zip(spans, spans[1:], gains, gains[1:], strict=False):
        if a == b:
            continue
        room = float(min(before.duration, after.duration))
        width = min(max(HIGHLIGHT.smoothing, abs(b - a) / HIGHLIGHT.speed_db), room)
        middle = float(after.start)
        points += [Keyframe(middle - width / 2, a), Keyframe(middle + width / 2, b)]
    points.append(Keyframe(float(spans[-1].end), gains[-1]))
    return points


class Curve:
    """A stem's gain, sample by sample, in order."""

    def __init__(self, points: Sequence[Keyframe], sample_rate: int) -> None:
        self._places = np.array([point.time * sample_rate for point in points])
        self._gains = np.array([point.gain_db for point in points])

    def is_one(self) -> bool:
        """Whether it leaves everything as it is."""
        return not self._gains.any()  # nor are there any

    def shape(self, block: NDArray[np.float32], first: int) -> NDArray[np.float64]:
        """A block (samples, channels) that begins at sample ``first``, turned by the curve.

        Where the curve is 0 dB the samples are the very same.
        """
        if self.is_one() or not len(block):
            return block.astype(np.float64)
        last = first + len(block) - 1
        inner = self._between(first, last)
        if len(inner) and (inner == inner[0]).all():
            return block.astype(np.float64) * 10 ** (inner[0] / 20)
        gain_db = np.interp(np.arange(first, last + 1), self._places, self._gains)
        return block * (10 ** (gain_db / 20))[:, None]

    def largest(self, first: int, samples: int) -> float:
        """The largest factor over so many samples."""
        inner = self._between(first, first + samples - 1)
        return 10 ** (float(inner.max()) / 20) if len(inner) else 1.0

    def _between(self, first: int, last: int) -> Floats:
        """Gains of the keyframes that samples lie between."""
        low = np.searchsorted(self._places, first, "right")
        high = np.searchsorted(self._places, last, "left")
        return self._gains[max(low - 1, 0) : high + 1]


def table_rows(spans: Sequence[Span]) -> Iterator[tuple[str, ...]]:
    """The lines of ``gains.csv``: span, dB of each stem, the terms that led to them, the reason."""
    stems = [stem for stem in STEMS if any(stem in span.gains_db for span in spans)]
    terms = list(dict.fromkeys(name for span in spans for name in span.terms))
    yield ("start", "end", *(f"{stem}_db" for stem in stems), *terms, "reason")
    for span in spans:
        gains = (f"{span.gains_db.get(stem, 0.0):.2f}" for stem in stems)
        why = (f"{span.terms.get(name, 0.0) + 0.0:.2f}" for name in terms)
        yield (_time(span.start), _time(span.end), *gains, *why, span.reason)


def write_gains(path: Path, spans: Sequence[Span], *, overwrite: bool = False) -> None:
    """Write ``gains.csv``, whole or not at all."""
    with (
        atomic_output(path, overwrite=overwrite) as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows(table_rows(spans))


def read_gains(path: Path) -> list[Span]:
    """Read ``gains.csv``, edited or not; only times and the ``_db`` columns of stems count.

    Lines may stand in any order and leave gaps, in which nothing is turned.

    Raises:
        MediaError: it is no such table, or a line cannot be followed.
    """
    remedy = "Correct the line or delete it."
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
            names = list(rows[0]) if rows else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MediaError(
            f"{path.name} cannot be read as gains: {error}.", "Save it as CSV in UTF-8."
        ) from error
    stems = [stem for stem in STEMS if f"{stem}_db" in names]
    if not stems or not {"start", "end"} <= set(names):
        raise MediaError(
            f"{path.name} is no table of gains: it lacks start, end or a stem's column.",
            "Give a file that foley highlight wrote.",
        )
    spans: list[Span] = []
    for line, row in enumerate(rows, start=2):
        try:
            spans.append(_span(row, stems))
        except (ValueError, TypeError, ZeroDivisionError) as error:
            raise MediaError(f"{path.name}, line {line}: {error}.", remedy) from error
    spans.sort(key=lambda span: span.start)
    for before, after in itertools.pairwise(spans):
        if after.start < before.end:
            raise MediaError(
                f"{path.name}: the span at {_time(after.start)} begins before the one at "
                f"{_time(before.start)} ends.",
                remedy,
            )
    return spans


def fill_gaps(spans: Sequence[Span], duration: Fraction) -> list[Span]:
    """Spans of 0 dB where a table says nothing, up to the end; what lies past the end is cut.

    What a table's rounding leaves open, under a millisecond, belongs to the span before.
    """
    filled: list[Span] = []
    at = Fraction(0)
    for span in [*(span for span in spans if span.start < duration), None]:
        start = span.start if span else duration
        if filled and start - at < SLIVER:
            filled[-1] = replace(filled[-1], end=start)
        elif start > at:
            filled.append(Span(at, start, {}, {}))
        if span:
            filled.append(replace(span, end=min(span.end, duration)))
            at = filled[-1].end
    return filled


def _span(row: dict[str, str], stems: Sequence[Stem]) -> Span:
    start, end = Fraction(row["start"].strip()), Fraction(row["end"].strip())
    if not 0 <= start < end <= LONGEST:
        raise ValueError("it does not end after it starts")
    gains: dict[Stem, float] = {}
    for stem in stems:
        value = float((row[f"{stem}_db"] or "0").strip() or 0)
        if math.isnan(value) or abs(value) > LOUDEST:
            raise ValueError(f"{stem} of {row[f'{stem}_db']} dB is not believed")
        gains[stem] = value
    return Span(start, end, gains, {}, row.get("reason") or "")


def _time(seconds: Fraction) -> str:
    return f"{float(seconds):.6f}"
