"""What is heard on tracks of a reel: how loud ten times a second, and when something begins.

Tracks are read a second at a time and never held. What is kept grows by some hundred numbers a
second.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from foleycli.clip.media import open_media
from foleycli.config import OUTPUT
from foleycli.errors import MediaError
from foleycli.mux.bwf_read import read_broadcast
from foleycli.mux.soundtrack import read_soundtrack
from foleycli.waveform.loudness import k_weighting

LOG = logging.getLogger("foleycli")
RATE = OUTPUT.sample_rate
STEPS = 10  # of loudness, a second
POINTS = 100  # of the onset strength, a second
WINDOW = 1024  # samples of an analysis window
BANDS = 24
LOWEST, HIGHEST = 60, 16_000  # Hz
FLOOR_DB = -90.0  # of a band, under full scale, below which nothing rises
BEFORE, AFTER = (10, 3), (0, 4)  # points that are compared: 70 ms before with 40 ms from there on
ALIKE = 4  # a rise is the mean of this part of the bands, those that rise most
EARLY = Fraction(60)  # seconds before the reel at which a stamped wave may begin: leader, pop
PLAIN = (".wav", ".rf64", ".w64", ".flac", ".aif", ".aiff")  # samples that can be sought

Floats = NDArray[np.float64]
Mono = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a sound file, where it lies on the reel."""

    path: Path
    at: Fraction  # seconds of the reel
    source: Fraction = Fraction(0)  # seconds of the file, from the stamp ``origin``
    duration: Fraction | None = None  # seconds; to its end when None
    index: int = 0  # of the stream in its file
    origin: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class TrackSound:
    """What lies on a track, or the tracks of a stem."""

    name: str
    pieces: tuple[Piece, ...]

    def blocks(self, duration: Fraction) -> Iterator[Mono]:
        """(samples,) float32 at 48 kHz, a second at a time; channels are summed, over the root of
        their number, so that what is alike in none of them keeps its level.

        Raises:
            MediaError: a file cannot be read.
        """
        total = round(duration * RATE)
        waiting = sorted((_Voice(piece) for piece in self.pieces), key=lambda voice: voice.first)
        playing: list[_Voice] = []
        for begin in range(0, total, RATE):
            mixed = np.zeros(min(RATE, total - begin), np.float32)
            while waiting and waiting[0].first < begin + len(mixed):
                playing.append(waiting.pop(0))
            for voice in playing:
                voice.add_to(mixed, begin)
            playing = [voice for voice in playing if not voice.is_done]
            yield mixed


class _Voice:
    """A piece as it is read along."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self.first = round(piece.at * RATE)
        self._last = None if piece.duration is None else round((piece.at + piece.duration) * RATE)
        self._blocks: Iterator[Mono] | None = None
        self._rest = np.zeros(0, np.float32)
        self.is_done = False

    def add_to(self, mixed: Mono, begin: int) -> None:
        """Add what lies in a block that begins at that sample of the reel."""
        if self._blocks is None:
            early = max(0, begin - self.first)  # it began before the reel
            self._blocks = _read(self._piece, self._piece.source + Fraction(early, RATE))
        start = max(0, self.first - begin)
        stop = len(mixed) if self._last is None else min(len(mixed), self._last - begin)
        wanted = stop - start
        while len(self._rest) < wanted and (block := next(self._blocks, None)) is not None:
            self._rest = np.concatenate([self._rest, block])
        part, self._rest = self._rest[: max(0, wanted)], self._rest[max(0, wanted) :]
        mixed[start : start + len(part)] += part
        self.is_done = len(part) < wanted or (self._last or np.inf) <= begin + len(mixed)


def _read(piece: Piece, source: Fraction) -> Iterator[Mono]:
    """Mono blocks of a file from an instant on; silence before its beginning."""
    if piece.path.suffix.lower() in PLAIN and not piece.origin:
        try:
            info = soundfile.info(str(piece.path))
        except (soundfile.SoundFileError, OSError) as error:
            raise MediaError(f"{piece.path} is no sound that can be read.", "Check it.") from error
        if info.samplerate == RATE:
            yield from _read_plain(piece.path, round(source * RATE))
            return
    for block in read_soundtrack(piece.path, piece.index, RATE, piece.origin + source):
        yield _mono(block)


def _read_plain(path: Path, first: int) -> Iterator[Mono]:
    if first < 0:
        yield np.zeros(-first, np.float32)
    with soundfile.SoundFile(str(path)) as file:
        file.seek(min(max(0, first), len(file)))
        for block in file.blocks(blocksize=RATE, dtype="float32", always_2d=True):
            yield _mono(np.asarray(block, np.float32))


def _mono(block: NDArray[np.float32]) -> Mono:
    channels = block.shape[1]
    return block @ np.full(channels, channels**-0.5, np.float32)


def open_sound(
    path: Path, reel_start: Fraction = Fraction(0), duration: Fraction | None = None
) -> TrackSound:
    """A sound file as a track: from the reel's first frame, or where its time stamp says.

    Args:
        reel_start: seconds from midnight of the reel's first frame; 0 where it has no timecode,
            and stamps say nothing.
        duration: seconds of the reel; a stamp past its end is of another reel, and says nothing.

    Raises:
        MediaError: it cannot be opened, or has no sound.
    """
    with open_media(path) as container:
        streams = container.streams.audio
        if not streams:
            raise MediaError(f"{path.name} holds no sound.", "Give a sound file.")
        pictures = [s for s in container.streams.video if s.start_time is not None]
        stamps = [Fraction(s.start_time or 0) * (s.time_base or 0) for s in pictures]
        origin = stamps[0] if stamps else Fraction(0)
        index = streams[0].index
    about = read_broadcast(path) if reel_start else None
    at = about.start - reel_start if about else Fraction(0)
    is_past = duration is not None and at >= duration
    if about and about.start and (at < -EARLY or is_past):
        LOG.warning("%s has the time stamp of another reel: taken from the first frame", path.name)
        at = Fraction(0)
    if about and not about.start:
        at = Fraction(0)
    return TrackSound(path.name, (Piece(path, at, index=index, origin=origin),))


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What is heard on one track, or on several."""

    loudness: Floats  # LUFS of each 100 ms, -inf where there is nothing
    onsets: Floats  # seconds at which something begins
    strengths: Floats  # dB by which it does

    @classmethod
    def together(cls, several: Sequence["Heard"], steps: int) -> "Heard":
        """Tracks that sound at once: loudness adds up, whatever begins on one of them begins."""
        energy = np.zeros(steps)
        for one in several:
            energy[: len(one.loudness)] += 10 ** (one.loudness[:steps] / 10)
        with np.errstate(divide="ignore"):
            loudness = 10 * np.log10(energy)
        found = [(at, by) for one in several for at, by in zip(one.onsets, one.strengths,
                                                               strict=True)]  # fmt: skip
        times, strengths = _apart(sorted(found))
        return cls(loudness, times, strengths)


def listen(blocks: Iterable[Mono], least_db: float) -> Heard:
    """Hear a track.

    Args:
        blocks: (samples,) at 48 kHz.
        least_db: by which something rises that begins.
    """
    meter, rises = _Meter(), _Rises()
    for block in blocks:
        meter.add(block)
        rises.add(block)
    times, strengths = _peaks(rises.strength(), least_db)
    return Heard(meter.loudness(), times, strengths)


class _Meter:
    """K-weighted loudness of each 100 ms (ITU-R BS.1770-4)."""

    def __init__(self) -> None:
        filters = k_weighting(RATE)
        self._sections = np.array([np.concatenate([b, a]) for b, a in filters])
        self._states = np.zeros((len(filters), 2))
        self._rest = np.zeros(0)
        self._parts: list[Floats] = []

    def add(self, block: Mono) -> None:
        from scipy.signal import sosfilt  # half a second to import

        filtered, self._states = sosfilt(self._sections, block, zi=self._states)
        power = np.concatenate([self._rest, np.square(filtered)])
        step = RATE // STEPS
        whole = len(power) // step
        self._parts.append(power[: whole * step].reshape(whole, step).mean(axis=1))
        self._rest = power[whole * step :]

    def loudness(self) -> Floats:
        """LUFS, the last step perhaps shorter."""
        rest = [np.array([self._rest.mean()])] if len(self._rest) else []
        energies = np.concatenate([np.zeros(0), *self._parts, *rest])
        with np.errstate(divide="ignore"):
            return -0.691 + 10 * np.log10(energies)


class _Rises:
    """By how many dB a sound rises at each point: the mean of the quarter of the bands that rise
    most, 40 ms against 70 ms before. A thud is in few bands, a click in all."""

    def __init__(self) -> None:
        self._hop = RATE // POINTS
        self._window = np.hanning(WINDOW)
        frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE)
        edges = np.geomspace(LOWEST, HIGHEST, BANDS + 1)
        self._edges = np.unique(np.searchsorted(frequencies, edges))
        self._rest = np.zeros(WINDOW // 2, np.float32)  # the first window is centred on sample 0
        self._levels = np.full((BEFORE[0], len(self._edges) - 1), FLOOR_DB)
        self._rises: list[NDArray[np.float32]] = []

    def add(self, block: Mono) -> None:
        self._rest = np.concatenate([self._rest, block])
        count = (len(self._rest) - WINDOW) // self._hop + 1
        if count <= 0:
            return
        rows = np.lib.stride_tricks.sliding_window_view(self._rest, WINDOW)[:: self._hop][:count]
        power = np.abs(np.fft.rfft(rows * self._window)) ** 2 / np.square(self._window.sum())
        summed = np.add.reduceat(power, self._edges, axis=1)[:, :-1]
        levels = np.maximum(10 * np.log10(summed + 1e-12), FLOOR_DB)
        self._rest = self._rest[count * self._hop :]
        self._compare(np.concatenate([self._levels, levels]))

    def _compare(self, levels: Floats) -> None:
        """Rises of all points whose 40 ms are known; ``levels`` begins 100 ms before the first."""
        points = len(levels) - BEFORE[0] - AFTER[1] + 1
        if points <= 0:
            self._levels = levels
            return
        sums = np.concatenate([np.zeros((1, levels.shape[1])), np.cumsum(levels, axis=0)])

        def mean(first: int, last: int) -> Floats:
            return (sums[last : last + points] - sums[first : first + points]) / (last - first)

        begin = BEFORE[0]
        before = mean(begin - BEFORE[0], begin - BEFORE[1])
        after = mean(begin + AFTER[0], begin + AFTER[1])
        rises = np.sort(np.maximum(0, after - before), axis=1)
        most = rises[:, -max(1, rises.shape[1] // ALIKE) :].mean(axis=1)
        self._rises.append(most.astype(np.float32))
        self._levels = levels[points:]

    def strength(self) -> NDArray[np.float32]:
        """(points,) dB, 0 where nothing rises."""
        self.add(np.zeros(WINDOW + AFTER[1] * self._hop, np.float32))
        return np.concatenate([np.zeros(0, np.float32), *self._rises])


AROUND = 2  # seconds on either side that say how much rises by chance
APART = 0.06  # seconds between two things that begin
CHANCE = 4.0  # times the usual spread that a rise is over what is usual


def _peaks(strength: NDArray[np.float32], least_db: float) -> tuple[Floats, Floats]:
    """Seconds and dB of what rises by more than so much, and by far more than what is around."""
    if not len(strength):
        return np.zeros(0), np.zeros(0)
    usual, spread = _usual(strength)
    limit = np.maximum(least_db, usual + CHANCE * spread)
    reach = round(APART * POINTS / 2)
    wide = np.pad(strength, reach)
    around = np.lib.stride_tricks.sliding_window_view(wide, 2 * reach + 1).max(axis=1)
    at = np.flatnonzero((strength >= limit) & (strength == around))
    times, strengths = _apart(zip(at / POINTS, strength[at].astype(float), strict=True))
    return times, strengths


def _usual(strength: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Median and spread of the four seconds around each point."""
    centres = np.arange(0, len(strength) + POINTS, POINTS)
    medians, spreads = [], []
    for centre in centres:
        part = strength[max(0, centre - AROUND * POINTS) : centre + AROUND * POINTS]
        median = float(np.median(part)) if len(part) else 0.0
        medians.append(median)
        spreads.append(1.4826 * float(np.median(np.abs(part - median))) if len(part) else 0.0)
    points = np.arange(len(strength))
    return np.interp(points, centres, medians), np.interp(points, centres, spreads)


def _apart(found: Iterable[tuple[float, float]]) -> tuple[Floats, Floats]:
    """What begins, in order of time; of several at once the strongest."""
    kept: list[tuple[float, float]] = []
    for at, by in found:
        if kept and at - kept[-1][0] < APART:
            if by > kept[-1][1]:
                kept[-1] = at, by
            continue
        kept.append((at, by))
    return np.array([at for at, _ in kept]), np.array([by for _, by in kept])
