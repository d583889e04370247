"""Cues sounded as a bed and objects: what stands somewhere is one channel with its way through the
picture, what is heard from everywhere is the bed.

Bed, room and objects, each panned to its place, add up to the mix that `sound_parts` makes of the
same cues, before any limiter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from foleycli.config import ADM, CHANNELS, OUTPUT, SPACE, GenerateConfig
from foleycli.library.place import BLOCK, Voice, arrange
from foleycli.sources.library import LibrarySource
from foleycli.sources.open import Source
from foleycli.sources.staged import Part, find_rooms, middle_of, split_cues
from foleycli.spot.cues import LAYERS, Cue
from foleycli.spot.features import Features
from foleycli.spot.phrases import in_layers
from foleycli.spot.stage import stage_cues
from foleycli.waveform.rooms import Return
from foleycli.waveform.space import Space, Where, glide, pan_gains
from foleycli.waveform.stems import side_by_side

RATE = OUTPUT.sample_rate


@dataclass(frozen=True, slots=True)
class Stay:
    """Where an object is in [start, end), samples: there at once, or on the way there until the
    end."""

    start: int
    end: int
    pan: float  # -1, the left edge of the picture, to 1, as it is heard
    jumps: bool = True


@dataclass(frozen=True, slots=True)
class Moving:
    """One object: its name, and where it is from the first sample to the last."""

    name: str
    stays: tuple[Stay, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A sound as a bed and objects.

    Attributes:
        channels: of the bed, and of the room's return.
        has_room: there is one.
        objects: a channel each.
        length: samples.
        blocks: (samples, columns) float32 at 48 kHz: the bed, the room, the objects, and last the
            mix of all in as many channels as the bed; before any limiter.
    """

    channels: int
    has_room: bool
    objects: tuple[Moving, ...]
    length: int
    blocks: Iterator[np.ndarray]

    @property
    def beds(self) -> int:
        """Channels of bed and room."""
        return self.channels * (1 + self.has_room)


@dataclass(slots=True)
class _Lane:
    """An object while sounds are dealt to it."""

    layer: str
    until: int = 0  # silent from here on
    course: list[tuple[int, Where]] = field(default_factory=list)

    def takes(self, voice: Voice) -> bool:
        """Whether a sound can be heard from where this object then is."""
        if not self.course or self.until <= voice.start:
            return True
        return _is_same(self.course[-1][1], voice.sound.where)

    def add(self, voice: Voice) -> None:
        where = voice.sound.where
        if not self.course or not _is_same(self.course[-1][1], where):
            self.course.append((voice.start, where))
        self.until = max(self.until, voice.end)


def stage_objects(
    source: Source, features: Features, cues: list[Cue], config: GenerateConfig
) -> Scene:
    """Sound cues as a bed and objects.

    Each layer has as many objects as sounds of it overlap at different places, `ADM.most` at most;
    a sound that finds none stands in the bed, panned.
    """
    channels = CHANNELS[config.channels]
    rooms = find_rooms(features, config)
    space = Space(channels, config.width, config.perspective, sends=bool(rooms))
    length = round(features.duration * RATE)
    if isinstance(source, LibrarySource):
        parts = split_cues(cues, config)
        lanes, placed = _dealt(source, features, parts)
        mixed = _voices(placed, len(lanes), length, space)
    else:
        dealt = in_layers(cues)
        parts = [Part(layer, dealt[layer], config) for layer in LAYERS if dealt.get(layer)]
        if config.source:
            parts = split_cues(cues, config)
        lanes, streams = _streams(source, features, parts)
        mixed = _rendered(streams, len(lanes), space) if streams else _voices([], 0, length, space)
    returned = Return(rooms, channels) if rooms else None
    counted: dict[str, int] = {}
    objects = []
    for lane in lanes:
        counted[lane.layer] = counted.get(lane.layer, 0) + 1
        name = f"{lane.layer} {counted[lane.layer]}"
        objects.append(Moving(name, tuple(_stays(lane.course, length, config.width))))
    blocks = _columns(mixed, len(lanes), channels, returned)
    return Scene(channels, bool(rooms), tuple(objects), length, blocks)


def _dealt(
    source: LibrarySource, features: Features, parts: Sequence[Part]
) -> tuple[list[_Lane], list[tuple[Voice, int | None]]]:
    """Objects, and every sound of the library with the number of its object; None in the bed."""
    lanes: list[_Lane] = []
    placed: list[tuple[Voice, int | None]] = []
    for part in parts:
        voices = arrange(
            stage_cues(part.cues, features.cuts),
            source.bank,
            features.duration,
            RATE,
            part.config.seed,
            features.cuts,
            avoid=part.config.negative_prompt or "",
        )
        own = part.name if part.config.source else ""
        for voice in voices:
            if voice.sound.where.is_wide:
                placed.append((voice, None))
                continue
            number = _lane_for(voice, own or voice.sound.where.layer, lanes)
            if number is not None:
                lanes[number].add(voice)
            placed.append((voice, number))
    return lanes, sorted(placed, key=lambda one: one[0].start)


def _lane_for(voice: Voice, layer: str, lanes: list[_Lane]) -> int | None:
    """The first object of a layer that can take a sound, or a new one."""
    own = [number for number, lane in enumerate(lanes) if lane.layer == layer]
    there = [n for n in own if _is_same(lanes[n].course[-1][1], voice.sound.where)]
    for number in (*there, *own):
        if lanes[number].takes(voice):
            return number
    if len(own) >= ADM.most:
        return None
    lanes.append(_Lane(layer))
    return len(lanes) - 1


def _is_same(one: Where, other: Where) -> bool:
    """Whether two sounds come from one place all the time."""
    if len({*one.pans, *other.pans}) == 1:
        return True
    return (one.edges, one.pans) == (other.edges, other.pans)


def _stays(course: Sequence[tuple[int, Where]], length: int, width: float) -> Iterator[Stay]:
    """Where an object is, without a gap: each place holds until the next begins."""
    for number, (begin, where) in enumerate(course):
        start = begin if number else 0
        end = course[number + 1][0] if number + 1 < len(course) else length
        yield from _stays_of(where, max(0, start), min(end, length), width)


def _stays_of(where: Where, start: int, end: int, width: float) -> Iterator[Stay]:
    passage = round(SPACE.glide * RATE)

    def pan(at: int) -> float:
        return float(glide(np.array([at]), where.edges, where.pans, passage)[0]) * width

    edges = np.asarray(where.edges)
    corners = {start, end}
    if len(set(where.pans)) > 1:
        spans = np.diff(edges)
        half = np.minimum(passage, np.minimum(spans, np.append(spans[1:], passage))) / 2
        ends = np.concatenate([edges[1:] - half, edges[1:] + half]).round().astype(int)
        corners |= {int(at) for at in ends if start < at < end}
    for begin, finish in pairwise(sorted(corners)):  # panning is no straight line past the middle
        one, other = pan(begin), pan(finish)
        if one * other < 0:
            corners.add(begin + round((finish - begin) * one / (one - other)))
    times = sorted(corners)
    first = True
    for begin, finish in pairwise(times):
        if abs(pan(begin) - pan(finish)) < 1e-9:
            yield Stay(begin, finish, pan(begin))
        else:
            steps = max(1, round((finish - begin) / (ADM.step * RATE)))
            marks = np.linspace(begin, finish, steps + 1).round().astype(int)
            for one, other in pairwise(marks):
                if first:
                    yield Stay(int(one), int(other), pan(int(one + other) // 2))
                else:
                    yield Stay(int(one), int(other), pan(int(other)), jumps=False)
                first = False
        first = False


@dataclass(slots=True)
class _Heard:
    """A sound from `start` on: in the mix, what it sends to the room, and its object's channel."""

    start: int
    mix: np.ndarray  # (n, channels)
    sent: np.ndarray | None
    number: int | None
    alone: np.ndarray | None


Mixed = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # bed, objects, mix, what is sent


def _voices(
    placed: Sequence[tuple[Voice, int | None]], objects: int, length: int, space: Space
) -> Iterator[Mixed]:
    playing: list[_Heard] = []
    waiting = list(reversed(placed))
    for begin in range(0, length, BLOCK):
        end = min(begin + BLOCK, length)
        while waiting and waiting[-1][0].start < end:
            playing.append(_heard(*waiting.pop(), space))
        mixed = _silence(end - begin, objects, space.channels)
        for one in playing:
            _add(one, begin, end, mixed)
        yield mixed
        playing = [one for one in playing if one.start + len(one.mix) > end]


def _silence(samples: int, objects: int, channels: int) -> Mixed:
    def none(columns: int) -> np.ndarray:
        return np.zeros((samples, columns), np.float32)

    return none(channels), none(objects), none(channels), np.zeros(samples, np.float32)


def _add(one: _Heard, begin: int, end: int, mixed: Mixed) -> None:
    bed, objects, mix, sent = mixed
    first, last = max(begin, one.start), min(end, one.start + len(one.mix))
    if first >= last:
        return
    here, there = slice(first - begin, last - begin), slice(first - one.start, last - one.start)
    mix[here] += one.mix[there]
    if one.sent is not None:
        sent[here] += one.sent[there]
    if one.number is None or one.alone is None:
        bed[here] += one.mix[there]
    else:
        objects[here, one.number] += one.alone[there]


def _heard(voice: Voice, number: int | None, space: Space) -> _Heard:
    where = voice.sound.where
    if number is None:
        heard = voice.heard(space, RATE)
        sent = heard[:, -1] if space.sends else None
        return _Heard(voice.start, heard[:, : space.channels], sent, None, None)
    single = Space(1, space.width, space.perspective, sends=space.sends)
    heard = voice.heard(single, RATE)
    mix = _panned(heard[:, 0], voice.start, where, space)
    return _Heard(voice.start, mix, heard[:, 1] if space.sends else None, number, heard[:, 0])


def _panned(alone: np.ndarray, start: int, where: Where, space: Space) -> np.ndarray:
    """One channel at its place, as `Space.lay` sets it."""
    moves = len(where.edges) > 1
    at = np.arange(start, start + len(alone)) if moves else np.array([start])
    pans = glide(at, where.edges, where.pans, round(SPACE.glide * RATE)) * space.width
    return alone[:, None] * pan_gains(pans, space.channels)


def _streams(
    source: Source, features: Features, parts: Sequence[Part]
) -> tuple[list[_Lane], list[tuple[Iterable[np.ndarray], Where, int | None]]]:
    """Each part of a source that makes its own sounds is one object; air is the bed."""
    lanes: list[_Lane] = []
    streams: list[tuple[Iterable[np.ndarray], Where, int | None]] = []
    for part in parts:
        where = middle_of(stage_cues(part.cues, features.cuts), features)
        blocks = source.render(features, part.cues, part.config)
        number = None if where.is_wide else len(lanes)
        if number is not None:
            lanes.append(_Lane(part.name, course=[(0, where)]))
        streams.append((blocks, where, number))
    return lanes, streams


def _rendered(
    streams: Sequence[tuple[Iterable[np.ndarray], Where, int | None]], objects: int, space: Space
) -> Iterator[Mixed]:
    at = 0
    single = Space(1, space.width, space.perspective, sends=space.sends)
    for block in side_by_side([blocks for blocks, _, _ in streams]):
        mixed = _silence(len(block), objects, space.channels)
        for column, (_, where, number) in enumerate(streams):
            own = block[:, column]
            if number is None:
                heard = space.lay(own, at, RATE, where)
                sent = heard[:, -1] if space.sends else None
                one = _Heard(at, heard[:, : space.channels], sent, None, None)
            else:
                heard = single.lay(own, at, RATE, where)
                sent = heard[:, 1] if space.sends else None
                mix = _panned(heard[:, 0], at, where, space)
                one = _Heard(at, mix, sent, number, heard[:, 0])
            _add(one, at, at + len(block), mixed)
        at += len(block)
        yield mixed


def _columns(
    mixed: Iterable[Mixed], objects: int, channels: int, returned: Any
) -> Iterator[np.ndarray]:
    for bed, alone, mix, sent in mixed:
        if returned is None:
            yield np.concatenate([bed, alone, mix], axis=1)
        else:
            room = returned.answer(sent)
            yield np.concatenate([bed, room, alone, mix + room], axis=1)
