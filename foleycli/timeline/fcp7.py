"""Final Cut Pro 7 XML (xmeml 4 and 5), which Premiere and Resolve speak too <-> Timeline.

Times are whole frames of the rate that stands beside them: timebase 24 with ntsc TRUE is
24000/1001. ``in`` and ``out`` count from the media's first frame on the retimed clock; ``start`` or
``end`` of -1 means that a transition decides.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from fractions import Fraction

from foleycli.clip.timecode import Timecode
from foleycli.errors import MediaError
from foleycli.timeline.fcpxml import path_of, url_of
from foleycli.timeline.model import (
    Event,
    Marker,
    Media,
    Timeline,
    Track,
    TrackKind,
    Transition,
    file_name,
    whole_frames,
)

_ZERO = Fraction(0)


def read_fcp7(text: str, name: str = "") -> Timeline:
    """Read the first sequence of a document.

    Raises:
        MediaError: it is no such XML, holds no sequence, or something on it cannot be followed.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise MediaError(f"{name} is not XML: {error}.", "Export it again.") from error
    sequence = root.find(".//sequence")
    if root.tag != "xmeml" or sequence is None:
        raise MediaError(f"{name or 'The file'} holds no sequence.", "Export a sequence.")
    return _Reader(root).timeline(sequence)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A transition between two items, in frames of the timeline."""

    start: int
    end: int
    cut: int
    kind: str


class _Reader:
    def __init__(self, root: ET.Element) -> None:
        whole = [e for e in root.iter() if e.tag in ("file", "sequence") and len(e)]
        self._whole = {(e.tag, e.get("id", "")): e for e in whole}

    def timeline(self, sequence: ET.Element) -> Timeline:
        rate = _rate(sequence)
        if rate is None:
            raise MediaError("The sequence states no frame rate.", "Export it again.")
        start, drop = _timecode(sequence.find("timecode"), rate)
        media = sequence.find("media")
        media = ET.Element("media") if media is None else media
        videos, audios = media.iterfind("video/track"), media.iterfind("audio/track")
        tracks = [self._track(t, "picture", rate, f"V{n}") for n, t in enumerate(videos, 1)]
        tracks += [self._track(t, "sound", rate, f"A{n}") for n, t in enumerate(audios, 1)]
        return Timeline(
            name=sequence.findtext("name", ""),
            rate=rate,
            drop=drop,
            start=start,
            tracks=tuple(track for track in tracks if track.events),
            markers=tuple(_marker(item, rate) for item in sequence.iterfind("marker")),
        )

    def _track(self, track: ET.Element, kind: TrackKind, rate: Fraction, name: str) -> Track:
        items = [item for item in track if item.tag in ("clipitem", "transitionitem")]
        events: list[Event] = []
        for index, item in enumerate(items):
            if item.tag == "transitionitem":
                continue
            joined = [item.findtext(tag, "-1").startswith("-") for tag in ("start", "end")]
            before = _cut(items[index - 1]) if index and joined[0] else None
            after = _cut(items[index + 1]) if index + 1 < len(items) and joined[1] else None
            if event := self._event(item, kind, rate, before, after):
                events.append(event)
        events = [_without_shared_outro(e, later) for e, later in _with_next(events)]
        enabled = track.findtext("enabled", "TRUE").upper() == "TRUE"
        return Track(kind=kind, events=tuple(events), name=name, enabled=enabled)

    def _event(
        self,
        item: ET.Element,
        kind: TrackKind,
        rate: Fraction,
        before: _Cut | None,
        after: _Cut | None,
    ) -> Event | None:
        media = self._media(item)
        if media is None:
            return None  # a generator: no film
        first, last = (int(item.findtext(tag, "-1")) for tag in ("start", "end"))
        speed = _speed(item)
        own_start = media.start_seconds if isinstance(media, Timeline) else media.start or _ZERO
        shown_from = first if first >= 0 else (before.start if before else 0)
        # Items joined by a transition overlap under it; the cut lies where it is aligned.
        begins = before.cut if before and first < 0 else shown_from
        ends = after.cut if after and last < 0 else last
        retimed = _retimed(item, "out" if speed < 0 else "in") / (_rate(item) or rate)
        source = own_start + retimed * (abs(speed) or 1) + (begins - shown_from) / rate * speed
        return Event(
            name=item.findtext("name", "") or media.name,
            media=media,
            start=begins / rate,
            duration=(ends - begins) / rate,
            source=source,
            speed=speed,
            enabled=item.findtext("enabled", "TRUE").upper() == "TRUE",
            intro=_transition(before, rate) if kind == "picture" else None,
            outro=_transition(after, rate) if kind == "picture" else None,
        )

    def _media(self, item: ET.Element) -> Media | Timeline | None:
        nested = item.find("sequence")
        if nested is not None:
            return self.timeline(self._whole.get(("sequence", nested.get("id", "")), nested))
        file = item.find("file")
        if file is None:
            if item.find("multiclip") is not None:
                raise MediaError(
                    f"{item.findtext('name')} is a multicam clip, which is not followed.",
                    "Collapse it first, then export again.",
                )
            return None
        file = self._whole.get(("file", file.get("id", "")), file)
        if file.find("mediaSource") is not None and not file.findtext("pathurl"):
            return None  # made by the editor: a slug, an adjustment layer, a colour
        rate = _rate(file) or _rate(item)
        if rate is None:
            raise MediaError(f"{item.findtext('name')} states no frame rate.", "Export it again.")
        start, _ = _timecode(file.find("timecode"), rate)
        url = file.findtext("pathurl", "")
        path = path_of(url.replace("file://localhost", "file://"))
        frames = int(file.findtext("duration", "0"))
        return Media(
            name=file.findtext("name", "") or file_name(path),
            path=path,
            reel=file.findtext("timecode/reel/name", ""),
            start=start / rate,
            duration=frames / rate if frames else None,
            rate=rate,
            channels=int(file.findtext("media/audio/channelcount", "0")),
            sample_rate=int(file.findtext("media/audio/samplecharacteristics/samplerate", "0")),
        )


def _with_next(events: list[Event]) -> list[tuple[Event, Event | None]]:
    return list(zip(events, [*events[1:], None], strict=False))


def _without_shared_outro(event: Event, later: Event | None) -> Event:
    shared = later is not None and later.intro is not None and later.start == event.end
    return replace(event, outro=None) if shared else event


def _cut(item: ET.Element) -> _Cut | None:
    if item.tag != "transitionitem":
        return None
    start, end = (int(item.findtext(tag, "0")) for tag in ("start", "end"))
    alignment = item.findtext("alignment", "center")
    cut = {"start": start, "start-black": start, "end": end, "end-black": end}.get(
        alignment, (start + end) // 2
    )
    stated = item.findtext("cutpoint")  # ours: a centre may fall between two frames
    name = item.findtext("effect/name", "Cross Dissolve")
    kind = "wipe" if "wipe" in name.lower() else "dissolve"
    return _Cut(start, end, cut if stated is None else int(stated), kind)


def _transition(cut: _Cut | None, rate: Fraction) -> Transition | None:
    if cut is None:
        return None
    before, after = (cut.cut - cut.start) / rate, (cut.end - cut.cut) / rate
    return Transition(before=before, after=after, kind=cut.kind)


def _rate(element: ET.Element) -> Fraction | None:
    base = element.findtext("rate/timebase")
    if base is None:
        return None
    ntsc = element.findtext("rate/ntsc", "FALSE").upper() == "TRUE"
    return Fraction(int(base) * 1000, 1001) if ntsc else Fraction(int(base))


def _timecode(element: ET.Element | None, rate: Fraction) -> tuple[int, bool]:
    """Frames from midnight, and whether labels drop."""
    if element is None:
        return 0, False
    drop = element.findtext("displayformat", "NDF") == "DF"
    frame = element.findtext("frame")
    if frame is not None:
        return int(frame), drop
    label = element.findtext("string", "00:00:00:00")
    return Timecode.parse(label, _rate(element) or rate, drop or ";" in label).frames, drop


def _retimed(item: ET.Element, tag: str) -> Fraction:
    """``in`` or ``out`` in frames; exact where we wrote it and nobody has moved it since."""
    whole = int(item.findtext(tag, "0"))
    for parameter in item.iterfind("filter/effect/parameter"):
        if parameter.findtext("parameterid") == f"foleycli {tag}":
            exact = Fraction(parameter.findtext("value", "0"))
            return exact if round(exact) == whole else Fraction(whole)
    return Fraction(whole)


def _speed(item: ET.Element) -> Fraction:
    """Of the time remap filter; in percent there."""
    for effect in item.iterfind("filter/effect"):
        if effect.findtext("effectid") != "timeremap":
            continue
        values = {p.findtext("parameterid"): p.findtext("value", "") for p in effect.iter()
                  if p.tag == "parameter"}  # fmt: skip
        if (values.get("variablespeed") or "0") not in ("0", "FALSE"):
            raise MediaError(
                f"{item.findtext('name')} changes its speed while it runs, which is not followed.",
                "Give it one constant speed, or render it to a file and use that.",
            )
        speed = Fraction(values.get("foleycli") or Fraction(values.get("speed") or 100) / 100)
        backwards = (values.get("reverse") or "FALSE").upper() == "TRUE"
        return -abs(speed) if backwards else speed
    return Fraction(1)


def _marker(item: ET.Element, rate: Fraction) -> Marker:
    first, last = (int(item.findtext(tag, "-1")) for tag in ("in", "out"))
    return Marker(
        start=first / rate,
        duration=max(0, last - first) / rate,
        name=item.findtext("name", ""),
        note=item.findtext("comment", ""),
    )


def write_fcp7(timeline: Timeline) -> str:
    """Write a timeline as one sequence.

    Raises:
        ValueError: an event does not begin and end on frames.
    """
    root = ET.Element("xmeml", version="5")
    writer = _Writer(root)
    writer.sequence(root, timeline)
    return _text(root)


def add_sounds(text: str, timeline: Timeline, sounds: tuple[Track, ...]) -> str:
    """The document as it stands, with tracks added to the sound of its first sequence."""
    root = ET.fromstring(text)
    sequence = root.find(".//sequence")
    if sequence is None:
        raise MediaError("The file holds no sequence.", "Export a sequence.")
    writer = _Writer(root)
    media = _child(sequence, "media")
    writer.tracks(_child(media, "audio"), timeline, sounds)
    return _text(root)


class _Writer:
    def __init__(self, root: ET.Element) -> None:
        self._used = {e.get("id", "") for e in root.iter()}
        self._files: dict[Media, str] = {}
        self._next = 0

    def sequence(self, parent: ET.Element, timeline: Timeline) -> None:
        sequence = ET.SubElement(parent, "sequence", id=self._id("sequence"))
        _say(sequence, "name", timeline.name)
        _say(sequence, "duration", whole_frames(timeline.duration, timeline.rate))
        _say_rate(sequence, timeline.rate)
        _say_timecode(sequence, timeline.start, timeline.rate, timeline.drop)
        media = ET.SubElement(sequence, "media")
        video = ET.SubElement(media, "video")
        self.tracks(video, timeline, timeline.pictures)
        self.tracks(ET.SubElement(media, "audio"), timeline, timeline.sounds)
        for marker in timeline.markers:
            _say_marker(sequence, marker, timeline.rate)

    def tracks(self, parent: ET.Element, timeline: Timeline, tracks: tuple[Track, ...]) -> None:
        for track in tracks:
            element = ET.SubElement(parent, "track")
            for event, later in _with_next(list(track.events)):
                self._placed(element, timeline, track, event, later)
            _say(element, "enabled", "TRUE" if track.enabled else "FALSE")
            _say(element, "locked", "FALSE")

    def _placed(
        self,
        parent: ET.Element,
        timeline: Timeline,
        track: Track,
        event: Event,
        later: Event | None,
    ) -> None:
        if event.intro:
            _say_transition(parent, timeline, event.start, event.intro)
        shared = later.intro if later and later.start == event.end else None
        tail = shared or event.outro
        item = ET.SubElement(parent, "clipitem", id=self._id("clipitem"))
        self._item(item, timeline, track.kind, event, tail)
        if track.kind == "sound":
            source = ET.SubElement(item, "sourcetrack")
            _say(source, "mediatype", "audio")
            _say(source, "trackindex", 1)
        if event.outro and not shared:
            _say_transition(parent, timeline, event.end, event.outro)

    def _item(
        self,
        item: ET.Element,
        timeline: Timeline,
        kind: TrackKind,
        event: Event,
        tail: Transition | None,
    ) -> None:
        rate, media = timeline.rate, event.media
        own_start = media.start_seconds if isinstance(media, Timeline) else media.start or _ZERO
        lead = event.intro.before if event.intro else _ZERO
        extra = tail.after if tail else _ZERO
        shown = lead + event.duration + extra
        first = event.source - own_start - lead * event.speed
        if event.speed < 0:  # in and out stand in the order of the media
            first += shown * event.speed
        begin = first / abs(event.speed) if event.speed else first
        _say(item, "name", event.name)
        _say(item, "enabled", "TRUE" if event.enabled else "FALSE")
        _say(item, "duration", whole_frames(timeline.duration, rate))
        _say_rate(item, rate)
        _say(item, "start", -1 if event.intro else whole_frames(event.start, rate))
        _say(item, "end", -1 if tail else whole_frames(event.end, rate))
        _say(item, "in", round(begin * rate))
        _say(item, "out", round((begin + shown) * rate))
        if isinstance(media, Timeline):
            self.sequence(item, media)
        else:
            self._file(item, media, timeline, kind)
        if event.speed != 1:
            _say_speed(item, event.speed, {"in": begin * rate, "out": (begin + shown) * rate})

    def _file(self, item: ET.Element, media: Media, timeline: Timeline, kind: TrackKind) -> None:
        if media in self._files:
            ET.SubElement(item, "file", id=self._files[media])
            return
        name = self._files[media] = self._id("file")
        file = ET.SubElement(item, "file", id=name)
        rate = media.rate or timeline.rate
        _say(file, "name", media.name)
        _say(file, "pathurl", url_of(media.path).replace("file://", "file://localhost"))
        _say_rate(file, rate)
        _say(file, "duration", round((media.duration or _ZERO) * rate))
        drop = timeline.drop and rate == timeline.rate
        _say_timecode(file, round((media.start or _ZERO) * rate), rate, drop, media.reel)
        kinds = ET.SubElement(file, "media")
        if kind == "picture":
            ET.SubElement(kinds, "video")
        if media.channels or kind == "sound":
            audio = ET.SubElement(kinds, "audio")
            if media.sample_rate:
                samples = ET.SubElement(audio, "samplecharacteristics")
                _say(samples, "samplerate", media.sample_rate)
            _say(audio, "channelcount", media.channels or 1)

    def _id(self, kind: str) -> str:
        while True:
            self._next += 1
            name = f"{kind}-{self._next}"
            if name not in self._used:
                self._used.add(name)
                return name


def _child(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found


def _say(parent: ET.Element, tag: str, value: str | int) -> None:
    ET.SubElement(parent, tag).text = str(value)


def _say_rate(parent: ET.Element, rate: Fraction) -> None:
    element = ET.SubElement(parent, "rate")
    _say(element, "timebase", round(rate))
    _say(element, "ntsc", "TRUE" if rate.denominator == 1001 else "FALSE")


def _say_timecode(
    parent: ET.Element, frames: int, rate: Fraction, drop: bool, reel: str = ""
) -> None:
    element = ET.SubElement(parent, "timecode")
    _say_rate(element, rate)
    _say(element, "string", str(Timecode(frames, rate, drop)))
    _say(element, "frame", frames)
    _say(element, "displayformat", "DF" if drop else "NDF")
    if reel:
        _say(ET.SubElement(element, "reel"), "name", reel)


def _say_transition(
    parent: ET.Element, timeline: Timeline, cut: Fraction, transition: Transition
) -> None:
    element = ET.SubElement(parent, "transitionitem")
    start = whole_frames(cut - transition.before, timeline.rate)
    at = whole_frames(cut, timeline.rate)
    end = whole_frames(cut + transition.after, timeline.rate)
    _say(element, "start", start)
    _say(element, "end", end)
    _say(element, "alignment", "start" if at == start else "end" if at == end else "center")
    if at not in (start, end, (start + end) // 2):
        _say(element, "cutpoint", at)
    _say_rate(element, timeline.rate)
    effect = ET.SubElement(element, "effect")
    name = "Wipe" if transition.kind == "wipe" else "Cross Dissolve"
    _say(effect, "name", name)
    _say(effect, "effectid", name)
    _say(effect, "effecttype", "transition")
    _say(effect, "mediatype", "video")


def _say_speed(item: ET.Element, speed: Fraction, exact: dict[str, Fraction]) -> None:
    effect = ET.SubElement(ET.SubElement(item, "filter"), "effect")
    _say(effect, "name", "Time Remap")
    _say(effect, "effectid", "timeremap")
    _say(effect, "effecttype", "motion")
    _say(effect, "mediatype", "video")
    percent = f"{float(abs(speed) * 100):g}"
    values = {"variablespeed": "0", "speed": percent, "reverse": "TRUE" if speed < 0 else "FALSE"}
    if Fraction(percent) / 100 != abs(speed):
        values["foleycli"] = str(abs(speed))
    values |= {f"foleycli {tag}": str(f) for tag, f in exact.items() if f.denominator != 1}
    for name, value in values.items():
        parameter = ET.SubElement(effect, "parameter")
        _say(parameter, "parameterid", name)
        _say(parameter, "name", name)
        _say(parameter, "value", value)


def _say_marker(parent: ET.Element, marker: Marker, rate: Fraction) -> None:
    element = ET.SubElement(parent, "marker")
    _say(element, "name", marker.name)
    _say(element, "comment", marker.note)
    _say(element, "in", round(marker.start * rate))
    _say(element, "out", round((marker.start + marker.duration) * rate))


def _text(root: ET.Element) -> str:
    ET.indent(root, " ")
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n{body}\n'
