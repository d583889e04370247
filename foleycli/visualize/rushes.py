"""Rushes: the stretches of a user's own shots that fit a sound, cut where the sound changes.

Foley turned round: words that are heard against what is seen, onsets against motion. A stretch is
moved, and re-timed by at most a tenth, so that the strongest onsets meet the strongest motion.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av import VideoFrame

from foleycli.clip.probe import Clip, probe
from foleycli.clip.timecode import Timecode
from foleycli.errors import MediaError
from foleycli.frames.decode import decode_from
from foleycli.timeline.files import write_timeline
from foleycli.timeline.model import Event, Media, Timeline, Track
from foleycli.visualize.burn import Burn, fit_frame
from foleycli.visualize.cutting import Slot, find_slots
from foleycli.visualize.hear import Heard
from foleycli.visualize.index import MOTION_RATE, Seen, open_index
from foleycli.visualize.match import Floats, motion_score, query_of
from foleycli.visualize.request import Progress, Request, Take, finish, write_facts
from foleycli.visualize.seen import seen_vectors
from foleycli.visualize.sound import Sound

WORDS, MOTION = 1.0, 0.8  # weights of the two, each in spreads over the candidates
ALIKE = 0.08  # spread of cosines, or of correlations, under which candidates are alike
SPEEDS = (1.0, 0.95, 1.05, 0.9, 1.1)  # no more than a tenth
SLOWER = (0.95, 0.9)
RETIMED = 16  # of the best shots, that are tried at other speeds
EDGE = 0.02  # seconds that a shot is longer than what is shown of it
UNTOUCHED = 0.04  # correlation that a change of speed must win
AGAIN = 1.5  # what a shot loses for each time that it was used
TAKEN = 100.0  # and for the place that it had in an earlier take: only if there is no other


@dataclass(frozen=True, slots=True)
class Shot:
    """A stretch of a film between two cuts."""

    seen: Seen
    number: int  # of all candidates
    start: float  # seconds
    end: float
    motion: Floats
    hits: Floats


@dataclass(frozen=True, slots=True)
class Choice:
    """The stretch of a shot that covers a slot."""

    slot: Slot
    shot: Shot
    source: Fraction  # seconds from the film's first frame
    speed: Fraction
    words: float  # cosine of what is heard and what is seen
    motion: float  # correlation of onsets with motion, plus that with hits


def cut_rushes(
    sound: Sound,
    heard: Heard,
    outs: list[Path],
    rate: Fraction,
    request: Request,
    progress: Progress,
) -> list[Take]:
    """Choose, cut and write every take, with its edit lists."""
    assert request.material is not None
    films = open_index(request.material, request.index, lambda done: progress("looking", done))
    shots = list_shots(films)
    slots = find_slots(heard, sound.frames(rate), rate)
    taken: dict[int, set[int]] = {}
    takes = []
    for number, out in enumerate(outs):
        choices = choose(shots, slots, heard, rate, request.prompt, taken)
        for place, choice in enumerate(choices):
            taken.setdefault(choice.slot.first, set()).add(choices[place].shot.number)
        share = (number, len(outs))
        frames = draw_rushes(sound, heard, choices, rate, request, progress, share)
        finish(frames, sound, out, rate, request)
        takes.append(_write_lists(sound, out, choices, rate, request))
    return takes


def list_shots(films: Sequence[Seen]) -> list[Shot]:
    """Every shot of an index."""
    shots: list[Shot] = []
    for seen in films:
        for start, end in seen.shots():
            a, b = (round(time * MOTION_RATE) for time in (start, end))
            motion = seen.motion[a:b].copy()
            motion[:2] = 0  # the cut itself is no motion
            hits = np.pad(seen.hits[a:b], (0, max(0, len(motion) - len(seen.hits[a:b]))))
            shots.append(Shot(seen, len(shots), start, end, motion, hits[: len(motion)]))
    return shots


def choose(
    shots: Sequence[Shot],
    slots: Sequence[Slot],
    heard: Heard,
    rate: Fraction,
    prompt: str | None = None,
    taken: dict[int, set[int]] | None = None,
) -> list[Choice]:
    """The best stretch for each slot; the loudest slots choose first, no stretch is shown twice.

    A slot that no shot is long enough for is halved.

    Raises:
        MediaError: no shot lasts for a few frames.
    """
    vectors = seen_vectors([(shot.seen, shot.start, shot.end) for shot in shots])
    used: dict[int, list[tuple[float, float]]] = {}
    choices: list[Choice] = []
    waiting = sorted(slots, key=lambda slot: -_strength(heard, slot, rate))
    while waiting:
        slot = waiting.pop(0)
        found = _best(shots, vectors, slot, heard, rate, prompt, used, taken or {})
        if found is None:
            if slot.frames < 4:
                raise MediaError(
                    "No shot is long enough for the shortest stretch of sound.",
                    "Give longer rushes.",
                )
            middle = (slot.first + slot.last) // 2
            waiting[:0] = [Slot(slot.first, middle), Slot(middle, slot.last)]
            continue
        choices.append(found)
        length = float(found.slot.frames / rate * found.speed)
        start = float(found.source)
        used.setdefault(found.shot.number, []).append((start, start + length))
    return sorted(choices, key=lambda choice: choice.slot.first)


def _strength(heard: Heard, slot: Slot, rate: Fraction) -> float:
    start, end = float(slot.first / rate), float(slot.last / rate)
    inside = (heard.onsets >= start) & (heard.onsets < end)
    return float(heard.sizes[inside].max(initial=0))


def _best(
    shots: Sequence[Shot],
    vectors: Floats,
    slot: Slot,
    heard: Heard,
    rate: Fraction,
    prompt: str | None,
    used: dict[int, list[tuple[float, float]]],
    taken: dict[int, set[int]],
) -> Choice | None:
    start, end = float(slot.first / rate), float(slot.last / rate)
    query = query_of(heard, start, end, prompt)
    words = vectors @ query.words
    fits = []
    for shot, likeness in zip(shots, words, strict=True):
        speeds = SPEEDS[:1] if shot.end - shot.start > end - start + EDGE else SLOWER
        fit = _fit(shot, query.onsets, end - start, used.get(shot.number, []), speeds)
        if fit is not None:
            fits.append((shot, float(likeness), *fit))
    if not fits:
        return None
    ranks = WORDS * _spread([fit[1] for fit in fits])
    agreements = np.array([fit[2] for fit in fits])
    weight = MOTION / max(float(agreements.std()), ALIKE)
    for n, (shot, *_) in enumerate(fits):
        ranks[n] -= AGAIN * len(used.get(shot.number, []))
        if shot.number in taken.get(slot.first, set()):
            ranks[n] -= TAKEN
    ranks = ranks + weight * agreements
    for n in np.argsort(-ranks)[:RETIMED]:  # only what may be chosen is tried at other speeds
        shot, likeness, agreement, *_ = fits[n]
        fit = _fit(shot, query.onsets, end - start, used.get(shot.number, []), SPEEDS)
        if fit is not None and fit[0] > agreement:
            ranks[n] += weight * (fit[0] - agreement)
            fits[n] = (shot, likeness, *fit)
    shot, likeness, agreement, source, speed = fits[int(ranks.argmax())]
    native = shot.seen.frame_rate
    exact = Fraction(source).limit_denominator(100_000)
    if native:  # begin on a frame of the source, as a list must say it
        exact = Fraction(round(exact * native)) / native
    return Choice(slot, shot, max(exact, Fraction(0)), speed, likeness, agreement)


def _spread(values: Sequence[float]) -> Floats:
    array = np.array(values, np.float32)
    return (array - array.mean()) / max(float(array.std()), ALIKE)


def _fit(
    shot: Shot,
    onsets: Floats,
    length: float,
    gone: Sequence[tuple[float, float]],
    speeds: Sequence[float],
) -> tuple[float, float, Fraction] | None:
    """The best agreement a shot has to offer, where in its film it begins, and at what speed."""
    best: tuple[float, float, Fraction] | None = None
    for speed in speeds:
        if shot.end - shot.start < length * speed + EDGE:
            continue
        points = np.arange(int(len(shot.motion) / speed)) * speed
        motion, hits = (
            np.interp(points, np.arange(len(curve)), curve).astype(np.float32)
            for curve in (shot.motion, shot.hits)
        )
        for low, high in _free(shot, gone):
            a, b = (round((edge - shot.start) * MOTION_RATE / speed) for edge in (low, high))
            part = motion[a:b]
            if (high - low) < length * speed + EDGE or len(part) < len(onsets):
                continue
            score, at = motion_score(onsets, part, hits[a:b])
            score -= UNTOUCHED if speed != 1 else 0
            latest = high - length * speed
            source = min(low + at * speed / MOTION_RATE, latest)
            if best is None or score > best[0]:
                best = score, source, Fraction(speed).limit_denominator(100)
    return best


def _free(shot: Shot, gone: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """What of a shot was not shown yet."""
    at = shot.start
    for start, end in sorted(gone):
        if start > at:
            yield at, start
        at = max(at, end)
    if at < shot.end:
        yield at, shot.end


def draw_rushes(
    sound: Sound,
    heard: Heard,
    choices: Sequence[Choice],
    rate: Fraction,
    request: Request,
    progress: Progress,
    share: tuple[int, int] = (0, 1),
) -> Iterator[VideoFrame]:
    """The frames of a cut, each source's name and timecode in the corner."""
    burn = Burn(request.width, request.height, request.burn)
    total, origin, done = choices[-1].slot.last, sound.timecode(rate), 0
    for choice in choices:
        clip = probe(choice.shot.seen.path)
        stamps = _source_clock(clip, choice.shot.seen)
        for number, time, frame in _source_frames(clip, choice, rate):
            rgb = fit_frame(frame, clip, request.width, request.height)
            at = choice.slot.first + number
            name = f"{clip.path.name}  {stamps(time)}"
            yield burn.frame(rgb, str(origin + at), name, _words_at(heard, float(at / rate)))
            done += 1
            if done % 16 == 0:
                progress("drawing", (share[0] + done / total) / share[1])
    progress("drawing", (share[0] + 1) / share[1])


def _source_frames(
    clip: Clip, choice: Choice, rate: Fraction
) -> Iterator[tuple[int, Fraction, VideoFrame]]:
    """For each frame of the slot, which it is, and what of the source is on screen then."""
    number, last = 0, None
    frames = choice.slot.frames
    for _, end, frame in decode_from(clip, choice.source):
        while number < frames:
            time = choice.source + (number + Fraction(1, 2)) / rate * choice.speed
            if time >= end:
                break
            yield number, choice.source + number / rate * choice.speed, frame
            number += 1
        last = frame
        if number == frames:
            return
    if last is None:
        raise MediaError(f"{clip.path.name} no longer decodes.", "Index the rushes anew.")
    while number < frames:  # it ends a frame earlier than it says
        yield number, choice.source + number / rate * choice.speed, last
        number += 1


def _source_clock(clip: Clip, seen: Seen):
    rate = clip.frame_rate or Fraction(25)
    origin = clip.timecode or Timecode(0, rate)

    def label(time: Fraction) -> str:
        return str(origin + int(time * rate + Fraction(1, 1000)))

    return label


def _words_at(heard: Heard, time: float) -> str:
    now = sorted((s for s in heard.spans if s.start <= time < s.end), key=lambda s: -s.sure)
    return ", ".join(span.label for span in now[:2])


def _write_lists(
    sound: Sound, out: Path, choices: Sequence[Choice], rate: Fraction, request: Request
) -> Take:
    timeline = make_timeline(sound, out.stem, choices, rate)
    lists = []
    for kind in request.lists:
        path = out.with_suffix(f".{kind}")
        write_timeline(timeline, path, overwrite=request.overwrite)
        lists.append(path)
    facts = {"cuts": [describe(choice, rate) for choice in choices]}
    write_facts(out, sound, request, facts)
    return Take(out, tuple(lists), facts)


def make_timeline(sound: Sound, name: str, choices: Sequence[Choice], rate: Fraction) -> Timeline:
    """The choice as a timeline, every shot by its file and its own timecode, the sound below."""
    origin = sound.timecode(rate)
    events = tuple(
        Event(
            name=choice.shot.seen.path.stem,
            media=Media(
                name=choice.shot.seen.path.name,
                path=str(choice.shot.seen.path.absolute()),
                start=choice.shot.seen.start,
                duration=choice.shot.seen.duration,
                rate=choice.shot.seen.frame_rate,
            ),
            start=choice.slot.first / rate,
            duration=choice.slot.frames / rate,
            source=choice.shot.seen.start + choice.source,
            speed=choice.speed,
        )
        for choice in choices
    )
    heard = Event(
        name=sound.path.stem,
        media=Media(
            name=sound.path.name,
            path=str(sound.path.absolute()),
            start=sound.since_midnight or Fraction(0),
            channels=sound.channels,
            sample_rate=sound.sample_rate,
        ),
        start=Fraction(0),
        duration=choices[-1].slot.last / rate,
        source=(sound.since_midnight or Fraction(0)) + Fraction(sound.begin, sound.sample_rate),
    )
    tracks = (Track(kind="picture", events=events), Track(kind="sound", events=(heard,)))
    return Timeline(name=name, rate=rate, drop=origin.drop, start=origin.frames, tracks=tracks)


def describe(choice: Choice, rate: Fraction) -> dict[str, Any]:
    """A choice in numbers, for --json and the file beside the film."""
    return {
        "frame": choice.slot.first,
        "frames": choice.slot.frames,
        "film": choice.shot.seen.path.name,
        "source_seconds": round(float(choice.source), 4),
        "speed": float(choice.speed),
        "words": round(choice.words, 3),
        "motion": round(choice.motion, 3),
    }
