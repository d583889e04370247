"""Where the hits and the steady stretches of a recording are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foleycli.library.level import SAMPLE_RATE, Samples, windowed_db

HOP = SAMPLE_RATE // 200  # samples: envelopes have a point every 5 ms
RISE_DB = 10.0  # an onset is at least this much louder than the 40 ms before it
MAIN_DB = 20.0  # quieter than the loudest onset by this much: part of another hit, not its own
MERGE = 0.15  # seconds: onsets closer than this belong to one event (a rattle, a crumple)
PREROLL = SAMPLE_RATE // 50  # samples kept before an onset
LONGEST_HIT = 4.0  # seconds
SHORT = 1.5  # seconds: a recording shorter than this is one event
BED_LENGTHS = (6.0, 5.0, 4.0, 3.0, 2.0)  # seconds, the longest that is steady wins
BED_SPREAD_DB = 4.0  # a steady stretch: standard deviation of its 250 ms levels
PHRASE_SPREAD_DB = 12.0  # a stretch of repeated events: barks, ticks, sobs


@dataclass(frozen=True, slots=True)
class Hit:
    """A sound with an attack: samples [start, end) of the recording, heard first at `onset`."""

    start: int
    onset: int
    end: int
    rise_db: float  # loudest 40 ms after the onset over the 40 ms before it
    above_floor_db: float  # loudest moment over the recording's background
    attack_ms: float  # from the onset to the loudest 20 ms


@dataclass(frozen=True, slots=True)
class Bed:
    """A stretch [start, end), in samples, that can go on and on."""

    start: int
    end: int
    spread_db: float  # standard deviation of its 250 ms levels: small is steady


def find_hits(samples: Samples) -> list[Hit]:
    """Hits in a mono 48 kHz recording, in order of time.

    An event goes on until the next onset that is 150 ms or more away, until it has died away, or
    for 4 s.
    """
    levels = windowed_db(samples, 2 * HOP, HOP)
    floor = _background(levels)
    rise, after = _rises(levels)
    onsets = _event_onsets(rise, after, floor)
    if onsets and onsets[0] < 8 and not _stands_out(levels, onsets[0]):
        onsets = onsets[1:]  # a recording that was cut out of something begins abruptly
    hits = []
    for index, frame in enumerate(onsets):
        following = onsets[index + 1] if index + 1 < len(onsets) else len(levels)
        onset = _exact_onset(samples, frame)
        limit = min(
            len(samples), following * HOP - PREROLL // 2, onset + int(LONGEST_HIT * SAMPLE_RATE)
        )
        end = _died_away(levels, frame, limit, floor)
        if end - onset > SAMPLE_RATE // 100:
            start = max(0, onset - PREROLL)
            attack = _attack_ms(samples[onset:end])
            above = float(after[frame]) - floor
            hits.append(Hit(start, onset, end, float(rise[frame]), above, attack))
    return hits


def find_beds(samples: Samples, most: int = 1) -> list[Bed]:
    """Up to `most` stretches of a mono 48 kHz recording that loop well, in order of time.

    Steady ones if there are any, else one stretch of events that follow each other closely.
    """
    hop = SAMPLE_RATE // 4
    levels = windowed_db(samples, hop, hop)
    if len(levels) < 8 or levels.max() < -60:
        return []
    found: list[Bed] = []
    for limit in (BED_SPREAD_DB, PHRASE_SPREAD_DB):
        while len(found) < most and (bed := _steadiest(levels, limit, found)):
            found.append(bed)
        if found:
            break
    return sorted(found, key=lambda bed: bed.start)


def _attack_ms(event: Samples) -> float:
    """Milliseconds until the loudest 20 ms of an event begin."""
    return float(np.argmax(windowed_db(event, SAMPLE_RATE // 50, HOP))) * 1000 * HOP / SAMPLE_RATE


def _background(levels: NDArray[np.float32]) -> float:
    """Level of what goes on behind the events; nothing does in a recording as short as one."""
    if len(levels) * HOP < SHORT * SAMPLE_RATE:
        return -80.0
    return max(float(np.percentile(levels, 10)), -80.0)


def _stands_out(levels: NDArray[np.float32], frame: int) -> bool:
    """Whether a beginning is louder than what follows it, or all there is."""
    half_second = SAMPLE_RATE // 2 // HOP
    following = levels[frame + 40 : frame + 40 + half_second]
    if len(levels) * HOP < SHORT * SAMPLE_RATE or not len(following):
        return True
    return float(levels[frame : frame + 16].max()) > float(np.median(following)) + 6


def _rises(levels: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Per frame: how much louder the 40 ms from here are than the 40 ms before, and how loud."""
    quiet = np.pad(levels, (8, 8), constant_values=-80.0)
    windows = np.lib.stride_tricks.sliding_window_view(quiet, 8)
    before = windows[: len(levels)].mean(1)
    after = windows[8 : 8 + len(levels)].max(1)
    return after - np.maximum(before, -80.0), after


def _event_onsets(rise: NDArray[np.float32], after: NDArray[np.float32], floor: float) -> list[int]:
    """Frames where a new event begins."""
    loud = (after > max(float(after.max()) - MAIN_DB, floor + 6)) & (after > -60)
    candidates = np.flatnonzero((rise >= RISE_DB) & loud)
    onsets: list[int] = []
    last = -10_000
    for run in np.split(candidates, np.flatnonzero(np.diff(candidates) > 4) + 1):
        if not len(run):
            continue
        frame = int(run[np.argmax(rise[run])])
        if (frame - last) * HOP >= MERGE * SAMPLE_RATE:
            onsets.append(frame)
        last = frame
    return onsets


def _exact_onset(samples: Samples, frame: int) -> int:
    """The sample where the attack passes 20 dB under its peak, near envelope frame `frame`."""
    first = max(0, (frame - 5) * HOP)
    piece = np.abs(samples[first : (frame + 12) * HOP])
    peak = float(piece.max())
    smooth = np.convolve(piece, np.ones(24) / 24, mode="full")[: len(piece)]
    return first + int(np.argmax(smooth > 0.1 * max(float(smooth.max()), peak * 0.1)))


def _died_away(levels: NDArray[np.float32], frame: int, limit: int, floor: float) -> int:
    """Where the event that begins at `frame` has decayed for good, at most `limit` (samples)."""
    piece = levels[frame : max(frame + 1, limit // HOP)]
    gone = max(floor + 3.0, float(piece.max()) - 50.0)
    heard = np.flatnonzero(piece > gone)
    last = frame + (int(heard[-1]) if len(heard) else 0) + 4
    return min(limit, last * HOP)


def _steadiest(levels: NDArray[np.float32], limit_db: float, taken: list[Bed]) -> Bed | None:
    """The longest stretch whose level spreads less than `limit_db`; of these the steadiest."""
    hop = SAMPLE_RATE // 4
    for seconds in BED_LENGTHS:
        count = int(seconds * 4)
        if count > len(levels):
            continue
        windows = np.lib.stride_tricks.sliding_window_view(levels, count)
        spread = (
            windows.std(1)
            + np.abs(windows[:, : count // 3].mean(1) - windows[:, -(count // 3) :].mean(1)) / 2
        )
        for bed in taken:
            spread[max(0, bed.start // hop - count + 1) : bed.end // hop] = np.inf
        spread[windows.mean(1) < levels.max() - 20] = np.inf
        best = int(np.argmin(spread))
        if spread[best] < limit_db:
            return Bed(best * hop, (best + count) * hop, float(windows[best].std()))
    return None
