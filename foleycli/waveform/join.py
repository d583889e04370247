"""Windows, shot by shot, to one waveform: overlapped, joined at equal power, bounded by cuts."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import soxr
from numpy.typing import NDArray

from foleycli.config import FEATURES, OUTPUT, WINDOW

Samples = NDArray[np.float32]
# (rows (T, 512), seed) -> T / 4 seconds of sound
SoundWindow = Callable[[NDArray[np.float32], int], Samples]

# The same, telling (steps done, steps) while it samples.
SampleWindow = Callable[[NDArray[np.float32], int, Callable[[int, int], None]], Samples]
Share = Callable[[float], None]  # told how much of the sound is made, 0 to 1

EDGE = 0.005  # seconds in which a shot's sound comes and goes, so that a cut does not click


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of features and where their sound is heard: the whole of a shot."""

    rows: NDArray[np.float32]  # (T, 512)
    start: Fraction  # seconds of film at the first row's beginning
    begin: Fraction  # seconds of film from which it is heard, at or after ``start``
    end: Fraction  # seconds of film at which it stops


@dataclass(frozen=True, slots=True)
class Plan:
    """How rows are dealt to windows."""

    rate: Fraction  # rows a second
    size: int  # rows of a window
    shared: int  # rows that neighbours share


FEATURE_PLAN = Plan(
    Fraction(FEATURES.frame_rate),
    round(WINDOW.duration * FEATURES.frame_rate),
    round(WINDOW.overlap * FEATURES.frame_rate),
)


def sound_stretches(
    stretches: Iterable[Stretch],
    sound_window: SoundWindow,
    sample_rate: int,
    seed: int,
    plan: Plan = FEATURE_PLAN,
) -> Iterator[Samples]:
    """Sound stretches that follow one another without a gap.

    Args:
        sound_window: makes the sound of at most ``WINDOW.duration`` seconds.
        sample_rate: Hz, of ``sound_window``.
        seed: each window's own seed follows from this and its time, not from what was made before.
        plan: of the rows of the stretches.

    Yields:
        (samples,) at 48 kHz; a stretch has exactly round(end x 48000) - round(begin x 48000).
    """
    overlap = round(plan.shared / plan.rate * sample_rate)
    for stretch in stretches:
        windows = (
            sound_window(stretch.rows[part], window_seed(seed, stretch.start, part.start, plan))
            for part in plan_windows(len(stretch.rows), plan)
        )
        joined = resample(join_windows(windows, overlap), sample_rate, OUTPUT.sample_rate)
        lead = round((stretch.begin - stretch.start) * OUTPUT.sample_rate)
        first, last = (round(t * OUTPUT.sample_rate) for t in (stretch.begin, stretch.end))
        yield from _cut_out(joined, lead, last - first)


def watch_windows(sound_window: SampleWindow, count: int, told: Share) -> SoundWindow:
    """Tell, from within each of ``count`` windows, how far all of them have come."""
    done = 0

    def watched(rows: NDArray[np.float32], seed: int) -> Samples:
        nonlocal done
        samples = sound_window(
            rows, seed, lambda step, steps: told((done + step / steps) / max(1, count))
        )
        done += 1
        return samples

    return watched


def nobody(share: float) -> None:
    """Progress that nobody watches."""


def plan_windows(rows: int, plan: Plan = FEATURE_PLAN) -> list[slice]:
    """Rows of each window: all full but the last.

    >>> plan_windows(40)
    [slice(0, 32, None), slice(30, 40, None)]
    """
    starts = range(0, max(1, rows - plan.shared), plan.size - plan.shared)
    return [slice(start, min(start + plan.size, rows)) for start in starts]


def join_windows(windows: Iterable[Samples], overlap: int) -> Iterator[Samples]:
    """Join windows (samples,) in playing order; each shares ``overlap`` samples with the next.

    The gains of a seam are a quarter turn of sine and cosine: equal power for sounds that are
    independent, as windows drawn from independent noise are.

    Yields:
        in total the windows' samples less ``overlap`` a seam.
    """
    turn = (np.arange(overlap, dtype=np.float32) + 0.5) * np.float32(np.pi / 2 / max(1, overlap))
    fade_in, fade_out = np.sin(turn), np.cos(turn)
    held: Samples | None = None
    for window in windows:
        if held is not None:
            yield held[:-overlap] if overlap else held
            if overlap:
                seam = held[-overlap:] * fade_out + window[:overlap] * fade_in
                window = np.concatenate([seam, window[overlap:]])
        held = window
    if held is not None:
        yield held


def resample(blocks: Iterable[Samples], from_rate: int, to_rate: int) -> Iterator[Samples]:
    """The same sound at another rate, as it passes; nothing moves in time."""
    if from_rate == to_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _cut_out(blocks: Iterable[Samples], lead: int, total: int) -> Iterator[Samples]:
    """``total`` samples after the first ``lead``, faded at both ends, filled up with silence."""
    edge = min(round(EDGE * OUTPUT.sample_rate), total // 2)
    ramp = np.linspace(0, 1, edge + 2, dtype=np.float32)[1:-1]
    position = -lead
    for block in blocks:
        heard = block[max(0, -position) : max(0, total - position)].copy()
        at = max(0, position)
        position += len(block)
        _fade(heard, at, ramp)
        _fade(heard[::-1], total - at - len(heard), ramp)
        if len(heard):
            yield heard
    if position < total:
        yield np.zeros(total - max(0, position), np.float32)


def _fade(samples: Samples, at: int, ramp: Samples) -> None:
    """Apply the part of a ramp that falls on samples beginning ``at`` samples into it."""
    part = ramp[at : at + len(samples)] if at >= 0 else ramp[:0]
    samples[: len(part)] *= part


def window_seed(seed: int, start: Fraction, row: int, plan: Plan = FEATURE_PLAN) -> int:
    """The seed of the window at ``row`` of a stretch that begins at ``start``."""
    at = start + row / plan.rate
    return zlib.crc32(f"{seed} {at}".encode())
