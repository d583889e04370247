"""What is heard in a sound, in one pass and little memory: its shape, onsets, and words."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from foleycli.listeners.ear import FLOOR, OFFSET, PATCH, PATCH_HOP, Ear, ear
from foleycli.listeners.yamnet import HOP, N_MELS, SAMPLE_RATE, WINDOW, log_mel
from foleycli.visualize.sound import Sound, read_blocks
from foleycli.visualize.words import words_of

RATE = SAMPLE_RATE // HOP  # frames a second: 100
STEP = PATCH_HOP / RATE  # seconds from one patch to the next: 0.48
NEPER_DB = 20 / np.log(10)
OVERVIEW = 2048  # points of the shape of the whole
ON, OFF = 0.3, 0.18  # probability from which a class is heard, and until which it stays so
EVEN = 0.5  # probability from which a word stands without a question mark
QUIET = 6.5  # nepers, 56 dB, under the loudest: nothing is heard there
JOIN = 1.0  # seconds; a shorter gap in what is heard is none
RISE_DB, LOCAL = 2.5, 0.2  # an onset stands over its surroundings by so much, and by this share
NEAR = 4  # seconds either way: how far the strongest onset is looked for
APART = 6  # frames between two onsets at least

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Span:
    """Something heard for a while."""

    start: float  # seconds
    end: float
    name: str  # class of the listener
    words: str
    sure: float  # largest probability

    @property
    def label(self) -> str:
        """The words; what is less sure than not has a question mark."""
        return self.words if self.sure >= EVEN else f"{self.words}?"


@dataclass(frozen=True, slots=True)
class Heard:
    """What is heard in a sound."""

    duration: float  # seconds
    overview: NDArray[np.float32]  # (points, 2): lowest and highest sample
    strength: NDArray[np.float32]  # (frames,) rise of the spectrum in dB, 100 a second
    level: NDArray[np.float32]  # (frames,) loudest band in nepers
    onsets: NDArray[np.float64]  # (n,) seconds
    sizes: NDArray[np.float32]  # (n,) 0 to 1: of the strongest onset around
    scores: NDArray[np.float32]  # (patches, classes) probabilities, one each 0.48 s
    vectors: NDArray[np.float32]  # (patches, 384) words, less the listener's mean
    classes: tuple[str, ...]
    spans: tuple[Span, ...]


def hear(sound: Sound, listener: Ear | None = None, progress: Progress = lambda _: None) -> Heard:
    """Listen to all of a sound.

    Raises:
        MediaError: it cannot be read.
        ModelError: the listener's weights are missing.
    """
    overview = _Overview(sound.samples)
    blocks = _watched(read_blocks(sound), overview, sound, progress)
    frames = _frames(blocks, sound.sample_rate, sound.samples)
    return _listen(frames, overview, float(sound.duration), listener or ear())


def hear_waveform(waveform: NDArray[np.float32], listener: Ear | None = None) -> Heard:
    """The same of (samples,) at 16 kHz."""
    overview = _Overview(len(waveform))
    overview.push(waveform)
    frames = _frames([waveform], SAMPLE_RATE, len(waveform))
    return _listen(frames, overview, len(waveform) / SAMPLE_RATE, listener or ear())


def _listen(
    blocks: Iterable[NDArray[np.float32]], overview: "_Overview", duration: float, listener: Ear
) -> Heard:
    strength, level, scores, vectors = [], [], [], []
    rises, patches = _Rises(), _Patches()
    for frames in blocks:
        level.append(frames.max(axis=1))
        strength.append(rises.push(frames))
        for batch in patches.push(frames):
            heard, words = listener.hear(batch)
            scores.append(heard)
            vectors.append(words)
    heard, words = listener.hear(patches.rest())
    all_scores = np.concatenate([*scores, heard])
    rise, loud = np.concatenate([*strength, rises.rest()]), np.concatenate(level)
    onsets, sizes = find_onsets(rise, loud)
    return Heard(
        duration=duration,
        overview=overview.points,
        strength=rise,
        level=loud,
        onsets=onsets,
        sizes=sizes,
        scores=all_scores,
        vectors=np.concatenate([*vectors, words]),
        classes=listener.classes,
        spans=tuple(
            _on_onset(span, onsets)
            for span in find_spans(all_scores, loud, listener.classes, duration)
        ),
    )


def _on_onset(span: Span, onsets: NDArray[np.float64]) -> Span:
    """A patch says what is heard to half a second; an onset close by says when it begins."""
    near = onsets[np.abs(onsets - span.start) < STEP + 0.1]
    near = near[near < span.end]
    if not len(near) or span.start == 0:
        return span
    return replace(span, start=float(near[np.abs(near - span.start - STEP / 2).argmin()]))


def find_onsets(
    strength: NDArray[np.float32], level: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Peaks of an onset strength: their times in seconds, and sizes against the strongest around.

    A peak is the largest within 60 ms either way, and stands over the mean of 100 ms before and
    after by 2.5 dB and by a share of the strongest peak within four seconds.
    """
    if not strength.size:
        return np.empty(0), np.empty(0, np.float32)
    around = uniform_filter1d(strength, 21, mode="nearest")
    strongest = maximum_filter1d(strength, 2 * NEAR * RATE + 1, mode="nearest")
    peaks = strength >= maximum_filter1d(strength, 2 * APART + 1, mode="nearest")
    stands_out = strength > around + np.maximum(RISE_DB, LOCAL * strongest)
    after = maximum_filter1d(level, 11, mode="nearest", origin=-5)  # what rises is heard after
    found = np.flatnonzero(peaks & stands_out & (after > level.max() - QUIET))
    return found / RATE, (strength[found] / np.maximum(strongest[found], 1e-6)).astype(np.float32)


def find_spans(
    scores: NDArray[np.float32],
    level: NDArray[np.float32],
    classes: tuple[str, ...],
    duration: float,
) -> Iterator[Span]:
    """When each class is heard: from a likelihood of .3 until one under .18, gaps joined."""
    smooth = uniform_filter1d(scores, 3, axis=0, mode="nearest") if len(scores) > 2 else scores
    smooth = np.maximum(smooth, 0.8 * scores)  # a single hit is one patch long
    for patch in range(len(smooth)):
        part = level[patch * PATCH_HOP :][:PATCH]
        if not len(part) or part.max() < max(level.max() - QUIET, FLOOR + 1):
            smooth[patch] = 0
    spans: list[Span] = []
    for column, name in enumerate(classes):
        spans += _spans_of(smooth[:, column], name, duration)
    return iter(sorted(spans, key=lambda span: (span.start, -span.sure)))


def _spans_of(curve: NDArray[np.float32], name: str, duration: float) -> Iterator[Span]:
    found: list[list[float]] = []
    start, sure = None, 0.0
    for patch, value in enumerate([*curve, 0.0]):
        if start is None and value >= ON:
            start, sure = patch, float(value)
        elif start is not None and value >= OFF:
            sure = max(sure, float(value))
        elif start is not None:
            begin, end = (start + 0.5) * STEP, (patch + 0.5) * STEP
            begin = 0.0 if start == 0 else begin
            if found and begin - found[-1][1] < JOIN:
                found[-1][1:] = [end, max(sure, found[-1][2])]
            else:
                found.append([begin, end, sure])
            start = None
    words = words_of(name)
    for begin, end, certain in found:
        if begin < duration:
            yield Span(begin, min(end, duration), name, words, certain)


def _watched(
    blocks: Iterable[NDArray[np.float32]],
    overview: "_Overview",
    sound: Sound,
    progress: Progress,
) -> Iterator[NDArray[np.float32]]:
    done = 0
    for block in blocks:
        mono = block.mean(axis=1)
        overview.push(mono)
        done += len(mono)
        progress(done / sound.samples)
        yield mono


def _frames(
    mono: Iterable[NDArray[np.float32]], sample_rate: int, samples: int
) -> Iterator[NDArray[np.float32]]:
    """Log-mel frames (n, 64) in blocks, the first centred on the first sample."""
    resampler = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32")
    held = np.zeros(WINDOW // 2, np.float32)
    total, made = -(-samples * SAMPLE_RATE // sample_rate), 0
    wanted = -(-total // HOP)  # frames
    for block in _resampled(mono, resampler):
        held = np.concatenate([held, block.reshape(-1)])
        count = (len(held) - WINDOW) // HOP + 1
        if count > 0:
            yield log_mel(held[: (count - 1) * HOP + WINDOW], OFFSET).astype(np.float32)
            held = held[count * HOP :]
            made += count
    if made < wanted:
        rest = np.zeros((wanted - made - 1) * HOP + WINDOW, np.float32)
        rest[: min(len(held), len(rest))] = held[: len(rest)]
        yield log_mel(rest, OFFSET).astype(np.float32)


def _resampled(
    mono: Iterable[NDArray[np.float32]], resampler: soxr.ResampleStream
) -> Iterator[NDArray[np.float32]]:
    for block in mono:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


class _Overview:
    """Lowest and highest sample in each of so many equal parts of the whole."""

    def __init__(self, samples: int) -> None:
        self.points = np.zeros((min(OVERVIEW, max(1, samples)), 2), np.float32)
        self._samples, self._at = samples, 0

    def push(self, mono: NDArray[np.float32]) -> None:
        count = len(self.points)
        first = self._at * count // self._samples
        last = min(count - 1, (self._at + len(mono) - 1) * count // self._samples)
        edges = -(-np.arange(first, last + 1) * self._samples // count) - self._at
        starts = np.clip(edges, 0, len(mono) - 1)
        low, high = np.minimum.reduceat(mono, starts), np.maximum.reduceat(mono, starts)
        part = self.points[first : last + 1]
        part[:, 0], part[:, 1] = np.minimum(part[:, 0], low), np.maximum(part[:, 1], high)
        self._at += len(mono)


class _Rises:
    """Onset strength of frames that come in blocks: the mean rise in dB over 20 ms."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._top = FLOOR + 1.0

    def push(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        self._top = max(self._top, float(frames.max()))
        first = self._last is None
        before = np.repeat(frames[:1], 2, axis=0) if self._last is None else self._last
        joined = np.maximum(np.concatenate([before, frames]), self._top - 80 / NEPER_DB)
        self._last = np.concatenate([before, frames])[-2:]
        rises = np.maximum(0, joined[2:] - joined[:-2]).mean(axis=1) * NEPER_DB
        # a rise from frame i - 2 to i belongs to i - 1
        return rises[1:] if first else rises

    def rest(self) -> NDArray[np.float32]:
        return np.zeros(1, np.float32)


class _Patches:
    """Frames that come in blocks, as batches of patches."""

    def __init__(self) -> None:
        self._held = np.empty((0, N_MELS), np.float32)
        self._any = False

    def push(self, frames: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        self._held = np.concatenate([self._held, frames])
        count = (len(self._held) - PATCH) // PATCH_HOP + 1
        if count > 0:
            starts = range(0, count * PATCH_HOP, PATCH_HOP)
            yield np.stack([self._held[start : start + PATCH] for start in starts])
            self._held = self._held[count * PATCH_HOP :]
            self._any = True

    def rest(self) -> NDArray[np.float32]:
        """The last one, filled with silence: (1, 96, 64)."""
        missing = PATCH - min(PATCH, len(self._held))
        filled = np.pad(self._held[:PATCH], ((0, missing), (0, 0)), constant_values=FLOOR)
        return filled[None]
