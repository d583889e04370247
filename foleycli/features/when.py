"""When it sounds: two curves at 64 points a second, read from the picture as it is decoded.

``hits`` is 0 nearly everywhere and holds the strength (0 to 1) of each visible event that would be
heard; ``activity`` (0 to 1) says how much goes on sounding.
"""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from foleycli.features.motion import (
    CHANNELS,
    COLUMNS,
    ROWS,
    Change,
    Floats,
    Picture,
    compare,
    prepare,
)
from foleycli.features.track import RATE, Reading, Track
from foleycli.features.when_net import read_weighed_stops

BLOCK = 16  # seconds of film that are turned into curves at a time
CONTEXT = 2  # seconds on either side of a block that its curves may look at
SPACING = Fraction(1, 36)  # seconds between compared pictures, at least: 240 fps reads as 24 does
DENSEST = Fraction(1, 66)  # seconds between two readings, at least
REPEAT = Fraction(1, 10)  # seconds a repeated picture (pulldown, 15 in 30) may stand for motion
LONGEST = 0.3  # seconds: pictures further apart than this show no motion
SAME = 0.6  # levels: pictures whose cells differ by less are one picture
CUT = 12.0  # levels by which most cells differ, camera undone, across a cut
REFRACTORY = 0.1  # seconds between hits, at least
FLOOR = 0.25  # likeness below which nothing is a hit


class MotionReader:
    """Reads hits and activity from pictures pushed in order of time.

    Costs about 0.7 ms a picture (of at most 66 a second; closer ones are skipped) and 3 ms a second
    of film; keeps 20 s of cell values, and half a kilobyte of curves for each second.
    """

    def __init__(self, reading: Reading = read_weighed_stops) -> None:
        self._reading = reading
        self._held: deque[_Held] = deque()
        self._rows: deque[_Row] = deque()
        self._done: list[tuple[Floats, Floats]] = []

    def push(self, time: Fraction, luma: NDArray[np.uint8]) -> None:
        """Take the next picture.

        Args:
            time: seconds from the first picture.
            luma: (90, 160) uint8.
        """
        if not self._held:
            self._held.append(_Held(time, luma, prepare(luma)))
            return
        newest = self._held[-1]
        if time - newest.until < DENSEST:
            return
        if _same(newest.luma, luma):
            if time - newest.until > REPEAT:  # it stands still: not a repeat between movements
                self._rows.append(_Row(newest.until, time, None, float(luma.mean())))
                newest.until = time
        else:
            self._compare(_Held(time, luma, prepare(luma)))
        while self._rows and time >= (len(self._done) + 1) * BLOCK + CONTEXT:
            self._finish_block()

    def curves(self, duration: Fraction) -> tuple[Floats, Floats]:
        """Hit strength and activity, each (round(duration * 64),) float32, point i at i / 64 s."""
        points = round(duration * RATE)
        while len(self._done) * BLOCK * RATE < points:
            self._finish_block(points)
        hits = np.concatenate([block[0] for block in self._done] or [np.zeros(0, np.float32)])
        activity = np.concatenate([block[1] for block in self._done] or [np.zeros(0, np.float32)])
        return hits[:points], activity[:points]

    def _compare(self, now: "_Held") -> None:
        while len(self._held) > 1 and now.until - self._held[1].until >= SPACING:
            self._held.popleft()
        earlier = self._held[0]
        change = compare(earlier.picture, now.picture)
        self._rows.append(_Row(earlier.until, now.until, change, float(now.luma.mean())))
        self._held.append(now)

    def _finish_block(self, points_in_all: int | None = None) -> None:
        start = len(self._done) * BLOCK
        first, last = max(0, start - CONTEXT) * RATE, (start + BLOCK + CONTEXT) * RATE
        if not self._rows:
            empty = np.zeros(BLOCK * RATE, np.float32)
            self._done.append((empty, empty))
            return
        track = _track(self._rows)
        last = min(last, points_in_all or last)
        points = (np.arange(first, last) + 0.5) / RATE
        likeness, activity = self._reading(track, points)
        hits = pick_hits(likeness)
        keep = slice(start * RATE - first, start * RATE - first + BLOCK * RATE)
        self._done.append((_padded(hits[keep]), _padded(activity[keep])))
        while self._rows and self._rows[0].later < start + BLOCK - CONTEXT - 1:
            self._rows.popleft()


def pick_hits(likeness: Floats) -> Floats:
    """The peaks of a likeness, as strengths of 0.25 to 1 beside zeros.

    A peak is the largest within 100 ms and stands over 1.5 times the median and a tenth of the
    largest within the block.
    """
    if not likeness.size or likeness.max() <= 0:
        return np.zeros_like(likeness)
    reach = 2 * round(REFRACTORY * RATE) + 1
    floor = max(FLOOR, 1.5 * float(np.median(likeness)), 0.1 * float(likeness.max()))
    peak = (likeness >= maximum_filter1d(likeness, reach, mode="nearest")) & (likeness > floor)
    peak[1:] &= ~peak[:-1]  # of a flat top only the first point
    hits = np.where(peak, likeness, 0)
    if not peak.any():
        return hits
    return np.where(peak, np.minimum(1, 0.25 + 0.75 * hits / np.quantile(hits[peak], 0.9)), 0)


@dataclass(slots=True)
class _Held:
    until: Fraction  # last time at which this picture was seen
    luma: NDArray[np.uint8]
    picture: Picture


@dataclass(frozen=True, slots=True)
class _Row:
    earlier: Fraction
    later: Fraction
    change: Change | None  # None while the picture stands still
    level: float


def _track(rows: deque[_Row]) -> Track:
    times = np.array([float(row.earlier + row.later) / 2 for row in rows])
    spans = np.array([float(row.later - row.earlier) for row in rows], np.float32)
    cells = np.zeros((len(rows), len(CHANNELS), ROWS, COLUMNS), np.float32)
    camera = np.zeros((len(rows), 5), np.float32)
    for i, row in enumerate(rows):
        if row.change is not None and spans[i] <= LONGEST and not _is_cut(row.change):
            cells[i] = row.change.cells
            camera[i] = (*row.change.camera, row.change.brightness)
    return Track(times, spans, cells, camera, np.array([row.level for row in rows], np.float32))


def _is_cut(change: Change) -> bool:
    return float(np.median(change.cells[CHANNELS.index("difference")])) > CUT


def _same(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    if np.array_equal(a, b):
        return True
    difference = np.abs(a.astype(np.int16) - b).reshape(ROWS, a.shape[0] // ROWS, COLUMNS, -1)
    return bool(difference.mean(axis=(1, 3)).max() < SAME)


def _padded(curve: Floats) -> Floats:
    padded = np.zeros(BLOCK * RATE, np.float32)
    padded[: len(curve)] = curve
    return padded
