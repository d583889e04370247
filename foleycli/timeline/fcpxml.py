"""Final Cut Pro X XML (1.8 to 1.11) <-> Timeline, every time a Fraction.

Facts from Apple's FCPXML reference: times are seconds as "n/ds"; an item's ``offset`` counts on its
parent's clock, its ``start`` on its own; items within an item are connected to it at ``lane``; a
``timeMap`` maps the item's own time to the media's; ``conform-rate`` plays media of a rate near the
sequence's frame for frame, on the media's own clock.
"""

import logging
import re
import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from foleycli.clip.timecode import drops
from foleycli.documents import exact_number
from foleycli.errors import MediaError, UsageError
from foleycli.spot.cues import LAYERS
from foleycli.timeline.markup import element_name, number_of, parse_xml
from foleycli.timeline.model import (
    DEEPEST,
    FASTEST,
    Event,
    Level,
    Marker,
    Media,
    Timeline,
    Track,
    Transition,
    as_overlaps,
    exact_rate,
    file_name,
    layers,
)
from foleycli.timeline.paths import path_of, url_of
from foleycli.waveform.space import ROOM

LOG = logging.getLogger("foleycli")
VERSION = "1.10"
SHOWN = ("asset-clip", "clip", "video", "ref-clip", "sync-clip")
_ZERO = Fraction(0)
# The rate at the end of a format's name, which is all that some programs write of it.
_NAMED_RATE = re.compile(r"FFVideoFormat.*?[0-9]([pi])([0-9]{2,5})(?:_|$)")
# Rates that Final Cut plays frame for frame in one another, and their doubles: Apple's "rate
# conforming" chart. Any other media keeps its speed, whatever the element says.
_CONFORMED = (
    (Fraction(24_000, 1001), Fraction(24), Fraction(25)),
    (Fraction(30_000, 1001), Fraction(30)),
)


@dataclass(slots=True)
class _Placed:
    """Events found on the way through a sequence, by lane."""

    rate: Fraction
    pictures: dict[int, list[Event]] = field(default_factory=dict)
    sounds: dict[int, list[Event]] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)


def read_fcpxml(text: str, name: str = "") -> Timeline:
    """Read the first project, or the first sequence, of an FCPXML document.

    Raises:
        MediaError: it is no FCPXML, holds no sequence, or something on it cannot be followed.
    """
    root = parse_xml(text)
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
        self._read: dict[str, Timeline] = {}  # those that were, however often they are used

    def timeline(self, sequence: ET.Element, name: str) -> Timeline:
        rate = self._sequence_rate(sequence, name)
        start = _at(sequence, "tcStart")
        placed = _Placed(rate)
        spine = sequence.find("spine")
        if spine is not None:
            self._spine(spine, placed, start, -start, 0)
        tracks = [
            Track(kind="picture", events=layer, name=f"V{lane}")
            for lane in sorted(placed.pictures)
            for layer in layers(_from_zero(placed.pictures[lane]))
        ]
        tracks += [
            Track(kind="sound", events=layer, name=f"A{-lane}")
            for lane in sorted(placed.sounds, reverse=True)
            for layer in layers(_from_zero(placed.sounds[lane]))
        ]
        return Timeline(
            name=name,
            rate=rate,
            drop=sequence.get("tcFormat") == "DF" and drops(rate),
            start=round(start * rate),
            tracks=tuple(tracks),
            markers=tuple(sorted(placed.markers, key=lambda marker: marker.start)),
        )

    def _sequence_rate(self, sequence: ET.Element, name: str) -> Fraction:
        """As a timeline has it.

        Raises:
            MediaError: it is none.
        """
        rate = self._rate(sequence.get("format"))
        stated = sequence.get("format") or "none"
        if rate is None:
            raise MediaError(
                f"{name}: the sequence states no frame rate (format {stated}).", "Export it again."
            )
        try:
            return exact_rate(rate)
        except UsageError as error:
            raise MediaError(f"{name}: {error.problem}", "Change it in your editor.") from error

    def _spine(
        self, spine: ET.Element, placed: _Placed, begin: Fraction, shift: Fraction, lane: int
    ) -> None:
        """Items one after the other. ``shift``: seconds from the spine's clock to the timeline."""
        at = begin
        waiting: Transition | None = None
        previous: Event | None = None
        for item in spine:
            offset = _at(item, "offset", at)
            if item.tag == "transition":
                waiting, cut = self._transition(item, offset, at)
                if previous is not None:
                    previous = _replaced(placed, lane, previous, outro=waiting)
                at = max(at, cut)
                continue
            duration = self.duration(item)
            event = self._item(item, placed, offset + shift, lane)
            if event is not None and waiting is not None:
                if previous is not None and previous.end == event.start:
                    _replaced(placed, lane, previous, outro=None)
                event = _replaced(placed, lane, event, intro=waiting)
            previous, waiting = event, None
            at = offset + duration

    def _transition(
        self, item: ET.Element, offset: Fraction, cut: Fraction
    ) -> tuple[Transition, Fraction]:
        duration = max(_at(item, "duration"), _ZERO)
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
        shows = item.tag in SHOWN or item.tag == "audio"
        event = self._event(item, start, placed.rate) if shows else None
        local = _at(item, "start", self.own_start(item))
        if event is not None and event.duration <= 0:
            LOG.warning("%s has no length and is left out", element_name(item))
            event = None
        if event is not None:
            room = placed.sounds if self._sounds_only(item) else placed.pictures
            room.setdefault(lane, []).append(event)
        conformed = self.conformed(item, placed.rate)
        for child in item:
            # what is connected counts on the item's clock, which runs as its media does
            place = "start" if child.tag == "marker" else "offset"
            shift = start - local
            if conformed != 1:
                shift += (_at(child, place) - local) * (1 / conformed - 1)
            if child.tag == "marker":
                placed.markers.append(_marker(child, shift))
            elif child.get("lane") is not None:
                self._connected(child, placed, shift)
        return event if event is not None and not self._sounds_only(item) else None

    def _connected(self, item: ET.Element, placed: _Placed, shift: Fraction) -> None:
        offset, lane = _at(item, "offset"), int(number_of(item, "lane", item.get("lane", "1")))
        if item.tag == "spine":
            self._spine(item, placed, _ZERO, offset + shift, lane)
        elif item.tag in (*SHOWN, "audio", "audition", "mc-clip"):
            self._item(item, placed, offset + shift, lane)

    def _sounds_only(self, item: ET.Element) -> bool:
        if item.tag == "audio" or item.get("srcEnable") == "audio":
            return True
        asset = self._asset(item)
        return asset is not None and asset.tag == "asset" and asset.get("hasVideo") != "1"

    def _event(self, item: ET.Element, start: Fraction, rate: Fraction) -> Event | None:
        resource = self._asset(item)
        if resource is None and item.get("ref"):
            LOG.warning(
                "%s is left out: %s is not in the document", element_name(item), item.get("ref")
            )
        if resource is None or resource.tag == "effect":
            return None  # a generator or title: no film
        media = self._media(resource, item)
        own_start = media.start or _ZERO if isinstance(media, Media) else media.start_seconds
        local = _at(item, "start", self.own_start(item))
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
            speed=speed * self.conformed(item, rate),
            enabled=item.get("enabled") != "0",
            fade_in=_fade(item, "fadeIn"),
            fade_out=_fade(item, "fadeOut"),
            levels=_levels(item, local),
        )

    def _wrapped(
        self, item: ET.Element, local: Fraction, own_start: Fraction, length: Fraction | None
    ) -> tuple[Fraction, Fraction]:
        """As `_mapped`, of an item around a picture that lies on the item's clock."""
        at, speed = _mapped(item, local, _ZERO, None)
        inner = self._inside(item)
        assert inner is not None
        start = _at(inner, "start", own_start)
        within = start + at - _at(inner, "offset", start)
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
        at, speed = _mapped(item, _at(item, "start"), _ZERO, None)
        end = at + _at(item, "duration") * speed
        first, last = min(at, end), max(at, end)
        seen = [c for c in inside if first < _end(c) and _at(c, "offset") < last]
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
        path, length = path_of(source), _at(resource, "duration")
        return Media(
            name=resource.get("name") or file_name(path),
            path=path,
            start=_at(resource, "start"),
            duration=length if length > 0 else None,
            rate=self._rate(resource.get("format")),
            channels=_count(resource.get("audioChannels", "")),
            sample_rate=_sample_rate(resource.get("audioRate", "")),
            is_placeholder=not path and length <= 0,
        )

    def _nested(self, resource: ET.Element, item: ET.Element) -> Timeline:
        name, own = item.get("name", ""), resource.get("id", "")
        sequence = resource.find("sequence")
        if sequence is None:
            raise MediaError(f"{name} is a compound clip without pictures.", "Break it apart.")
        if own in self._open:
            raise MediaError(
                f"{name} ({resource.get('name', own)}) is a compound clip that holds itself.",
                "Break it apart, and export again.",
            )
        if len(self._open) >= DEEPEST:
            raise MediaError(f"{name} lies inside {DEEPEST} compound clips.", "Break them apart.")
        if own not in self._read:
            self._open.append(own)
            self._read[own] = self.timeline(sequence, resource.get("name", name))
            self._open.pop()
        return self._read[own]

    def conformed(self, item: ET.Element, rate: Fraction) -> Fraction:
        """How fast an item's media runs because its rate is not the sequence's."""
        element = item.find("conform-rate")
        if element is None or element.get("scaleEnabled", "1").strip().lower() in ("0", "false"):
            return Fraction(1)
        asset = self._asset(item)
        own = self._rate(item.get("format") or (None if asset is None else asset.get("format")))
        if stated := element.get("srcFrameRate", "").strip():
            own = number_of(item, "conform-rate srcFrameRate", stated)
        try:
            return Fraction(1) if own is None else _frame_for_frame(exact_rate(own), rate)
        except UsageError:  # a rate that no timeline has is conformed to none
            return Fraction(1)

    def own_start(self, item: ET.Element) -> Fraction:
        """Where an item begins on its own clock when it does not say."""
        resource = self._asset(item)
        if resource is None or item.tag in ("clip", "sync-clip"):
            return _ZERO
        sequence = resource.find("sequence")
        if sequence is not None:
            return _at(sequence, "tcStart")
        return _at(resource, "start")

    def duration(self, item: ET.Element) -> Fraction:
        """Seconds an item takes."""
        if item.get("duration") is None and (resource := self._asset(item)) is not None:
            sequence = resource.find("sequence")
            return _at(resource if sequence is None else sequence, "duration")
        if item.get("duration") is None and item.tag == "audition" and len(item):
            return self.duration(item[0])
        return _at(item, "duration")

    def _rate(self, reference: str | None) -> Fraction | None:
        """Of a format; None where it says none that can be."""
        resource = self._resources.get(reference or "")
        if resource is None:
            return None
        duration = _at(resource, "frameDuration")
        if duration > 0 and 1 / FASTEST <= duration <= FASTEST:
            return 1 / duration
        named = _NAMED_RATE.match(resource.get("name", ""))
        if named is None or duration:
            return None
        digits, fields = named[2], 2 if named[1] == "i" else 1
        value = Fraction(int(digits), 100 if len(digits) > 3 else 1)  # 2398, 5994; 25, 100
        try:
            return exact_rate(value) / fields
        except UsageError:
            return None


def _replaced(placed: _Placed, lane: int, event: Event, **changes: Transition | None) -> Event:
    """The event with another transition, on its lane and given back."""
    changed = replace(event, **changes)
    events = placed.pictures.get(lane, [])
    for place in range(len(events) - 1, -1, -1):
        if events[place] is event:
            events[place] = changed
            break
    return changed


def _from_zero(events: list[Event]) -> Iterator[Event]:
    """Without what lies before the first frame, where nothing is seen."""
    for event in events:
        if event.end > 0:
            yield event if event.start >= 0 else event.part(_ZERO, event.end)


def _end(item: ET.Element) -> Fraction:
    return _at(item, "offset") + _at(item, "duration")


def _at(item: ET.Element, attribute: str, otherwise: Fraction = _ZERO) -> Fraction:
    """A time of an item in seconds: "1001/24000s" or "5s"."""
    text = item.get(attribute)
    if text is None:
        return otherwise
    return number_of(item, attribute, text.strip().removesuffix("s"))


def _fade(item: ET.Element, which: str) -> Fraction:
    """Seconds in which an item's sound comes or goes."""
    fade = item.find(f"adjust-volume/param/{which}")
    return _ZERO if fade is None else max(_at(fade, "duration"), _ZERO)


def _levels(item: ET.Element, local: Fraction) -> tuple[Level, ...]:
    """The volume of an item: its keyframes, whose times count on its own clock, or its amount."""
    volume = item.find("adjust-volume")
    if volume is None:
        return ()
    points = tuple(
        Level(_at(point, "time") - local, _db(point.get("value", "")))
        for point in volume.iterfind("param/keyframeAnimation/keyframe")
    )
    amount = _db(volume.get("amount", ""))
    return points or ((Level(_ZERO, amount),) if amount else ())


def _db(text: str) -> float:
    """ "-6dB" as a number; 0 for what is none."""
    number = text.strip().lower().removesuffix("db").strip()
    try:
        return float(exact_number(number)) if number else 0.0
    except (ValueError, ZeroDivisionError):
        return 0.0


def _count(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else 0


def _sample_rate(text: str) -> int:
    """ "48000", or "48k" and "44.1k" as a sequence has it; 0 for what is none."""
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,3})?k?", text):
        return 0
    return round(float(text[:-1]) * 1000) if text.endswith("k") else round(float(text))


def _frame_for_frame(own: Fraction, rate: Fraction) -> Fraction:
    """How fast media runs whose rate is conformed to the sequence's: 24/25 for 25 frames a second
    shown at 24; 1 where Final Cut keeps its speed."""
    for family in _CONFORMED:
        bases = [next((b for b in family if each in (b, 2 * b)), None) for each in (own, rate)]
        if bases[0] and bases[1]:
            return bases[1] / bases[0]
    return Fraction(1)


def _marker(item: ET.Element, shift: Fraction) -> Marker:
    return Marker(
        start=_at(item, "start") + shift,
        duration=max(_at(item, "duration"), _ZERO),
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
    times = [_at(point, "time") for point in points]
    values = [_at(point, "value") for point in points]
    if len(points) == 1:
        speeds = {_ZERO}
    else:
        pairs = [(i, times[i + 1] - times[i]) for i in range(len(points) - 1)]
        if any(step <= 0 for _, step in pairs):
            raise MediaError(
                f"{element_name(item)}: its timeMap does not go forward in time.",
                "Set its speed anew, and export again.",
            )
        speeds = {(values[i + 1] - values[i]) / step for i, step in pairs}
    if len(speeds) > 1:
        raise MediaError(
            f"{item.get('name')} changes its speed while it runs, which is not followed.",
            "Give it one constant speed, or render it to a file and use that.",
        )
    speed = speeds.pop()
    if length is not None and max(values) > length and min(values) >= own_start:
        return values[0] + (local - times[0]) * speed, speed
    return own_start + values[0] + (local - own_start - times[0]) * speed, speed


def write_fcpxml(timeline: Timeline) -> str:
    """Write a timeline as one project; the upper pictures and the sounds are connected clips."""
    root = ET.Element("fcpxml", version=VERSION)
    ET.SubElement(root, "resources")
    writer = _Writer(root)
    event = ET.SubElement(ET.SubElement(root, "library"), "event", name="foleycli")
    project = ET.SubElement(event, "project", name=timeline.name)
    writer.sequence(project, replace(timeline, tracks=timeline.pictures))
    writer.connect(_first_spine(root), timeline, _detached(timeline))
    return _text(root)


def _detached(timeline: Timeline) -> tuple[Track, ...]:
    """The sounds that no picture brings along: a clip of a film with sound is both."""
    shown = {
        (event.media, event.start, event.duration, event.source, event.speed)
        for track in timeline.pictures
        for event in track.events
        if isinstance(event.media, Media) and event.media.channels
    }
    tracks = []
    for track in timeline.sounds:
        events = tuple(
            e
            for e in track.events
            if not isinstance(e.media, Media)
            or (e.media, e.start, e.duration, e.source, e.speed) not in shown
        )
        tracks.append(replace(track, events=events))
    return tuple(track for track in tracks if track.events)


def add_sounds(text: str, timeline: Timeline, sounds: tuple[Track, ...]) -> str:
    """The document as it stands, with sounds connected below everything that is there."""
    root = parse_xml(text)
    writer = _Writer(root)
    spine = _first_spine(root)
    lanes = [int(number_of(item, "lane", item.get("lane", "0"))) for item in spine.iter()]
    sequence = root.find(".//project/sequence")
    begin = timeline.start_seconds if sequence is None else _at(sequence, "tcStart")
    writer.connect(spine, timeline, sounds, min([0, *lanes]), begin)
    return _text(root)


def _role(track: str) -> str:
    """The role of a track's sounds; of one of our layers, a subrole: "SFX feet 1" is effects.feet,
    so that a layer is soloed, and exported, by its role. Tracks of a template are subroles of
    their names, or the roles that those already are."""
    words = track.split()
    if words[:1] == ["SFX"]:
        part = words[1] if len(words) > 1 else ""
        return f"effects.{part}" if part in (*LAYERS, ROOM) else "effects"
    if track.count(".") == 1 and all(track.split(".")):
        return track
    plain = track.replace(".", " ").strip()
    return f"effects.{plain}" if plain and not re.fullmatch(r"A[0-9]*", plain) else "effects"


def _first_spine(root: ET.Element) -> ET.Element:
    spine = root.find(".//project/sequence/spine")
    if spine is None:
        raise MediaError("The project has no storyline.", "Export it again.")
    return spine


def _resources(root: ET.Element) -> ET.Element:
    found = root.find("resources")
    return ET.SubElement(root, "resources") if found is None else found


@dataclass(frozen=True, slots=True)
class _Host:
    """An item of a storyline to which others are connected."""

    item: ET.Element
    start: Fraction  # seconds from the timeline's first frame
    local: Fraction  # where its own clock stands there
    speed: Fraction  # of its own clock


class _Writer:
    def __init__(self, root: ET.Element) -> None:
        self._resources = _resources(root)
        self._reader = _Reader(self._resources)
        self._known: dict[object, str] = {}
        self._seen: set[Media] = set()  # those that are films
        self._items: dict[ET.Element, list[_Host]] = {}
        names = (re.fullmatch(r"r([0-9]{1,9})", r.get("id", "")) for r in self._resources)
        self._next = max([int(name[1]) for name in names if name], default=0) + 1
        version = re.match(r"([0-9]{1,3})\.([0-9]{1,3})", root.get("version", VERSION))
        self._version: tuple[int, int] = (1, 10)
        if version:
            self._version = int(version[1]), int(version[2])

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
                host, offset = self._host(spine, timeline, event.start)
                self._clip(host, event, offset, lane)
        for marker in timeline.markers:
            host, offset = self._host(spine, timeline, marker.start)
            self._mark(host, marker, offset, timeline.rate)

    def connect(
        self,
        spine: ET.Element,
        timeline: Timeline,
        sounds: tuple[Track, ...],
        lowest: int = 0,
        begin: Fraction | None = None,
    ) -> None:
        """Connect each sound to the item of the storyline under which it begins.

        Args:
            begin: where the storyline's clock begins, as its document says.
        """
        lane = lowest
        for track in sounds:
            role = _role(track.name if track.made else "")
            for events in layers(as_overlaps(track).events) or [()]:
                lane -= 1
                for event in events:
                    host, offset = self._host(spine, timeline, event.start, begin)
                    self._clip(host, event, offset, lane, role=role)

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
            if not nested and media in self._seen:  # the film's own sound, without its picture
                values["srcEnable"] = "audio"
        if not event.enabled:
            values["enabled"] = "0"
        clip = ET.Element("ref-clip" if nested else "asset-clip", values)
        _insert(parent, clip)
        if not steady:
            self._time_map(clip, event, rest)
        if event.fade_in or event.fade_out or event.levels:
            self._volume(clip, event, start)

    def _volume(self, clip: ET.Element, event: Event, start: Fraction) -> None:
        """How loud a sound is, and how it comes and goes: what Final Cut shows on the clip."""
        points = event.levels if len(event.levels) > 1 else ()
        amount = event.levels[0].gain_db if event.levels else 0.0
        volume = ET.Element("adjust-volume", amount=f"{amount:g}dB")
        parameter = ET.SubElement(volume, "param", name="amount")
        for tag, length in (("fadeIn", event.fade_in), ("fadeOut", event.fade_out)):
            if length:
                ET.SubElement(parameter, tag, type="linear", duration=_said(length))
        if points:
            animation = ET.SubElement(parameter, "keyframeAnimation")
            for point in points:
                ET.SubElement(
                    animation,
                    "keyframe",
                    time=_said(start + point.time),
                    value=f"{point.gain_db:g}dB",
                    interp="linear",
                )
        clip.insert(0 if event.speed == 1 else 1, volume)

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
        self, spine: ET.Element, timeline: Timeline, at: Fraction, begin: Fraction | None = None
    ) -> tuple[ET.Element, Fraction]:
        """The storyline's item at an instant of the timeline, and the instant on its own clock."""
        if spine not in self._items:
            self._items[spine] = self._hosts(
                spine, timeline, timeline.start_seconds if begin is None else begin
            )
        hosts = self._items[spine]
        place = bisect_right(hosts, at, key=lambda host: host.start)
        host = hosts[max(0, place - 1)]
        return host.item, host.local + (at - host.start) * host.speed

    def _hosts(self, spine: ET.Element, timeline: Timeline, begin: Fraction) -> list[_Host]:
        """The items of a storyline, which holds a gap at least."""
        hosts: list[_Host] = []
        position = begin
        for item in spine:
            if item.tag == "transition":
                continue
            offset = _at(item, "offset", position)
            # what is connected to an audition stands in its chosen clip, not among its choices
            shown = item[0] if item.tag == "audition" and len(item) else item
            local = _at(shown, "start", self._reader.own_start(shown))
            speed = self._reader.conformed(shown, timeline.rate)
            hosts.append(_Host(shown, offset - begin, local, speed))
            position = offset + self._reader.duration(item)
        if not hosts:
            gap = ET.SubElement(spine, "gap", name="Gap", offset=_said(begin), start="0s",
                                duration=_said(timeline.duration))  # fmt: skip
            hosts.append(_Host(gap, _ZERO, _ZERO, Fraction(1)))
        return sorted(hosts, key=lambda host: host.start)

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
            if _at(resource, "frameDuration") * rate == 1:
                return resource.get("id", "")
        return self._resource("format", rate, {"frameDuration": _said(1 / rate)})

    def _asset(self, media: Media, sound: bool) -> str:
        if not sound:
            self._seen.add(media)
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
        if id(timeline) not in self._known:
            name = self._resource("media", id(timeline), {"name": timeline.name})
            self.sequence(self._resources[-1], timeline)
            # what the sequence needs must stand before it; order does not matter to readers
            return name
        return self._known[id(timeline)]

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
