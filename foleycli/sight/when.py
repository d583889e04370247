"""When it sounds: two curves at 64 points a second, read from the picture as it is decoded.

``hits`` is 0 nearly everywhere and holds the strength (0 to 1) of each visible event that would be
heard; ``activity`` (0 to 1) says how much goes on sounding.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from foleycli.clip.shots import ShotDetector
from foleycli.sight.motion import CHANNELS, COLUMNS, ROWS, Floats, compare, is_unlike, prepare
from foleycli.sight.stops import how_it_comes, where_it_stops
from foleycli.sight.track import RATE, Reading, Track, at_points
from foleycli.sight.when_net import read_weighed_stops
from foleycli.waveform.filters import slide_maximum, slide_mean

Luma = NDArray[np.uint8]  # (90, 160)

BLOCK = 16  # seconds of film that are turned into curves at a time
CONTEXT = 2  # seconds on either side of a block that its curves may look at
SPACING = Fraction(1, 36)  # seconds between compared pictures, at least: 240 fps reads as 24 does
DENSEST = Fraction(1, 66)  # seconds between two readings, at least
REPEAT = Fraction(1, 10)  # seconds a repeated picture (pulldown, 15 in 30) may stand for motion
LONGEST = 0.3  # seconds: pictures further apart than this show no motion
SAME = 0.6  # levels: pictures whose cells differ by less are one picture
LOST = 12.0  # levels by which most cells differ where one picture is not found in the other
TOGETHER = 16  # pictures that are compared at once
REFRACTORY = 0.1  # seconds between hits, at least
FLOOR = 0.25  # likeness below which nothing is a hit


class MotionReader:
    """Reads hits, activity and cuts from pictures pushed in order of time.

    Costs about 0.45 ms a picture (of at most 66 a second; closer ones are only searched for cuts)
    and 3 ms a second of film; keeps 20 s of cell values, and half a kilobyte of curves for each
    second.
    """

    def __init__(self, reading: Reading = read_weighed_stops, keep: bool = False) -> None:
        """Args: keep: what moved where, in half precision (36 kB a second), for `curves_where`."""
        self._reading = reading
        self._kept: list[_Row] | None = [] if keep else None
        self._shots = ShotDetector()
        self._waiting: list[tuple[Fraction, Luma]] = []
        self._held: deque[_Held] = deque()
        self._rows: deque[_Row] = deque()
        self._done: list[tuple[Floats, Floats]] = []
        self._places: list[Floats] = []
        self._sizes: list[tuple[Floats, Floats]] = []

    def push(self, time: Fraction, luma: Luma) -> None:
        """Take the next picture.

        Args:
            time: seconds from the first picture.
            luma: (90, 160) uint8.
        """
        self._waiting.append((time, luma))
        if len(self._waiting) == TOGETHER:
            self._take_in()

    def push_all(self, pictures: Iterable[tuple[Fraction, Luma]]) -> None:
        """Take the next pictures, each as `push` takes it."""
        for time, luma in pictures:
            self.push(time, luma)

    def curves(self, duration: Fraction) -> tuple[Floats, Floats]:
        """Hit strength and activity, each (round(duration * 64),) float32, point i at i / 64 s."""
        self.cuts()
        points = round(duration * RATE)
        while len(self._done) * BLOCK * RATE < points:
            self._finish_block(points)
        hits = np.concatenate([block[0] for block in self._done] or [np.zeros(0, np.float32)])
        activity = np.concatenate([block[1] for block in self._done] or [np.zeros(0, np.float32)])
        return hits[:points], activity[:points]

    def places(self, duration: Fraction) -> Floats:
        """Where what is heard at each point of `curves` moves, from left, -1, to right, 1."""
        points = len(self.curves(duration)[0])
        return np.concatenate(self._places or [np.zeros(0, np.float32)])[:points]

    def sizes(self, duration: Fraction) -> tuple[Floats, Floats]:
        """How large what stops at each point of `curves` is, in picture heights, and how hard it
        comes (see `how_it_comes`); 0 where nothing moves."""
        points = len(self.curves(duration)[0])
        blocks = self._sizes or [(np.zeros(0, np.float32), np.zeros(0, np.float32))]
        sizes, force = (np.concatenate(part)[:points] for part in zip(*blocks, strict=True))
        return sizes, force

    def curves_where(
        self, weigh: Callable[[NDArray[np.float64]], Floats], duration: Fraction
    ) -> tuple[Floats, Floats, Floats]:
        """The same as `curves`, of what moves in some places alone; and where that is.

        Args:
            weigh: times (m,) in seconds -> weights (m, 9, 16) of the cells, 0 to 1.

        Returns:
            hits and activity; and the place from left, -1, to right, 1, at each point.
        """
        assert self._kept is not None
        self.curves(duration)
        points = round(duration * RATE)
        rows = [*self._kept, *self._rows]
        later = np.array([row.later for row in rows])
        hits, activity, places = (np.zeros(points, np.float32) for _ in range(3))
        for start in range(0, points, BLOCK * RATE):
            first, last = max(0, start - CONTEXT * RATE), start + (BLOCK + CONTEXT) * RATE
            near = slice(*np.searchsorted(later, (first / RATE - 1, last / RATE + 1)))
            if near.stop <= near.start:
                continue
            track = _track(deque(rows[near]), self._shots.cuts)
            weights = weigh(track.times)
            track = replace(
                track,
                cells=track.cells * weights[:, None],
                # how bright the whole is says nothing of a part of it
                levels=np.where(weights.min() < 1, track.levels.mean(), track.levels),
            )
            wanted = (np.arange(first, min(last, points)) + 0.5) / RATE
            likeness, goes_on = self._reading(track, wanted)
            keep = slice(start - first, start - first + BLOCK * RATE)
            block = slice(start, min(start + BLOCK * RATE, points))
            hits[block], activity[block] = pick_hits(likeness)[keep], goes_on[keep]
            places[block] = _place(track, wanted[keep])
        return hits, activity, places

    def cuts(self) -> tuple[Fraction, ...]:
        """When the first picture of each new shot is shown; no picture may follow."""
        if self._waiting:
            self._take_in()
        return self._shots.finish()

    def _take_in(self) -> None:
        times, lumas = zip(*self._waiting, strict=True)
        self._waiting.clear()
        self._shots.add_all(times, np.stack(lumas))
        _compare([pair for pair in map(self._pair, times, lumas) if pair])
        known = self._shots.known_until
        while self._rows and known and known >= (len(self._done) + 1) * BLOCK + CONTEXT:
            self._finish_block()

    def _pair(self, time: Fraction, luma: Luma) -> "_Pair | None":
        """The row of a picture that moved, and the pictures to fill it from."""
        if not self._held:
            self._held.append(_Held(time, luma))
            return None
        newest = self._held[-1]
        if time - newest.until < DENSEST:
            return None
        if not is_unlike(newest.luma, luma, ROWS, COLUMNS, SAME):
            if time - newest.until > REPEAT:  # it stands still: not a repeat between movements
                self._rows.append(_Row(float(newest.until), float(time), float(luma.mean())))
                newest.until = time
            return None
        while len(self._held) > 1 and time - self._held[1].until >= SPACING:
            self._held.popleft()
        before = self._held[0]
        row = _Row(float(before.until), float(time))
        self._rows.append(row)
        self._held.append(_Held(time, luma))
        return row, before.luma, luma

    def _finish_block(self, points_in_all: int | None = None) -> None:
        start = len(self._done) * BLOCK
        first, last = max(0, start - CONTEXT) * RATE, (start + BLOCK + CONTEXT) * RATE
        if not self._rows:
            empty = np.zeros(BLOCK * RATE, np.float32)
            self._done.append((empty, empty))
            self._places.append(empty)
            self._sizes.append((empty, empty))
            return
        track = _track(self._rows, self._shots.cuts)
        last = min(last, points_in_all or last)
        points = (np.arange(first, last) + 0.5) / RATE
        likeness, activity = self._reading(track, points)
        hits = pick_hits(likeness)
        keep = slice(start * RATE - first, start * RATE - first + BLOCK * RATE)
        self._done.append((_padded(hits[keep]), _padded(activity[keep])))
        places, cells = where_it_stops(track, points[keep])
        self._places.append(_padded(places))
        found = how_it_comes(track, _moved(self._rows, track), points[keep], cells)
        self._sizes.append((_padded(found[0]), _padded(found[1])))
        while self._rows and self._rows[0].later < start + BLOCK - CONTEXT - 1:
            row = self._rows.popleft()
            if self._kept is not None:
                row.cells = None if row.cells is None else row.cells.astype(np.float16)
                row.moved = None
                self._kept.append(row)


def pick_hits(likeness: Floats) -> Floats:
    """The peaks of a likeness, as strengths of 0.25 to 1 beside zeros.

    A peak is the largest within 100 ms and stands over 1.5 times the median and a tenth of the
    largest within the block.
    """
    if not likeness.size or likeness.max() <= 0:
        return np.zeros_like(likeness)
    reach = 2 * round(REFRACTORY * RATE) + 1
    floor = max(FLOOR, 1.5 * float(np.median(likeness)), 0.1 * float(likeness.max()))
    peak = (likeness >= slide_maximum(likeness, reach)) & (likeness > floor)
    peak[1:] &= ~peak[:-1]  # of a flat top only the first point
    hits = np.where(peak, likeness, 0)
    if not peak.any():
        return hits
    return np.where(peak, np.minimum(1, 0.25 + 0.75 * hits / np.quantile(hits[peak], 0.9)), 0)


@dataclass(slots=True)
class _Held:
    until: Fraction  # last time at which this picture was seen
    luma: Luma


@dataclass(slots=True)
class _Row:
    earlier: float  # seconds
    later: float
    level: float = 0.0
    cells: Floats | None = None  # (5, 9, 16); None while the picture stands still
    camera: Floats | None = None  # (5,) shift, scale, brightness
    moved: Floats | None = None  # (3, 9, 16) as `motion.Changes` has it


_Pair = tuple[_Row, Luma, Luma]


def _compare(pairs: list[_Pair]) -> None:
    """Fill the rows with what happened between their pictures."""
    if not pairs:
        return
    lumas = {id(luma): luma for pair in pairs for luma in pair[1:]}
    place = {key: i for i, key in enumerate(lumas)}
    pictures = prepare(np.stack(list(lumas.values())))
    earlier, later = ([place[id(pair[side])] for pair in pairs] for side in (1, 2))
    changes = compare(pictures[earlier], pictures[later])
    levels = pictures.full.mean((1, 2))[later].tolist()
    cameras = np.column_stack([changes.camera, changes.brightness])
    found = zip(levels, changes.cells, cameras, changes.moved, strict=True)
    for (row, *_), (level, cells, camera, moved) in zip(pairs, found, strict=True):
        row.level, row.cells, row.camera, row.moved = level, cells, camera, moved


def _track(rows: deque[_Row], cuts: list[Fraction]) -> Track:
    earlier, later = np.array([(row.earlier, row.later) for row in rows]).T
    spans = (later - earlier).astype(np.float32)
    cells = np.zeros((len(rows), len(CHANNELS), ROWS, COLUMNS), np.float32)
    camera = np.zeros((len(rows), 5), np.float32)
    shots = np.array(cuts, np.float64)
    in_one_shot = shots.searchsorted(earlier, "right") == shots.searchsorted(later, "right")
    for i in np.flatnonzero(in_one_shot & (spans <= LONGEST)):
        if rows[i].cells is not None:
            cells[i], camera[i] = rows[i].cells, rows[i].camera
    difference = cells[:, CHANNELS.index("difference")].reshape(len(rows), -1)
    lost = np.median(difference, axis=1) > LOST
    cells[lost], camera[lost] = 0, 0
    levels = np.array([row.level for row in rows], np.float32)
    return Track((earlier + later) / 2, spans, cells, camera, levels)


def _moved(rows: Iterable[_Row], track: Track) -> Floats:
    """(m, 3, 9, 16) of the rows of a track; 0 where the track shows no motion."""
    shown = np.asarray(track.cells.reshape(len(track.times), -1).any(axis=1))
    moved = np.zeros((len(track.times), 3, ROWS, COLUMNS), np.float32)
    for i, row in enumerate(rows):
        if shown[i] and row.moved is not None:
            moved[i] = row.moved
    return moved


def _place(track: Track, points: NDArray[np.float64]) -> Floats:
    """Where something moves at some times, from left, -1, to right, 1; 0 where nothing does."""
    columns = track.cells[:, CHANNELS.index("difference")].sum(axis=1)
    sides = np.linspace(-1, 1, COLUMNS, dtype=np.float32)
    weighed = np.stack([columns @ sides, columns.sum(axis=1)], 1)
    smooth = slide_mean(weighed, 5)
    at = at_points(points, track.times, smooth)
    return np.where(at[:, 1] > 0, at[:, 0] / np.maximum(at[:, 1], 1e-6), 0).astype(np.float32)


def _padded(curve: Floats) -> Floats:
    padded = np.zeros(BLOCK * RATE, np.float32)
    padded[: len(curve)] = curve
    return padded
