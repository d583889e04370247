"""Shots known again by their pictures, where neither their file nor timecode says what they are.

Every picture is kept as 16 x 9 mean gray levels. Two stretches are the same film when their mean
pictures are alike, but for the fifth of the cells that differ most (burnt-in timecode, a logo), and
when what changes in each cell changes alike in time, which also says at which frame: a correlation
over all cells and pictures, that neither a grade nor what stands still in the picture moves.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.clip.media import content_hash
from foleycli.clip.probe import Clip, probe
from foleycli.config import FRAMES
from foleycli.documents import files_under, is_file
from foleycli.errors import FoleyError
from foleycli.frames.decode import decode_pictures
from foleycli.timeline.lanes import Lane
from foleycli.timeline.match import NewShot
from foleycli.timeline.model import file_name

LOG = logging.getLogger("foleycli")
ROWS, COLUMNS = 9, 16
FINE = 256  # steps of a gray level that are kept
PROBES = 5  # pictures of a shot that are looked for at first
SEEN = 0.7  # likeness of a picture that may be the same
LEAST_SEEN = 2  # of the probes
NOISE = 0.4  # gray levels of a cell that coding alone changes
MOVES = 0.8  # gray levels of change in a cell from which a shot is not still
SHORTEST = 12  # pictures that two shots must share, unless they are shorter
SHARED = 0.3  # of the shorter one
TRIMMED = 0.2  # of the cells, those that differ most, say nothing
ALIKE = 0.85  # of mean pictures, from which they may be the same
TOGETHER = 0.6  # of what changes, from which it is the same
STILL = 0.97  # of mean pictures of which nothing moves
CANDIDATES = 12  # places at which a shot is compared closely

Cells = NDArray[np.float32]  # (pictures, ROWS * COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Pictures of a stretch of film, small."""

    times: tuple[Fraction, ...]  # seconds of the film
    levels: NDArray[np.uint16]  # (pictures, cells), in steps of 1/FINE

    @property
    def cells(self) -> Cells:
        """Gray levels."""
        return self.levels.astype(np.float32) / np.float32(FINE)


@dataclass(frozen=True, slots=True)
class Found:
    """Where one strip lies on another."""

    shift: int  # pictures: that of the second one at the first one's beginning
    likeness: float  # 0 to 1


class StripReader:
    """Makes a strip of pictures as they pass."""

    def __init__(self) -> None:
        self._times: list[Fraction] = []
        self._levels: list[NDArray[np.uint16]] = []

    def add(self, time: Fraction, luma: NDArray[np.uint8]) -> None:
        """Take in a picture: seconds, and its brightness (90, 160)."""
        high, wide = FRAMES.luma_height // ROWS, FRAMES.luma_width // COLUMNS
        tiles = luma.reshape(ROWS, high, COLUMNS, wide).mean(axis=(1, 3), dtype=np.float32)
        self._times.append(time)
        self._levels.append(np.rint(tiles.reshape(-1) * FINE).astype(np.uint16))

    def strip(self) -> Strip:
        """All of it."""
        levels = np.stack(self._levels) if self._levels else np.zeros((0, ROWS * COLUMNS), "u2")
        return Strip(tuple(self._times), levels.astype(np.uint16))


def read_strip(film: Clip, start: Fraction, end: Fraction | None) -> Strip:
    """The pictures of a span of a film.

    Raises:
        MediaError: nothing decodes.
    """
    reader = StripReader()
    for picture in decode_pictures(film, max(start, Fraction(0)), end):
        reader.add(max(start, Fraction(0)) + picture.time, picture.luma)
    return reader.strip()


class Looks:
    """Tells where on a lane a shot's pictures are; what `match.ByPicture` asks.

    Args:
        films: of the shots, by content hash.
        roots: folders in which a lane's film is looked for by its name, where it is not in its
            place.
    """

    def __init__(self, films: dict[str, Clip], roots: Iterable[Path] = ()) -> None:
        self._films, self._roots = films, list(roots)
        self._shots: dict[tuple, Strip | None] = {}
        self._lanes: dict[int, list[tuple[Strip, Fraction]]] = {}
        self._found: dict[str, Clip | None] = {}

    def __call__(self, shot: NewShot, lane: Lane) -> tuple[Fraction, float] | None:
        """Lane seconds at the first frame of the shot's film, and how alike they are; None where
        the pictures are others, or cannot be compared."""
        if shot.still is not None or lane.still is not None:
            return None
        strip = self._shot(shot)
        if strip is None or not strip.times:
            return None
        best: tuple[Fraction, float] | None = None
        for other, offset in self._lane(lane):
            found = align(strip.cells, other.cells)
            if found is None or (best and best[1] >= found.likeness):
                continue
            first = max(0, found.shift)
            at = offset + other.times[first] - strip.times[first - found.shift]
            best = at, found.likeness
        return best

    def _shot(self, shot: NewShot) -> Strip | None:
        key = shot.film, shot.core
        if key not in self._shots:
            self._shots[key] = _strip_of(self._films[shot.film], *shot.core)
        return self._shots[key]

    def _lane(self, lane: Lane) -> list[tuple[Strip, Fraction]]:
        """Strips of what was looked at of a lane, and lane seconds at its film's first frame."""
        if lane.number not in self._lanes:
            film = self._film(lane)
            strips = []
            for span in lane.covered if film else ():
                assert film is not None
                offset = lane.films[content_hash(film.path)]
                strip = _strip_of(film, *(at - offset for at in span))
                if strip is not None and strip.times:
                    strips.append((strip, offset))
            self._lanes[lane.number] = strips
        return self._lanes[lane.number]

    def _film(self, lane: Lane) -> Clip | None:
        """The film of a lane: where it was, or of its name under the roots, if it is that one."""
        if lane.path not in self._found:
            self._found[lane.path] = self._look_for(lane)
            if self._found[lane.path] is None:
                LOG.warning(
                    "%s is gone: its shots are not looked for by picture", file_name(lane.path)
                )
        film = self._found[lane.path]
        return film if film and content_hash(film.path) in lane.films else None

    def _look_for(self, lane: Lane) -> Clip | None:
        name = file_name(lane.path)
        there = [Path(lane.path)] if lane.path and is_file(Path(lane.path)) else []
        under = (p for root in self._roots for p in files_under(root) if p.name == name)
        for path in (*there, *under):
            try:
                if content_hash(path) in lane.films:
                    return probe(path)
            except (FoleyError, OSError):
                continue
        return None


def _strip_of(film: Clip, start: Fraction, end: Fraction) -> Strip | None:
    try:
        return read_strip(film, start, end)
    except FoleyError:
        return None


def align(shot: Cells, lane: Cells) -> Found | None:
    """Where the pictures of a shot are among those of a lane; None where they are not."""
    if not _may_be(shot, lane):
        return None
    found = [
        one for shift in _places(shot, lane) if (one := compare(shot, lane, shift)) is not None
    ]
    return max(found, key=lambda one: (one.likeness, -abs(one.shift)), default=None)


def _may_be(shot: Cells, lane: Cells) -> bool:
    """Whether some pictures of a shot are like some of a lane."""
    at = np.unique(np.linspace(0, len(shot) - 1, PROBES).round().astype(int))
    alike = _unit(shot[at]) @ _unit(lane).T
    return int((alike.max(axis=1) >= SEEN).sum()) >= min(LEAST_SEEN, len(at))


def _unit(cells: Cells) -> Cells:
    plain = cells - cells.mean(axis=1, keepdims=True)
    return plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-3)


def _least(shot: int, lane: int) -> int:
    """Pictures that must be shared."""
    shorter = min(shot, lane)
    return min(shorter, max(SHORTEST, round(SHARED * shorter)))


def _places(shot: Cells, lane: Cells) -> list[int]:
    """Shifts at which what changes goes best together, and those at which heads or tails meet."""
    count, other = len(shot), len(lane)
    least = _least(count, other)
    size = 1 << (count + other).bit_length()
    a, b = (cells - cells.mean(axis=0) for cells in (shot, lane))
    spectrum = np.conj(np.fft.rfft(a, size, axis=0)) * np.fft.rfft(b, size, axis=0)
    product = np.fft.irfft(spectrum.sum(axis=1), size)
    shifts = np.arange(least - count, other - least + 1)
    inner = np.maximum(0, shifts), np.minimum(other, shifts + count)
    energies = [np.concatenate([[0.0], np.cumsum(np.square(x).sum(axis=1))]) for x in (a, b)]
    own = energies[0][inner[1] - shifts] - energies[0][inner[0] - shifts]
    theirs = energies[1][inner[1]] - energies[1][inner[0]]
    silent = NOISE**2 * ROWS * COLUMNS * (inner[1] - inner[0])
    scores = product[shifts] / np.sqrt((own + silent) * (theirs + silent))
    best = shifts[np.argsort(-scores, kind="stable")[:CANDIDATES]]
    met = [shift for shift in (0, other - count) if shifts[0] <= shift <= shifts[-1]]
    return list(dict.fromkeys([*met, *map(int, best)]))


def compare(shot: Cells, lane: Cells, shift: int) -> Found | None:
    """How alike two strips are where they lie over one another; None where they are not."""
    first, last = max(0, shift), min(len(lane), shift + len(shot))
    a, b = shot[first - shift : last - shift], lane[first:last]
    if len(a) < _least(len(shot), len(lane)):
        return None
    looks = _alike(a.mean(axis=0), b.mean(axis=0))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    changes = np.sqrt(np.square(a).mean(axis=0)), np.sqrt(np.square(b).mean(axis=0))
    if max(np.sort(changes[1])[-len(changes[1]) // 4 :].mean(), 0.0) < MOVES:
        return Found(shift, looks) if looks >= STILL else None
    both = float((a * b).sum())
    noise = NOISE**2 * a.size
    together = both / float(np.sqrt((np.square(a).sum() + noise) * (np.square(b).sum() + noise)))
    shared = _burnt_out(a, b, *changes)
    together = max(together, shared)
    if looks < ALIKE or together < TOGETHER:
        return None
    return Found(shift, (looks + together) / 2)


def _burnt_out(a: Cells, b: Cells, own: Cells, theirs: Cells) -> float:
    """The same of the cells but for those that change in one strip far more than in the other:
    digits that were burnt in."""
    ratio = np.log((own + NOISE) / (theirs + NOISE))
    kept = np.argsort(np.abs(ratio - np.median(ratio)), kind="stable")[
        : round((1 - TRIMMED) * len(ratio))
    ]
    a, b = a[:, kept], b[:, kept]
    noise = NOISE**2 * a.size
    energies = (np.square(a).sum() + noise) * (np.square(b).sum() + noise)
    return float((a * b).sum() / np.sqrt(energies))


def _alike(one: Cells, other: Cells) -> float:
    """Correlation of two mean pictures, but for the cells that differ most."""
    away = np.abs(_level(one) - _level(other))
    kept = np.argsort(away, kind="stable")[: round((1 - TRIMMED) * len(one))]
    return float((_level(one[kept]) * _level(other[kept])).mean())


def _level(cells: Cells) -> Cells:
    plain = cells - cells.mean()
    return plain / max(float(plain.std()), 1e-3)
