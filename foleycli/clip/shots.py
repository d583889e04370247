"""Small gray pictures as they pass -> hard cuts, a few frames late and in constant memory.

A cut is where the picture changes (1) by much, (2) by far more than it does just before and after,
and (3) for good: no picture shortly before resembles any shortly after. Fast motion and whip pans
fail (2), flashes and muzzle fire fail (3). Likeness is judged on a 32 x 18 thumbnail with small
shifts allowed for camera moves, and without its mean, so a lamp that goes on is no cut.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from foleycli.config import FRAMES

THUMB_HEIGHT, THUMB_WIDTH = 18, 32
SHIFT = 2  # thumbnail pixels in each direction that a camera may move between two frames
NOISE = 6.0  # gray levels; differences of this size are no structure (film grain, dark pictures)
BIN_WIDTH = 8  # gray levels in a bin of the histogram
THRESHOLD = 0.26  # change at a cut: 0 is the same picture, 1 one that has nothing in common
CONTRAST = 1.6  # times that a cut is larger than the largest change beside it
STAYS = 0.9  # share of the threshold by which all pictures across the cut must differ
CALM = THRESHOLD / CONTRAST  # smaller changes decide nothing
REACH = 4  # pictures looked at on either side; longer than a flash

TILE = FRAMES.luma_height // THUMB_HEIGHT  # pixels of a picture in one of its thumbnail's, a side
TILE_ROWS = np.kron(np.eye(THUMB_HEIGHT), np.ones(TILE)).astype(np.float32)
TILE_COLUMNS = np.kron(np.eye(THUMB_WIDTH), np.ones(TILE)).T.astype(np.float32)
CORE = np.s_[..., SHIFT:-SHIFT, SHIFT:-SHIFT]  # of a thumbnail: what a shift leaves within it

Floats = NDArray[np.float32]
Luma = NDArray[np.uint8]  # (90, 160)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What is kept of a picture."""

    time: Fraction
    thumb: Floats  # (18, 32) gray levels
    luma: Luma
    change: float = 0.0  # from the picture before


class ShotDetector:
    """Feed it every picture's brightness; ``cuts`` grows as it goes, ``finish`` decides the rest.

    >>> detector = ShotDetector()
    >>> for picture in decode_pictures(clip):
    ...     detector.add(picture.time, picture.luma)
    >>> cuts = detector.finish()
    """

    def __init__(self) -> None:
        self.cuts: list[Fraction] = []
        self._views: deque[_View] = deque(maxlen=2 * REACH + 1)
        self._waiting = 0  # pictures at the end of ``_views`` that are not judged yet

    @property
    def known_until(self) -> Fraction | None:
        """Up to here, included, every cut is known; None at the beginning."""
        judged = len(self._views) - self._waiting
        return self._views[judged - 1].time if judged else None

    def add(self, time: Fraction, luma: Luma) -> None:
        """Take in a picture: ``time`` in seconds, rising; ``luma`` (90, 160) uint8."""
        self.add_all([time], luma[None])

    def add_all(self, times: Sequence[Fraction], lumas: NDArray[np.uint8]) -> None:
        """Take in (n, 90, 160) pictures, which costs less than one by one."""
        thumbs = _thumbnails(lumas)
        first = self._views[-1].thumb if self._views else thumbs[0]
        changes = _structure(np.concatenate([first[None], thumbs[:-1]])[CORE], thumbs[CORE])
        for view in map(_View, times, thumbs, lumas, changes.tolist()):
            if view.change > CALM:
                view = replace(view, change=_difference(self._views[-1], view))
            self._views.append(view)
            self._waiting += 1
            if self._waiting > REACH:
                self._judge()

    def finish(self) -> tuple[Fraction, ...]:
        """All cuts in seconds: when the first picture of each new shot is shown."""
        while self._waiting:
            self._judge()
        return tuple(self.cuts)

    def _judge(self) -> None:
        at = len(self._views) - self._waiting
        self._waiting -= 1
        views = list(self._views)
        before, after = views[max(0, at - REACH) : at], views[at : at + REACH + 1]
        if before and _is_cut(before, after):
            self.cuts.append(after[0].time)


def _is_cut(before: list[_View], after: list[_View]) -> bool:
    change = after[0].change
    if change < THRESHOLD:
        return False
    beside = max((view.change for view in before[1:] + after[1:]), default=0.0)
    if change < CONTRAST * beside:
        return False
    across = (_difference(a, b) for a in before for b in after[:REACH])
    return min(across) >= STAYS * THRESHOLD


def _difference(earlier: _View, later: _View) -> float:
    """How much two pictures differ in structure and brightness, from 0 to about 1.

    Structure: squared difference over summed variance, at the best shift, means removed.
    Brightness: the share of the histogram that moved to other bins; it confirms a change of
    structure but cannot stand for one, or every lamp that goes on would be a cut.
    """
    core = earlier.thumb[CORE]
    structure = float(_structure(core, later.thumb[CORE]))
    if structure > CALM:  # spare the search otherwise
        shifted = sliding_window_view(later.thumb, core.shape).reshape(-1, *core.shape)
        structure = float(_structure(core, shifted).min())
    moved = np.abs(_histogram(earlier.luma) - _histogram(later.luma))
    return min(structure, (structure + float(moved.sum()) / 2) / 2)


def _structure(cores: Floats, others: Floats) -> Floats:
    """The difference of thumbnails (..., h, w) from others, without any shift: (...)."""
    cores = cores - cores.mean((-2, -1), keepdims=True)
    others = others - others.mean((-2, -1), keepdims=True)
    variance = np.square(cores).mean((-2, -1)) + np.square(others).mean((-2, -1)) + NOISE**2
    return np.asarray(np.square(others - cores).mean((-2, -1)) / variance, np.float32)


def _thumbnails(lumas: NDArray[np.uint8]) -> Floats:
    """(n, 90, 160) -> (n, 18, 32) means; as products with ones, which are exact and quick."""
    sums = TILE_ROWS @ (lumas.astype(np.float32) @ TILE_COLUMNS)
    return np.asarray(sums / TILE**2, np.float32)


def _histogram(luma: Luma) -> Floats:
    """Shares of gray levels, softened so that a slight change of light moves little."""
    counts = np.bincount((luma // BIN_WIDTH).ravel(), minlength=256 // BIN_WIDTH)
    padded = np.pad(counts / luma.size, 1, mode="edge")
    return np.convolve(padded, [0.25, 0.5, 0.25], "valid").astype(np.float32)
