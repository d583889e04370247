"""The sounds of an AAF's composition, with fades, levels and channels, exact in edit units.

OpenTimelineIO's adapter counts in floating point and knows neither channels beside one another nor
gains; where something lies on a track that is not followed here, its reading is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import log10
from typing import Any

from foleycli.timeline.aaf_write import COMBINER_ID, GAIN_ID
from foleycli.timeline.model import (
    SILENCE_DB,
    Event,
    Level,
    Marker,
    Media,
    Track,
    Transition,
    as_fades,
)
from foleycli.timeline.paths import path_of

# Resolve writes a clip's gain under the identification of the parameter.
GAINS = (GAIN_ID, "e4962321-2267-11d3-8a4c-0050040ef7d2")


class NotFollowed(Exception):
    """Something that only OpenTimelineIO's adapter may know."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A clip inside its operations."""

    clip: Any
    levels: tuple[Level, ...] = ()
    channels: int = 1


def read_sounds(cut: Any) -> tuple[Track, ...] | None:
    """The tracks of sound; None where something on them is not followed."""
    try:
        tracks = [_track(slot) for slot in cut.slots if slot.media_kind == "Sound"]
    except (NotFollowed, AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return tuple(track for track in tracks if track.events)


def read_markers(cut: Any) -> tuple[Marker, ...]:
    """The locators of a composition."""
    found = []
    for slot in cut.slots:
        if type(slot).__name__ != "EventMobSlot" or slot.edit_rate is None:
            continue
        rate = Fraction(slot.edit_rate)
        for note in getattr(slot.segment, "components", [slot.segment]):
            if type(note).__name__ != "DescriptiveMarker" or note.getvalue("Position") is None:
                continue
            found.append(
                Marker(
                    start=Fraction(int(note["Position"].value)) / rate,
                    duration=Fraction(int(note.getvalue("Length") or 1)) / rate,
                    name=str(note.getvalue("Comment") or ""),
                )
            )
    return tuple(sorted(found, key=lambda marker: marker.start))


def _track(slot: Any) -> Track:
    rate = Fraction(slot.edit_rate)
    segment = slot.segment
    while type(segment).__name__ == "OperationGroup" and _holds_all(segment):
        segment = next(iter(segment.segments))  # a pan or a volume of the whole track
    parts = list(getattr(segment, "components", [segment]))
    events: list[Event] = []
    at, waiting = 0, None
    for part, later in zip(parts, [*parts[1:], None], strict=True):
        kind = type(part).__name__
        if kind == "Transition":
            length, cut = int(part.length), int(part["CutPoint"].value or 0)
            at -= length
            waiting = Transition(before=cut / rate, after=(length - cut) / rate)
            if events and events[-1].end == (at + length) / rate:
                kept = replace(events[-1], duration=events[-1].duration - (length - cut) / rate)
                into_nothing = later is None or type(later).__name__ == "Filler"
                events[-1] = replace(kept, outro=waiting if into_nothing else None)
            continue
        if kind != "Filler":
            event = _event(part, at, rate)
            if waiting:
                event = replace(
                    event,
                    start=event.start + waiting.before,
                    duration=event.duration - waiting.before,
                    source=event.source + waiting.before,
                    intro=waiting,
                )
            events.append(event)
        at += int(part.length)
        waiting = None
    kept = tuple(event for event in events if event.duration > 0)
    return as_fades(Track(kind="sound", events=kept, name=slot.name or ""))


def _holds_all(group: Any) -> bool:
    return [type(inside).__name__ for inside in group.segments] == ["Sequence"]


def _event(part: Any, at: int, rate: Fraction) -> Event:
    found = _dig(part)
    length = Fraction(int(part.length)) / rate
    media, source = _media(found)
    name = found.clip.mob.name or media.name
    return Event(
        name=_common(name, found.channels),
        media=media,
        start=Fraction(at) / rate,
        duration=length,
        source=source + Fraction(int(found.clip.start)) / rate,
        levels=tuple(replace(level, time=level.time * length) for level in found.levels),
    )


def _dig(part: Any) -> _Found:
    """The clip inside operations, with the first level that is met."""
    kind = type(part).__name__
    if kind == "SourceClip":
        if part.mob is None:
            raise NotFollowed
        return _Found(part)
    if kind != "OperationGroup":
        raise NotFollowed
    inside = [_dig(segment) for segment in part.segments]
    if not inside or part.operation["IsTimeWarp"].value:
        raise NotFollowed
    identity = str(part.operation.auid)
    first = inside[0]
    if identity == COMBINER_ID:
        return replace(first, channels=len(inside))
    if identity in GAINS:
        return replace(first, levels=tuple(_levels(part)) or first.levels)
    return first


def _levels(group: Any) -> Iterator[Level]:
    for parameter in group.parameters:
        kind = type(parameter).__name__
        if kind == "ConstantValue" and _is_number(parameter.value):
            yield Level(Fraction(0), _db(float(parameter.value)))
        elif kind == "VaryingValue":
            for point in parameter.pointlist:
                time = Fraction(point["Time"].value)
                yield Level(time, _db(float(point.value)))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _db(factor: float) -> float:
    """A factor in dB, as near as a file's fraction says it."""
    return round(20 * log10(factor), 4) + 0.0 if factor > 0 else SILENCE_DB


def _media(found: _Found) -> tuple[Media, Fraction]:
    """A clip's file, and where the beginning of its master mob's sound stands on the file's clock
    in seconds."""
    mob, slot = found.clip.mob, found.clip.slot
    offset = Fraction(0)
    if type(mob).__name__ == "CompositionMob":
        raise NotFollowed
    while type(mob).__name__ == "MasterMob":
        inner = slot.segment
        inner = next(iter(inner.components)) if hasattr(inner, "components") else inner
        if type(inner).__name__ != "SourceClip" or inner.mob is None:
            raise NotFollowed
        offset += Fraction(int(inner.start)) / Fraction(slot.edit_rate)
        mob, slot = inner.mob, inner.slot
    described = mob.descriptor
    begins = _on_tape(slot)
    rate = Fraction(described["SampleRate"].value)
    channels = described.getvalue("Channels") or 1
    locators = described["Locator"].value if "Locator" in described else []
    url = next((each["URLString"].value for each in locators or []), "")
    media = Media(
        name=mob.name or found.clip.mob.name,
        path=path_of(url or ""),
        start=begins,
        duration=Fraction(int(described["Length"].value)) / rate,
        channels=max(found.channels, int(channels)),
        sample_rate=int(rate) if rate.denominator == 1 and rate > 1000 else 0,
    )
    return media, begins + offset


def _on_tape(slot: Any) -> Fraction:
    """Seconds from midnight of a file's first sample: its place on a tape with timecode."""
    clip = slot.segment
    tape = getattr(clip, "mob", None)
    if tape is None or type(clip).__name__ != "SourceClip":
        return Fraction(0)
    at = Fraction(int(clip.start)) / Fraction(slot.edit_rate)
    for other in tape.slots:
        parts = getattr(other.segment, "components", [other.segment])
        for code in parts:
            if type(code).__name__ == "Timecode":
                return at + Fraction(int(code.start)) / Fraction(other.edit_rate)
    return at


def _common(name: str, channels: int) -> str:
    """A clip's name without its channel: "step.L" of a stereo clip is "step"."""
    head, dot, tail = name.rpartition(".")
    return head if channels > 1 and dot and tail in ("L", "R", "C", "M") else name
