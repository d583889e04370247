"""Features to cues: which sound, in words, begins or lasts where."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from foleycli.config import CUES, FEATURES
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features
from foleycli.spot.phrases import (
    Phrase,
    Role,
    parse_prompt,
    phrase_of,
    read_shares,
    vocabulary,
)

RATE = FEATURES.when_rate
Curve = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound that a stretch of a shot is believed to have."""

    phrase: Phrase
    confidence: float
    start: Fraction
    end: Fraction
    level_db: float = 0.0  # of a scene


def find_cues(features: Features, prompt: str | None = None) -> list[Cue]:
    """Cues of a span of film, in order of time.

    What is struck, steps or calls gets a cue at each hit of the motion curve; what runs or flows
    gets a bed whose level follows the activity. ``prompt`` says what sounds in place of what is
    seen; commas part several sounds.
    """
    asked = parse_prompt(prompt or "")
    cues: list[Cue] = []
    for start, end in features.shots():
        if asked:
            heard = [Heard(phrase, 1.0, start, end) for phrase in asked]
        else:
            heard = list(hear_shot(features, start, end))
        for sound in heard:
            cues += (
                hit_cues(features, sound)
                if sound.phrase.kind == "hit"
                else bed_cues(features, sound)
            )
    return sorted(cues, key=lambda cue: (cue.start, cue.kind, cue.what))


def hear_shot(features: Features, start: Fraction, end: Fraction) -> Iterator[Heard]:
    """What a shot would sound like: the surest thing that sounds by itself, or else what is
    touched; and, softly, the place."""
    first, last = _rows(features, start, end)
    shares = read_shares(features.what[first:last])
    smooth = np.asarray(
        uniform_filter1d(shares, CUES.steady_rows, axis=0, mode="nearest"), np.float32
    )
    for a, b in _steady(smooth):
        seen = smooth[a:b].mean(axis=0)
        begin = max(start, Fraction(first + a, FEATURES.frame_rate))
        stop = end if b == len(smooth) else Fraction(first + b, FEATURES.frame_rate)
        source, contact, scene = (_surest(seen, role) for role in ("source", "contact", "scene"))
        if source and source[1] >= CUES.sure_source:
            yield Heard(*source, begin, stop)
        elif contact and contact[1] >= CUES.sure_contact:
            yield Heard(*contact, begin, stop)
        else:
            yield Heard(phrase_of(CUES.unknown_contact), CUES.sure_contact, begin, stop)
        if scene and scene[1] >= CUES.sure_scene:
            level = CUES.scene_db if source and source[1] >= CUES.sure_source else CUES.alone_db
            yield Heard(*scene, begin, stop, level)


def hit_cues(features: Features, sound: Heard) -> Iterator[Cue]:
    """A cue at each hit, the strongest first where they come closer than the sound allows."""
    first, last = _points(features, sound)
    hits = features.hits[first:last]
    taken: list[int] = []
    gap = sound.phrase.gap * RATE
    for i in np.argsort(-hits, kind="stable"):
        if hits[i] < CUES.sure_hit:
            break
        if all(abs(i - other) >= gap for other in taken):
            taken.append(int(i))
    for i in sorted(taken):
        start = Fraction(first + i, RATE)
        yield Cue(
            start=start,
            duration=_on_grid(min(Fraction(CUES.hit_length), sound.end - start)),
            kind="hit",
            what=sound.phrase.words,
            level_db=round(20 * float(np.log10(min(1.0, hits[i]))), 1),
            confidence=round(sound.confidence, 2),
        )


def bed_cues(features: Features, sound: Heard) -> Iterator[Cue]:
    """Touching beds whose level follows the activity, one for each stretch of the same level."""
    first, last = _points(features, sound)
    activity = features.activity[first:last]
    goes_on = sound.phrase.role == "scene" or activity.max(initial=0) >= CUES.still
    if not len(activity) or not goes_on:
        return
    step = int(CUES.bed_step * RATE)
    levels = [
        _bed_level(activity[i : i + step], activity, sound) for i in range(0, len(activity), step)
    ]
    begin = 0
    for i in range(1, len(levels) + 1):
        if i < len(levels) and levels[i] == levels[begin]:
            continue
        start = Fraction(first + begin * step, RATE)
        end = Fraction(min(first + i * step, last), RATE)
        yield Cue(
            start=start,
            duration=end - start,
            kind="bed",
            what=sound.phrase.words,
            level_db=levels[begin],
            confidence=round(sound.confidence, 2),
        )
        begin = i


def _bed_level(part: Curve, whole: Curve, sound: Heard) -> float:
    """dB, in steps of 3: a scene stays level, a source is softer where less moves than usual."""
    if sound.phrase.role == "scene":
        return sound.level_db
    loud = float(np.quantile(whole, 0.9))
    share = float(part.mean()) / max(loud, 1e-6)
    level = max(-CUES.bed_range_db, min(0.0, 20 * float(np.log10(share + 1e-6))))
    return 3.0 * round(level / 3)


def _surest(shares: Curve, role: Role) -> tuple[Phrase, float] | None:
    """The phrase of a role with the largest share, and that share."""
    held = [
        (share, phrase)
        for share, phrase in zip(shares, vocabulary(), strict=True)
        if phrase.role == role
    ]
    share, phrase = max(held, key=lambda pair: pair[0])
    return (phrase, min(1.0, float(share))) if share > 0 else None


def _steady(shares: Curve) -> Iterator[tuple[int, int]]:
    """Stretches of rows in which the surest sound stays the same, none shorter than allowed."""
    surest = shares.argmax(axis=1)
    begin = 0
    for i in range(1, len(surest) + 1):
        changed = i < len(surest) and surest[i] != surest[begin]
        long_enough = i - begin >= CUES.steady_rows and len(surest) - i >= CUES.steady_rows
        if i == len(surest) or (changed and long_enough):
            yield begin, i
            begin = i


def _rows(features: Features, start: Fraction, end: Fraction) -> tuple[int, int]:
    """The half-open range of rows that lie in a span, at least one."""
    first = min(round(start * FEATURES.frame_rate), len(features.rows) - 1)
    return first, max(first + 1, round(end * FEATURES.frame_rate))


def _points(features: Features, sound: Heard) -> tuple[int, int]:
    """The half-open range of curve points that lie in a sound's span."""
    last = min(int(sound.end * RATE), len(features.hits))
    return min(last, -int(-sound.start * RATE // 1)), last


def _on_grid(duration: Fraction) -> Fraction:
    """The longest whole number of curve points within, at least one, so that a sheet is exact."""
    return Fraction(max(1, int(duration * RATE)), RATE)
