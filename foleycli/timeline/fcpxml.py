"""Final Cut Pro X XML (1.8 to 1.11) <-> Timeline, every time a Fraction.

Facts from Apple's FCPXML reference: times are seconds as "n/ds"; an item's ``offset`` counts on its
parent's clock, its ``start`` on its own; items within an item are connected to it at ``lane``; a
``timeMap`` maps the item's own time to the media's.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote, unquote, urlparse

from foleycli.errors import MediaError
from foleycli.timeline.model import (
    Event,
    Marker,
    Media,
    Timeline,
    Track,
    Transition,
    file_name,
    in_order,
)

VERSION = "1.10"
SHOWN = ("asset-clip", "clip", "video", "ref-clip", "sync-clip")
_ZERO = Fraction(0)


@dataclass(slots=True)
class _Placed:
    """Events found on the way through a sequence, by lane."""

    pictures: dict[int, list[Event]] = field(default_factory=dict)
    sounds: dict[int, list[Event]] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)


def read_fcpxml(text: str, name: str = "") -> Timeline:
    """Read the first project, or the first sequence, of an FCPXML document.

    Raises:
        MediaError: it is no FCPXML, holds no sequence, or something on it cannot be followed.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise MediaError(f"{name} is not XML: {error}.", "Export it again.") from error
    sequence = root.find(".//project/sequence")
    if sequence is None:
        raise MediaError(
            f"{name or 'The file'} holds no project.", "Export a project, not an event or clip."
        )
    project = root.find(".//project")
    title = project.get("name", name) if project is not None else name
    return _Reader(_resources(root)).timeline(sequence, title)


class _Reader:
    def __init__(self, resources: ET.Element) -> None:
        self._resources = {r.get("id", ""): r for r in resources}
        self._open: list[str] = []  # compound clips that are being read

    def timeline(self, sequence: ET.Element, name: str) -> Timeline:
        rate = self._rate(sequence.get("format"))
        if rate is None:
            raise MediaError(f"{name}: the sequence states no frame rate.", "Export it again.")
        start = _time(sequence.get("tcStart"))
        placed = _Placed()
        spine = sequence.find("spine")
        if spine is not None:
            self._spine(spine, placed, start, -start, 0)
        tracks = [
            Track(kind="picture", events=in_order(placed.pictures[lane]), name=f"V{lane}")
            for lane in sorted(placed.pictures)
        ]
        tracks += [
            Track(kind="sound", events=in_order(placed.sounds[lane]), name=f"A{-lane}")
            for lane in sorted(placed.sounds, reverse=True)
        ]
        return Timeline(
            name=name,
            rate=rate,
            drop=sequence.get("tcFormat") == "DF",
            start=round(start * rate),
            tracks=tuple(tracks),
            markers=tuple(sorted(placed.markers, key=lambda marker: marker.start)),
        )

    def _spine(
        self, spine: ET.Element, placed: _Placed, begin: Fraction, shift: Fraction, lane: int
    ) -> None:
        """Items one after the other. ``shift``: seconds from the spine's clock to the timeline."""
        at = begin
        waiting: Transition | None = None
        previous: Event | None = None
        for item in spine:
            offset = _time(item.get("offset"), at)
            if item.tag == "transition":
                waiting, cut = self._transition(item, offset, at)
                if previous is not None and lane in placed.pictures:
                    events = placed.pictures[lane]
                    events[-1] = previous = replace(previous, outro=waiting)
                at = max(at, cut)
                continue
            duration = self.duration(item)
            event = self._item(item, placed, offset + shift, lane)
            if event is not None and waiting is not None:
                if previous is not None and previous.end == event.start:
                    events = placed.pictures[lane]
                    events[events.index(previous)] = replace(previous, outro=None)
                event = self._replace_last(placed, lane, replace(event, intro=waiting))
            previous, waiting = event, None
            at = offset + duration

    def _replace_last(self, placed: _Placed, lane: int, event: Event) -> Event:
        placed.pictures[lane][-1] = event
        return event

    def _transition(
        self, item: ET.Element, offset: Fraction, cut: Fraction
    ) -> tuple[Transition, Fraction]:
        duration = _time(item.get("duration"))
        before = min(max(cut - offset, _ZERO), duration)
        name = item.get("name", "")
        kind = "wipe" if "wipe" in name.lower() else "dissolve"
        return Transition(before=before, after=duration - before, kind=kind), cut

    def _item(self, item: ET.Element, placed: _Placed, start: Fraction, lane: int) -> Event | None:
        """Put an item and what is connected to it on its lanes; the picture event, if it is one."""
        if item.tag == "audition":
            chosen = next(iter(item), None)
            return None if chosen is None else self._item(chosen, placed, start, lane)
        if item.tag == "mc-clip":
            raise MediaError(
                f"{item.get('name')} is a multicam clip, which is not followed.",
                "Commit its angles first (Clip > Commit to Angle), then export again.",
            )
        event = self._event(item, start) if item.tag in SHOWN or item.tag == "audio" else None
        local = _time(item.get("start"), self.own_start(item))
        if event is not None:
            room = placed.sounds if self._sounds_only(item) else placed.pictures
            room.setdefault(lane, []).append(event)
        for child in item:
            if child.tag == "marker":
                placed.markers.append(_marker(child, start - local))
            elif child.get("lane") is not None:
                self._connected(child, placed, start - local, int(child.get("lane", "1")))
        return event if event is not None and not self._sounds_only(item) else None

    def _connected(self, item: ET.Element, placed: _Placed, shift: Fraction, lane: int) -> None:
        offset = _time(item.get("offset"))
        if item.tag == "spine":
            self._spine(item, placed, _ZERO, offset + shift, lane)
        elif item.tag in (*SHOWN, "audio", "audition", "mc-clip"):
            self._item(item, placed, offset + shift, lane)

    def _sounds_only(self, item: ET.Element) -> bool:
        if item.tag == "audio" or item.get("srcEnable") == "audio":
            return True
        asset = self._asset(item)
        return asset is not None and asset.tag == "asset" and asset.get("hasVideo") != "1"

    def _event(self, item: ET.Element, start: Fraction) -> Event | None:
        resource = self._asset(item)
        if resource is None or resource.tag == "effect":
            return None  # a generator or title: no film
        media = self._media(resource, item)
        own_start = media.start or _ZERO if isinstance(media, Media) else media.start_seconds
        local = _time(item.get("start"), self.own_start(item))
        if item.get("ref"):
            source, speed = _mapped(item, local, own_start, media.duration)
        else:
            source, speed = self._wrapped(item, local, own_start, media.duration)
        return Event(
            name=item.get("name") or media.name,
            media=media,
            start=start,
            duration=self.duration(item),
            source=source,
            speed=speed,
            enabled=item.get("enabled") != "0",
        )

    def _wrapped(
        self, item: ET.Element, local: Fraction, own_start: Fraction, length: Fraction | None
    ) -> tuple[Fraction, Fraction]:
        """As `_mapped`, of an item around a picture that lies on the item's clock."""
        at, speed = _mapped(item, local, _ZERO, None)
        inner = self._inside(item)
        assert inner is not None
        start = _time(inner.get("start"), own_start)
        within = start + at - _time(inner.get("offset"), start)
        source, inner_speed = _mapped(inner, within, own_start, length)
        return source, speed * inner_speed

    def _asset(self, item: ET.Element) -> ET.Element | None:
        """What an item shows: its own reference, or that of the picture it is wrapped around."""
        shown = item if item.get("ref") else self._inside(item)
        return None if shown is None else self._resources.get(shown.get("ref", ""))

    def _inside(self, item: ET.Element) -> ET.Element | None:
        """The picture an item is wrapped around: of several, the one that is seen."""
        if item.tag not in ("clip", "sync-clip"):
            return None
        inside = [
            child
            for room in (item, *item.iterfind("spine"))
            for child in room
            if child.tag in SHOWN and child.get("lane") is None and room.get("lane") is None
        ]
        if len(inside) <= 1:
            return inside[0] if inside else None
        at, speed = _mapped(item, _time(item.get("start")), _ZERO, None)
        end = at + _time(item.get("duration")) * speed
        first, last = min(at, end), max(at, end)
        seen = [c for c in inside if first < _end(c) and _time(c.get("offset")) < last]
        if len(seen) > 1:
            raise MediaError(
                f"{item.get('name')} is one clip of several pictures, which is not followed.",
                "Break it apart (Clip > Break Apart Clip Items), then export again.",
            )
        return (seen or inside)[0]

    def _media(self, resource: ET.Element, item: ET.Element) -> Media | Timeline:
        if resource.tag == "media":
            return self._nested(resource, item)
        representation = resource.find("media-rep")
        source = resource.get("src") or (
            "" if representation is None else representation.get("src", "")
        )
        return Media(
            name=resource.get("name") or file_name(source),
            path=path_of(source),
            start=_time(resource.get("start")),
            duration=_time(resource.get("duration")) or None,
            rate=self._rate(resource.get("format")),
            channels=int(resource.get("audioChannels", "0")),
            sample_rate=_sample_rate(resource.get("audioRate", "")),
        )

    def _nested(self, resource: ET.Element, item: ET.Element) -> Timeline:
        name, own = item.get("name", ""), resource.get("id", "")
        sequence = resource.find("sequence")
        if sequence is None or own in self._open:
            raise MediaError(f"{name} is a compound clip without pictures.", "Break it apart.")
        self._open.append(own)
        try:
            return self.timeline(sequence, resource.get("name", name))
        finally:
            self._open.pop()

    def own_start(self, item: ET.Element) -> Fraction:
        """Where an item begins on its own clock when it does not say."""
        resource = self._asset(item)
        if resource is None or item.tag in ("clip", "sync-clip"):
            return _ZERO
        sequence = resource.find("sequence")
        if sequence is not None:
            return _time(sequence.get("tcStart"))
        return _time(resource.get("start"))

    def duration(self, item: ET.Element) -> Fraction:
        """Seconds an item takes."""
        stated = item.get("duration")
        if stated is None and (resource := self._asset(item)) is not None:
            sequence = resource.find("sequence")
            stated = (resource if sequence is None else sequence).get("duration")
        if stated is None and item.tag == "audition" and len(item):
            return self.duration(item[0])
        return _time(stated)

    def _rate(self, reference: str | None) -> Fraction | None:
        resource = self._resources.get(reference or "")
        duration = None if resource is None else resource.get("frameDuration")
        return 1 / _time(duration) if duration else None


def _end(item: ET.Element) -> Fraction:
    return _time(item.get("offset")) + _time(item.get("duration"))


def _time(text: str | None, otherwise: Fraction = _ZERO) -> Fraction:
    """ "1001/24000s" or "5s" as seconds."""
    if text is None:
        return otherwise
    try:
        return Fraction(text.strip().removesuffix("s"))
    except (ValueError, ZeroDivisionError) as error:
        raise MediaError(f'"{text}" is not a time.', "Export the XML again.") from error


def _sample_rate(text: str) -> int:
    """ "48000", or "48k" and "44.1k" as a sequence has it."""
    return round(float(text[:-1]) * 1000) if text.endswith("k") else int(text or 0)


def _marker(item: ET.Element, shift: Fraction) -> Marker:
    return Marker(
        start=_time(item.get("start")) + shift,
        duration=_time(item.get("duration")),
        name=item.get("value", ""),
        note=item.get("note", ""),
    )


def _mapped(
    item: ET.Element, local: Fraction, own_start: Fraction, length: Fraction | None
) -> tuple[Fraction, Fraction]:
    """Where the source stands at an item's start, and how fast it runs.

    Time maps count from 0 whatever the media's timecode; one that cannot mean that counts on it.
    """
    time_map = item.find("timeMap")
    points = [] if time_map is None else list(time_map)
    if not points:
        return local, Fraction(1)
    times = [_time(point.get("time")) for point in points]
    values = [_time(point.get("value")) for point in points]
    if len(points) == 1:
        speeds = {_ZERO}
    else:
        pairs = range(len(points) - 1)
        speeds = {(values[i + 1] - values[i]) / (times[i + 1] - times[i]) for i in pairs}
    if len(speeds) > 1:
        raise MediaError(
            f"{item.get('name')} changes its speed while it runs, which is not followed.",
            "Give it one constant speed, or render it to a file and use that.",
        )
    speed = speeds.pop()
    if length is not None and max(values) > length and min(values) >= own_start:
        return values[0] + (local - times[0]) * speed, speed
    return own_start + values[0] + (local - own_start - times[0]) * speed, speed


def path_of(url: str) -> str:
    """A file URL as a path; anything else as it is."""
    parts = urlparse(url)
    if parts.scheme != "file":
        return url
    path = unquote(parts.path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def url_of(path: str) -> str:
    """A path as a file URL."""
    if "://" in path or not path:
        return path
    whole = path if re.match(r"[A-Za-z]:|/", path) else str(Path(path).absolute())
    return "file://" + quote(whole if whole.startswith("/") else f"/{whole}", safe="/:")


def write_fcpxml(timeline: Timeline) -> str:
    """Write a timeline as one project; the upper pictures and the sounds are connected clips."""
    root = ET.Element("fcpxml", version=VERSION)
    ET.SubElement(root, "resources")
    writer = _Writer(root)
    event = ET.SubElement(ET.SubElement(root, "library"), "event", name="foleycli")
    project = ET.SubElement(event, "project", name=timeline.name)
    writer.sequence(project, replace(timeline, tracks=timeline.pictures))
    writer.connect(_first_spine(root), timeline, timeline.sounds)
    return _text(root)


def add_sounds(text: str, timeline: Timeline, sounds: tuple[Track, ...]) -> str:
    """The document as it stands, with sounds connected below everything that is there."""
    root = ET.fromstring(text)
    writer = _Writer(root)
    spine = _first_spine(root)
    lanes = [int(item.get("lane", "0")) for item in spine.iter()]
    writer.connect(spine, timeline, sounds, min([0, *lanes]))
    return _text(root)


def _first_spine(root: ET.Element) -> ET.Element:
    spine = root.find(".//project/sequence/spine")
    if spine is None:
        raise MediaError("The project has no storyline.", "Export it again.")
    return spine


def _resources(root: ET.Element) -> ET.Element:
    found = root.find("resources")
    return ET.SubElement(root, "resources") if found is None else found


class _Writer:
    def __init__(self, root: ET.Element) -> None:
        self._resources = _resources(root)
        self._known: dict[object, str] = {}
        numbers = [re.sub(r"\D", "", r.get("id", "")) or "0" for r in self._resources]
        self._next = max([int(number) for number in numbers], default=0) + 1
        self._version = tuple(int(part) for part in root.get("version", VERSION).split("."))

    def sequence(self, parent: ET.Element, timeline: Timeline) -> None:
        sequence = ET.SubElement(
            parent,
            "sequence",
            format=self._format(timeline.rate),
            duration=_said(timeline.duration),
            tcStart=_said(timeline.start_seconds),
            tcFormat="DF" if timeline.drop else "NDF",
            audioLayout="stereo",
            audioRate="48k",
        )
        spine = ET.SubElement(sequence, "spine")
        pictures = timeline.pictures
        first = pictures[0] if pictures else Track(kind="picture", events=())
        self._fill(spine, timeline, first)
        for lane, track in enumerate(pictures[1:], 1):
            for event in track.events:
                parent_item, shift = self._host(spine, timeline, event.start)
                self._clip(parent_item, event, event.start - shift, lane)
        for marker in timeline.markers:
            host, shift = self._host(spine, timeline, marker.start)
            self._mark(host, marker, marker.start - shift, timeline.rate)

    def connect(
        self, spine: ET.Element, timeline: Timeline, sounds: tuple[Track, ...], lowest: int = 0
    ) -> None:
        """Connect each sound to the item of the storyline under which it begins."""
        for lane, track in enumerate(sounds, 1):
            for event in track.events:
                host, shift = self._host(spine, timeline, event.start)
                self._clip(host, event, event.start - shift, lowest - lane, role="effects")

    def _fill(self, spine: ET.Element, timeline: Timeline, track: Track) -> None:
        at = _ZERO
        for index, event in enumerate(track.events):
            if event.start > at:
                self._gap(spine, timeline, at, event.start)
            if event.intro:
                self._transition(spine, timeline, event.start, event.intro)
            self._clip(spine, event, event.start + timeline.start_seconds)
            following = track.events[index + 1] if index + 1 < len(track.events) else None
            taken = following and following.intro and following.start == event.end
            if event.outro and not taken:
                self._transition(spine, timeline, event.end, event.outro)
            at = event.end
        if at < timeline.duration:
            self._gap(spine, timeline, at, timeline.duration)

    def _gap(self, spine: ET.Element, timeline: Timeline, start: Fraction, end: Fraction) -> None:
        offset = _said(start + timeline.start_seconds)
        ET.SubElement(
            spine, "gap", name="Gap", offset=offset, start="0s", duration=_said(end - start)
        )

    def _transition(
        self, spine: ET.Element, timeline: Timeline, cut: Fraction, transition: Transition
    ) -> None:
        ET.SubElement(
            spine,
            "transition",
            name="Wipe" if transition.kind == "wipe" else "Cross Dissolve",
            offset=_said(cut - transition.before + timeline.start_seconds),
            duration=_said(transition.duration),
        )

    def _clip(
        self,
        parent: ET.Element,
        event: Event,
        offset: Fraction,
        lane: int = 0,
        role: str = "",
    ) -> None:
        media = event.media
        nested = isinstance(media, Timeline)
        own_start = media.start_seconds if nested else media.start or _ZERO
        steady = event.speed == 1
        rest = event.source - own_start
        start = event.source if steady else own_start + _local(event, rest)
        values = {
            "ref": self._nested(media) if nested else self._asset(media, bool(role)),
            "offset": _said(offset),
            "name": event.name,
            "start": _said(start),
            "duration": _said(event.duration),
        }
        if lane:
            values["lane"] = str(lane)
        if role:
            values["audioRole"] = role
        if not event.enabled:
            values["enabled"] = "0"
        clip = ET.Element("ref-clip" if nested else "asset-clip", values)
        _insert(parent, clip)
        if not steady:
            self._time_map(clip, event, rest)

    def _time_map(self, clip: ET.Element, event: Event, rest: Fraction) -> None:
        """A line through the source's place at the event's start, from 0 on."""
        time_map = ET.Element("timeMap")
        clip.insert(0, time_map)
        first = _local(event, rest)
        base = rest - first * event.speed
        last = first + event.duration
        for time in (_ZERO, last):
            value = _said(base + time * event.speed)
            ET.SubElement(time_map, "timept", time=_said(time), value=value, interp="linear")

    def _host(
        self, spine: ET.Element, timeline: Timeline, at: Fraction
    ) -> tuple[ET.Element, Fraction]:
        """The storyline's item at an instant, and timeline seconds less its own clock's there."""
        found, shift = None, _ZERO
        position = timeline.start_seconds
        reader = _Reader(self._resources)
        for item in spine:
            if item.tag == "transition":
                continue
            offset = _time(item.get("offset"), position)
            if found is not None and offset - timeline.start_seconds > at:
                break
            # what is connected to an audition stands in its chosen clip, not among its choices
            shown = item[0] if item.tag == "audition" and len(item) else item
            local = _time(shown.get("start"), reader.own_start(shown))
            found, shift = shown, offset - timeline.start_seconds - local
            position = offset + reader.duration(item)
        if found is None:
            offset = _said(timeline.start_seconds)
            found = ET.SubElement(spine, "gap", name="Gap", offset=offset, start="0s",
                                  duration=_said(timeline.duration))  # fmt: skip
        return found, shift

    def _mark(
        self, host: ET.Element, marker: Marker, start: Fraction, frame_rate: Fraction
    ) -> None:
        length = _said(marker.duration or 1 / frame_rate)
        values = {"start": _said(start), "duration": length, "value": marker.name}
        if marker.note:
            values["note"] = marker.note
        host.append(ET.Element("marker", values))

    def _format(self, rate: Fraction) -> str:
        for resource in self._resources.iterfind("format"):
            if _time(resource.get("frameDuration")) * rate == 1:
                return resource.get("id", "")
        return self._resource("format", rate, {"frameDuration": _said(1 / rate)})

    def _asset(self, media: Media, sound: bool) -> str:
        if media in self._known:
            return self._known[media]
        values = {
            "name": media.name,
            "start": _said(media.start or _ZERO),
            "duration": _said(media.duration or _ZERO),
        }
        if not sound:
            values["hasVideo"] = "1"
            if media.rate:
                values["format"] = self._format(media.rate)
        if media.channels:
            values |= {"hasAudio": "1", "audioSources": "1"}
            values |= {"audioChannels": str(media.channels), "audioRate": str(media.sample_rate)}
        source = url_of(media.path)
        if self._version < (1, 9):
            values["src"] = source
        name = self._resource("asset", media, values)
        if self._version >= (1, 9):
            ET.SubElement(self._resources[-1], "media-rep", kind="original-media", src=source)
        return name

    def _nested(self, timeline: Timeline) -> str:
        if timeline not in self._known:
            name = self._resource("media", timeline, {"name": timeline.name})
            self.sequence(self._resources[-1], timeline)
            # what the sequence needs must stand before it; order does not matter to readers
            return name
        return self._known[timeline]

    def _resource(self, tag: str, key: object, values: dict[str, str]) -> str:
        name = f"r{self._next}"
        self._next += 1
        self._known[key] = name
        ET.SubElement(self._resources, tag, {"id": name} | values)
        return name


def _local(event: Event, rest: Fraction) -> Fraction:
    """Where an event begins on its own retimed clock: never before 0."""
    return rest / event.speed if event.speed > 0 else _ZERO


# What Apple's DTD wants after connected clips.
_LATE = re.compile(r".*marker|rating|keyword|.+-source|filter-.+|metadata")


def _insert(parent: ET.Element, clip: ET.Element) -> None:
    """Before markers, roles and filters: Final Cut refuses a document that is out of order."""
    for index, child in enumerate(parent):
        if child.tag != "mc-source" and _LATE.fullmatch(child.tag):
            parent.insert(index, clip)
            return
    parent.append(clip)


def _said(seconds: Fraction) -> str:
    if seconds.denominator == 1:
        return f"{seconds.numerator}s"
    return f"{seconds.numerator}/{seconds.denominator}s"


def _text(root: ET.Element) -> str:
    ET.indent(root, " ")
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'
