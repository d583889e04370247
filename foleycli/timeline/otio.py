"""OpenTimelineIO <-> Timeline: .otio, .otioz and what its adapters read (AAF, see aaf.py).

OTIO counts in floating point; frames are whole there, so nothing is lost once rates are exact.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from foleycli.clip.timecode import drops
from foleycli.documents import TOO_DEEP, exact_number, whole_number
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.install import get_extra
from foleycli.timeline.model import (
    FASTEST,
    Event,
    Level,
    Marker,
    Media,
    Timeline,
    Track,
    Transition,
    as_fades,
    as_transitions,
    exact_rate,
    file_name,
)
from foleycli.timeline.paths import path_of, url_of

_ZERO = Fraction(0)
DEEPEST = 400  # brackets inside one another; a clip in eight nested stacks lies in some fifty
LARGEST = 256 * 1024**2  # bytes of a document
_OWN = "foleycli"  # our room in OTIO's metadata


def load_otio() -> Any:
    """The library, which is an extra."""
    try:
        import opentimelineio
    except ImportError as error:
        raise MediaError(
            "OpenTimelineIO is not installed, which reads and writes .otio.",
            get_extra("timeline"),
        ) from error
    return opentimelineio


def read_otio(path: Path) -> Timeline:
    """Read a timeline with OpenTimelineIO.

    Raises:
        MediaError: it is not installed, cannot read the file, or something on the timeline
            cannot be followed.
    """
    otio = load_otio()
    timeline = _timeline_of(otio, _document(otio, path))
    if timeline is None:
        raise MediaError(f"{path.name} holds no timeline.", "Export a timeline.")
    try:
        return _Reader(otio).timeline(timeline)
    except FoleyError as error:
        raise type(error)(f"{path.name}: {error.problem}", error.remedy) from error
    except RecursionError as error:
        raise MediaError(f"{path.name} is nested too deeply.", "Open what is nested.") from error
    except Exception as error:  # so does the library, of what makes no sense
        raise MediaError(
            f"{path.name} cannot be understood: {' '.join(str(error).split())}.",
            "Export it again, or as EDL or FCPXML.",
        ) from error


def _document(otio: Any, path: Path) -> Any:
    """What a file holds, looked at before the library does, which ends the process over a document
    that is nested without end.

    Raises:
        MediaError: it cannot be read.
    """
    try:
        if path.suffix.lower() == ".otio":
            _check_nesting(path.read_bytes())
        elif path.suffix.lower() == ".otioz":
            with zipfile.ZipFile(path) as archive:
                content = archive.getinfo("content.otio")
                if content.file_size > LARGEST:
                    raise ValueError("it is larger than any timeline")
                _check_nesting(archive.read(content))
        return otio.adapters.read_from_file(str(path))
    except Exception as error:  # adapters raise whatever they like
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MediaError(
            f"OpenTimelineIO cannot read {path.name}: {reason}.",
            "Export it again, or as EDL or FCPXML.",
        ) from error


def _check_nesting(data: bytes) -> None:
    """Count brackets outside of strings.

    Raises:
        ValueError: more are open at once than any timeline needs.
    """
    depth = 0
    for sign in re.finditer(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', data, re.DOTALL):
        if sign[0] in b"[{":
            depth += 1
            if depth > DEEPEST:
                raise ValueError(TOO_DEEP)
        elif sign[0] in b"]}":
            depth -= 1


def _timeline_of(otio: Any, document: Any) -> Any:
    """The first timeline of a document; None where it holds none."""
    if isinstance(document, otio.schema.SerializableCollection):
        found = document.find_children(descended_from_type=otio.schema.Timeline)
        document = next(iter(found), None)
    return document if isinstance(document, otio.schema.Timeline) else None


class _Reader:
    def __init__(self, otio: Any) -> None:
        self._otio = otio

    def timeline(self, timeline: Any) -> Timeline:
        start = timeline.global_start_time
        rate = exact_rate(start.rate) if start else self._rate(timeline.tracks)
        frames = round(_seconds(start) * rate) if start else 0
        drop = bool(_own(timeline).get("drop_frame", False)) and drops(rate)
        return self._stack(timeline.tracks, timeline.name, rate, frames, drop)

    def _stack(self, stack: Any, name: str, rate: Fraction, start: int, drop: bool) -> Timeline:
        tracks = [self._track(child, rate) for child in stack]
        markers = tuple(
            Marker(
                start=_seconds(m.marked_range.start_time),
                duration=_seconds(m.marked_range.duration),
                name=m.name,
                note=str(_own(m).get("note", "")),
            )
            for m in stack.markers
        )
        kept = tuple(track for track in tracks if track.events)
        return Timeline(name=name, rate=rate, drop=drop, start=start, tracks=kept, markers=markers)

    def _rate(self, stack: Any) -> Fraction:
        for clip in stack.find_clips():
            span = clip.source_range or clip.available_range()
            return exact_rate(span.duration.rate)
        raise MediaError("The timeline holds no clips.", "Export one that does.")

    def _track(self, track: Any, rate: Fraction) -> Track:
        schema = self._otio.schema
        if not isinstance(track, schema.Track):
            inner = schema.Track(kind=schema.TrackKind.Video)
            inner.append(track.deepcopy())
            track = inner
        events: list[Event] = []
        at, waiting = _ZERO, None
        for item in track:
            if isinstance(item, schema.Transition):
                waiting = _transition(item)
                if events and events[-1].end == at:
                    events[-1] = replace(events[-1], outro=waiting)
                continue
            duration = _seconds(item.trimmed_range().duration)
            shows = not (isinstance(item, schema.Gap) or self._is_generator(item))
            if shows and duration > 0:
                if waiting and events and events[-1].end == at:
                    events[-1] = replace(events[-1], outro=None)
                event = self._event(item, at, duration, rate)
                events.append(replace(event, intro=waiting))
            at, waiting = at + duration, None
        kind = "sound" if track.kind == schema.TrackKind.Audio else "picture"
        enabled = getattr(track, "enabled", True)
        found = Track(kind=kind, events=tuple(events), name=track.name, enabled=enabled)
        return as_fades(found)

    def _is_generator(self, item: Any) -> bool:
        """Black, bars, a title: no film."""
        reference = getattr(item, "media_reference", None)
        return isinstance(reference, self._otio.schema.GeneratorReference)

    def _event(self, item: Any, start: Fraction, duration: Fraction, rate: Fraction) -> Event:
        if isinstance(item, self._otio.schema.Clip):
            media = self._media(item)
        else:
            media = self._nested(item, rate)
        return Event(
            name=item.name or media.name,
            media=media,
            start=start,
            duration=duration,
            source=_seconds(item.trimmed_range().start_time),
            speed=self._speed(item),
            enabled=getattr(item, "enabled", True),
            levels=_levels(item),
        )

    def _nested(self, item: Any, rate: Fraction) -> Timeline:
        schema, own = self._otio.schema, _own(item)
        if isinstance(item, schema.Track):
            stack = schema.Stack(name=item.name)
            copy = item.deepcopy()
            copy.source_range = None
            stack.append(copy)
            item = stack
        rate = exact_rate(own.get("rate", rate))
        frames, drop = whole_number(str(own.get("start", 0))), bool(own.get("drop_frame", False))
        return self._stack(item, item.name, rate, frames, drop and drops(rate))

    def _media(self, clip: Any) -> Media:
        reference = clip.media_reference
        span = reference.available_range if reference else None
        url = getattr(reference, "target_url", "") or ""
        if isinstance(reference, self._otio.schema.ImageSequenceReference):
            raise MediaError(
                f"{clip.name} is an image sequence, which is not followed.",
                "Render it to a movie file first.",
            )
        own = _own(reference) if reference else {}
        path = path_of(url)
        return Media(
            name=(reference.name if reference else "") or file_name(path) or clip.name,
            path=path,
            reel=str(own.get("reel", "")),
            start=_seconds(span.start_time) if span else None,
            duration=_seconds(span.duration) if span else None,
            rate=exact_rate(own["rate"]) if "rate" in own else None,
            channels=whole_number(str(own.get("channels", 0))),
            sample_rate=whole_number(str(own.get("sample_rate", 0))),
        )

    def _speed(self, item: Any) -> Fraction:
        schema, speed = self._otio.schema, Fraction(1)
        for effect in item.effects:
            if isinstance(effect, schema.FreezeFrame):
                return _ZERO
            if isinstance(effect, schema.LinearTimeWarp):
                stated = _own(effect).get("speed")
                plain = Fraction(effect.time_scalar).limit_denominator(10_000)
                speed *= exact_number(str(stated)) if stated else plain
            elif isinstance(effect, schema.TimeEffect):
                raise MediaError(
                    f"{item.name} changes its speed in a way that is not followed.",
                    "Give it one constant speed, or render it to a file and use that.",
                )
        return speed


def _levels(item: Any) -> tuple[Level, ...]:
    """Volume keyframes as we write them; OTIO has no word of its own for volume."""
    points = [p for effect in item.effects for p in _own(effect).get("volume", ())]
    return tuple(
        Level(exact_number(str(point.get("exact", point["seconds"]))), float(point["db"]))
        for point in points
        if isinstance(point, Mapping) and "seconds" in point and "db" in point
    )


def _transition(item: Any) -> Transition:
    wipe = "wipe" in (item.transition_type or "").lower()
    return Transition(
        before=_seconds(item.in_offset),
        after=_seconds(item.out_offset),
        kind="wipe" if wipe else "dissolve",
    )


def _own(item: Any) -> Mapping[str, Any]:
    """What we wrote about an item; whatever else stands in our place is passed over."""
    found = item.metadata.get(_OWN)
    return found if isinstance(found, Mapping) else {}


def _seconds(time: Any) -> Fraction:
    """Exact, from a value that is whole in frames or samples.

    Raises:
        ValueError: no such time can be.
    """
    if time.value == 0:
        return _ZERO  # whatever it counts at: some say 0 a second
    if not (0 < time.rate <= 1e7 and abs(time.value) <= 1e12):
        raise ValueError(f"{time.value:g} at {time.rate:g} a second is no time")
    try:
        rate = Fraction(round(time.rate)) if time.rate >= FASTEST else exact_rate(time.rate)
    except UsageError:  # a camera's own rate
        rate = Fraction(time.rate).limit_denominator(100_000)
    value = Fraction(time.value).limit_denominator(1_000_000)
    nearest = Fraction(round(value))
    return (nearest if abs(nearest - value) < Fraction(1, 1000) else value) / rate


def write_otio(timeline: Timeline, path: Path) -> None:
    """Write a timeline as .otio (or what the suffix says and an adapter writes)."""
    otio = load_otio()
    _save(otio, _Writer(otio).timeline(timeline), path)


def add_sounds(
    original: Path,
    timeline: Timeline,
    sounds: tuple[Track, ...],
    path: Path,
    markers: Sequence[Marker] = (),
) -> None:
    """The timeline as it stands in ``original``, with tracks and markers added."""
    otio = load_otio()
    document = _document(otio, original)
    found = _timeline_of(otio, document)
    assert found is not None  # it was read
    writer = _Writer(otio)
    found.tracks.extend(writer.track(track, timeline.rate) for track in sounds)
    writer.mark(found.tracks, markers, timeline.rate)
    _save(otio, document, path)


def _save(otio: Any, document: Any, path: Path) -> None:
    try:
        otio.adapters.write_to_file(document, str(path))
    except Exception as error:
        raise MediaError(
            f"OpenTimelineIO cannot write {path.suffix}: {error}.", "Write .otio, .edl or .fcpxml."
        ) from error


class _Writer:
    def __init__(self, otio: Any) -> None:
        self._otio = otio

    def timeline(self, timeline: Timeline) -> Any:
        result = self._otio.schema.Timeline(
            name=timeline.name,
            global_start_time=self._time(timeline.start_seconds, timeline.rate),
            metadata={_OWN: {"drop_frame": timeline.drop}},
        )
        self._fill(result.tracks, timeline)
        return result

    def _fill(self, stack: Any, timeline: Timeline) -> None:
        stack.extend(self.track(track, timeline.rate) for track in timeline.tracks)
        self.mark(stack, timeline.markers, timeline.rate)

    def mark(self, stack: Any, markers: Sequence[Marker], rate: Fraction) -> None:
        for marker in markers:
            span = self._range(marker.start, marker.duration, rate)
            own = {_OWN: {"note": marker.note}}
            stack.markers.append(
                self._otio.schema.Marker(name=marker.name, marked_range=span, metadata=own)
            )

    def track(self, track: Track, rate: Fraction) -> Any:
        schema = self._otio.schema
        kind = schema.TrackKind.Audio if track.kind == "sound" else schema.TrackKind.Video
        result = schema.Track(name=track.name, kind=kind)
        result.enabled = track.enabled
        at, track = _ZERO, as_transitions(track)
        for index, event in enumerate(track.events):
            if event.start > at:
                gap = self._range(_ZERO, event.start - at, rate)
                result.append(schema.Gap(source_range=gap))
            if event.intro:
                result.append(self._transition(event.intro, rate))
            result.append(self._item(event, rate))
            later = track.events[index + 1] if index + 1 < len(track.events) else None
            if event.outro and not (later and later.intro and later.start == event.end):
                result.append(self._transition(event.outro, rate))
            at = event.end
        return result

    def _item(self, event: Event, rate: Fraction) -> Any:
        schema, media = self._otio.schema, event.media
        span = self._range(event.source, event.duration, rate)
        if isinstance(media, Timeline):
            item = schema.Stack(name=event.name, source_range=span)
            item.metadata[_OWN] = {
                "start": media.start,
                "rate": str(media.rate),
                "drop_frame": media.drop,
            }
            self._fill(item, media)
        else:
            item = schema.Clip(
                name=event.name, source_range=span, media_reference=self._reference(media, rate)
            )
        item.enabled = event.enabled
        if event.levels:
            points = [
                {"seconds": float(p.time), "exact": str(p.time), "db": p.gain_db}
                for p in event.levels
            ]
            volume = schema.Effect(name="volume", effect_name="AudioVolume")
            volume.metadata[_OWN] = {"volume": points}
            item.effects.append(volume)
        if event.speed != 1:
            warp = schema.LinearTimeWarp(time_scalar=float(event.speed))
            warp.metadata[_OWN] = {"speed": str(event.speed)}
            item.effects.append(warp)
        return item

    def _reference(self, media: Media, rate: Fraction) -> Any:
        own = {"reel": media.reel, "channels": media.channels, "sample_rate": media.sample_rate}
        if media.rate:
            own["rate"] = str(media.rate)
        span = None
        if media.start is not None and media.duration is not None:
            span = self._range(media.start, media.duration, media.rate or rate)
        if not media.path:
            return self._otio.schema.MissingReference(
                name=media.name, available_range=span, metadata={_OWN: own}
            )
        reference = self._otio.schema.ExternalReference(
            target_url=url_of(media.path), available_range=span, metadata={_OWN: own}
        )
        reference.name = media.name
        return reference

    def _transition(self, transition: Transition, rate: Fraction) -> Any:
        schema = self._otio.schema
        dissolve = transition.kind == "dissolve"
        return schema.Transition(
            name=transition.kind,
            transition_type=schema.TransitionTypes.SMPTE_Dissolve if dissolve else "SMPTE_Wipe",
            in_offset=self._time(transition.before, rate),
            out_offset=self._time(transition.after, rate),
        )

    def _range(self, start: Fraction, duration: Fraction, rate: Fraction) -> Any:
        return self._otio.opentime.TimeRange(self._time(start, rate), self._time(duration, rate))

    def _time(self, seconds: Fraction, rate: Fraction) -> Any:
        """Frames where they are whole, samples of 48 kHz where those are, else what is nearest."""
        value = seconds * rate
        if value.denominator != 1 and (seconds * 48_000).denominator == 1:
            return self._otio.opentime.RationalTime(float(seconds * 48_000), 48_000.0)
        return self._otio.opentime.RationalTime(float(value), float(rate))
