"""What a session plays: its sounds laid out sample by sample, as a mixing program would."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from foleycli.timeline.model import Media, Timeline, Track, as_overlaps

RATE = 48_000
STEP = 256  # one of 24 bits, in 32


def play(timeline: Timeline, tracks: tuple[Track, ...], samples: int, channels: int) -> np.ndarray:
    """(samples, channels) int64: every event from its wave, with its linear fades, summed."""
    begin = timeline.start_seconds
    origin = place(begin)
    mixed = np.zeros((samples, channels), np.int64)
    for track in map(as_overlaps, tracks):
        for event in track.events:
            assert isinstance(event.media, Media) and event.media.start is not None
            wave, rate = soundfile.read(Path(event.media.path), dtype="int32", always_2d=True)
            assert rate == RATE
            first, last = place(begin + event.start), place(begin + event.end)
            lead = place(event.source) - place(event.media.start)
            rise = place(begin + event.start + event.fade_in) - first
            fall = last - place(begin + event.end - event.fade_out)
            mixed[first - origin : last - origin] += faded(
                wave[lead : lead + last - first].astype(np.int64), rise, fall
            )
    return mixed


def place(seconds: Fraction) -> int:
    return round(seconds * RATE)


def faded(part: np.ndarray, rise: int, fall: int) -> np.ndarray:
    """Integers of 24 bits in 32 -> the same, coming and going in straight lines."""
    if not rise and not fall:
        return part
    gain = np.ones(len(part))
    gain[:rise] *= (np.arange(rise) + 0.5) / max(rise, 1)
    gain[len(part) - fall :] *= ((np.arange(fall) + 0.5) / max(fall, 1))[::-1]
    return (np.rint(part * gain[:, None] / STEP) * STEP).astype(np.int64)
