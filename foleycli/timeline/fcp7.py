"""Final Cut Pro 7 XML (xmeml 4 and 5), which Premiere and Resolve speak too <-> Timeline.

Times are whole frames of the rate that stands beside them: timebase 24 with ntsc TRUE is
24000/1001. ``in`` and ``out`` count from the media's first frame on the retimed clock; ``start`` or
``end`` of -1 means that a transition decides. Premiere also writes ``pproTicksIn``, the same as
``in`` in ticks of 1/254016000000 s. A rate of 0 is a placeholder's: the editor had no file.
"""

import logging
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, log10
from typing import NamedTuple

from foleycli.clip.timecode import TIMECODE, Timecode, drops
from foleycli.documents import exact_number
from foleycli.errors import FoleyError, MediaError
from foleycli.timeline.markup import element_name, number_of, parse_xml
from foleycli.timeline.model import (
    DEEPEST,
    FASTEST,
    SILENCE_DB,
    Event,
    Level,
    Marker,
    Media,
    Timeline,
    Track,
    TrackKind,
    Transition,
    as_fades,
    as_transitions,
    file_name,
    layers,
    whole_frames,
)
from foleycli.timeline.paths import path_of, url_of

LOG = logging.getLogger("foleycli")
MOST_CHANNELS = 16  # of a file that are laid out
TICKS = 254_016_000_000  # a second, of Premiere's
_ZERO = Fraction(0)


def read_fcp7(text: str, name: str = "") -> Timeline:
    """Read the first sequence of a document.

    Raises:
        MediaError: it is no such XML, holds no sequence, or something on it cannot be followed.
    """
    root = parse_xml(text)
    sequence = root.find(".//sequence")
    if root.tag != "xmeml" or sequence is None:
        raise MediaError(f"{name or 'The file'} holds no sequence.", "Export a sequence.")
    return _Reader(root).timeline(sequence)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A transition between two items, in frames of the timeline."""

    start: Fraction
    end: Fraction
    cut: Fraction
    kind: str


class _Reader:
    def __init__(self, root: ET.Element) -> None:
        whole = [e for e in root.iter() if e.tag in ("file", "sequence") and len(e)]
        self._whole = {(e.tag, e.get("id")): e for e in whole if e.get("id")}
        self._open: list[ET.Element] = []  # sequences that are being read
        self._read: dict[ET.Element, Timeline] = {}  # those that were, however often they are used

    def timeline(self, sequence: ET.Element, around: Fraction | None = None) -> Timeline:
        """Read a sequence.

        Args:
            around: rate of the sequence it lies in, for one that states none.
        """
        if sequence in self._open:
            raise MediaError(
                f"{element_name(sequence)} holds itself.", "Open it up in your editor."
            )
        if len(self._open) >= DEEPEST:
            raise MediaError(
                f"{element_name(sequence)} lies inside {DEEPEST} sequences.", "Open them up."
            )
        if sequence not in self._read:
            self._open.append(sequence)
            self._read[sequence] = self._sequence(sequence, around)
            self._open.pop()
        return self._read[sequence]

    def _sequence(self, sequence: ET.Element, around: Fraction | None) -> Timeline:
        rate = _rate(sequence) or around
        if rate is None:
            raise MediaError(f"{element_name(sequence)} states no frame rate.", "Export it again.")
        start, drop = _timecode(sequence.find("timecode"), rate)
        media = sequence.find("media")
        media = ET.Element("media") if media is None else media
        videos, audios = media.iterfind("video/track"), media.iterfind("audio/track")
        tracks: list[Track] = []
        for number, track in enumerate(videos, 1):
            tracks += self._tracks(track, "picture", rate, f"V{number}")
        for number, track in enumerate(audios, 1):
            tracks += self._tracks(track, "sound", rate, f"A{number}")
        return Timeline(
            name=sequence.findtext("name", ""),
            rate=rate,
            drop=drop,
            start=start,
            tracks=tuple(tracks),
            markers=tuple(
                _marker(item, rate)
                for item in sequence.iterfind("marker")
                if _frames(item, "in", "-1") >= 0
            ),
        )

    def _tracks(self, track: ET.Element, kind: TrackKind, rate: Fraction, name: str) -> list[Track]:
        """A track; more of them where items lie over one another, none where there are none."""
        items = [item for item in track if item.tag in ("clipitem", "transitionitem")]
        events: list[Event] = []
        for index, item in enumerate(items):
            if item.tag == "transitionitem":
                continue
            joined = [_frames(item, tag, "-1") < 0 for tag in ("start", "end")]
            before = _cut(items[index - 1]) if index and joined[0] else None
            after = _cut(items[index + 1]) if index + 1 < len(items) and joined[1] else None
            event = self._event(item, kind, rate, before, after)
            if event and event.duration > 0:
                events.append(event)
            elif event:
                LOG.warning("%s has no length and is left out", element_name(item))
        events = [_without_shared_outro(e, later) for e, later in _with_next(events)]
        enabled = _is_enabled(track)
        found = [
            Track(kind=kind, events=layer, name=name, enabled=enabled) for layer in layers(events)
        ]
        return [_unblended(as_fades(track)) for track in found]

    def _event(
        self,
        item: ET.Element,
        kind: TrackKind,
        rate: Fraction,
        before: _Cut | None,
        after: _Cut | None,
    ) -> Event | None:
        media = self._media(item, rate)
        if media is None:
            return None  # a generator: no film
        first, last = (_frames(item, tag, "-1") for tag in ("start", "end"))
        speed = _speed(item)
        own_rate = _item_rate(item, rate)
        if not _is_retimed(item):
            speed = _frame_for_frame(item, own_rate, rate)
        own_start = media.start_seconds if isinstance(media, Timeline) else media.start or _ZERO
        shown_from = first if first >= 0 else (before.start if before else _ZERO)
        # Items joined by a transition overlap under it; the cut lies where it is aligned.
        begins = before.cut if before and first < 0 else shown_from
        ends = after.cut if after and last < 0 else last
        retimed = _retimed(item, "out" if speed < 0 else "in") / own_rate
        if _is_retimed(item):
            retimed *= abs(speed) or 1
        source = own_start + retimed + (begins - shown_from) / rate * speed
        return Event(
            name=item.findtext("name", "") or media.name,
            media=media,
            start=begins / rate,
            duration=(ends - begins) / rate,
            source=source,
            speed=speed,
            enabled=_is_enabled(item),
            intro=_transition(before, rate),
            outro=_transition(after, rate),
            levels=_levels(item, own_rate) if kind == "sound" else (),
        )

    def _media(self, item: ET.Element, around: Fraction) -> Media | Timeline | None:
        nested = item.find("sequence")
        if nested is not None:
            return self.timeline(self._whole.get(("sequence", nested.get("id")), nested), around)
        file = item.find("file")
        if file is None:
            if item.find("multiclip") is not None:
                raise MediaError(
                    f"{item.findtext('name')} is a multicam clip, which is not followed.",
                    "Collapse it first, then export again.",
                )
            return None
        file = self._whole.get(("file", file.get("id")), file)
        url = file.findtext("pathurl") or ""
        if file.find("mediaSource") is not None and not url:
            return None  # made by the editor: a slug, an adjustment layer, a colour
        rate = _rate(file) or _rate(item) or around
        start, _ = _timecode(file.find("timecode"), rate)
        path = path_of(url)
        frames = _frames(file, "duration", "0")
        return Media(
            name=file.findtext("name", "") or file_name(path),
            path=path,
            reel=file.findtext("timecode/reel/name", ""),
            start=start / rate,
            duration=frames / rate if frames > 0 else None,
            rate=rate,
            channels=_count(file.findtext("media/audio/channelcount")),
            sample_rate=_count(file.findtext("media/audio/samplecharacteristics/samplerate")),
            is_placeholder=not path and frames <= 0,
        )


def _with_next(events: list[Event]) -> list[tuple[Event, Event | None]]:
    return list(zip(events, [*events[1:], None], strict=False))


def _without_shared_outro(event: Event, later: Event | None) -> Event:
    shared = later is not None and later.intro is not None and later.start == event.end
    return replace(event, outro=None) if shared else event


def _unblended(track: Track) -> Track:
    """Sounds that cross into one another are cut where they meet: what is heard is no picture."""
    if track.kind == "picture":
        return track
    return replace(track, events=tuple(replace(e, intro=None, outro=None) for e in track.events))


def _is_enabled(element: ET.Element) -> bool:
    return element.findtext("enabled", "TRUE").strip().upper() != "FALSE"


def _frames(element: ET.Element, tag: str, otherwise: str) -> Fraction:
    """A count of frames, whole as a rule; where it is empty, as if it were not there."""
    return number_of(element, tag, element.findtext(tag) or otherwise)


def _count(text: str | None) -> int:
    """A number that is good to know; 0 where it is none."""
    try:
        return max(0, int(exact_number(text or "0")))
    except (ValueError, ZeroDivisionError):
        return 0


def _cut(item: ET.Element) -> _Cut | None:
    if item.tag != "transitionitem":
        return None
    start, end = (_frames(item, tag, "0") for tag in ("start", "end"))
    if end < start:
        raise MediaError(f"{element_name(item)} ends before it starts.", "Export it again.")
    alignment = item.findtext("alignment", "center")
    cut = {"start": start, "start-black": start, "end": end, "end-black": end}.get(
        alignment, Fraction((start + end) // 2)
    )
    if item.findtext("cutpoint"):  # ours: a centre may fall between two frames
        cut = min(max(_frames(item, "cutpoint", "0"), start), end)
    name = item.findtext("effect/name", "Cross Dissolve")
    kind = "wipe" if "wipe" in name.lower() else "dissolve"
    return _Cut(start, end, cut, kind)


def _transition(cut: _Cut | None, rate: Fraction) -> Transition | None:
    if cut is None:
        return None
    before, after = (cut.cut - cut.start) / rate, (cut.end - cut.cut) / rate
    return Transition(before=before, after=after, kind=cut.kind)


def _rate(element: ET.Element) -> Fraction | None:
    """What an element says it runs at; None where it says nothing, or 0."""
    stated = element.find("rate")
    if stated is None:
        return None
    base = number_of(element, "timebase", stated.findtext("timebase") or "0")
    if base == 0:
        return None
    if not 1 <= base <= FASTEST:
        raise MediaError(
            f"{element_name(element)} runs at {float(base):g} frames a second, which no timeline "
            "does.",
            "Export it again.",
        )
    ntsc = stated.findtext("ntsc", "FALSE").strip().upper() == "TRUE"
    return base * Fraction(1000, 1001) if ntsc else base


def _item_rate(item: ET.Element, rate: Fraction) -> Fraction:
    """What an item's ``in`` and ``out`` count at: its own rate, as the format has it, or the
    sequence's, as some write; Premiere's ticks tell."""
    own = _rate(item) or rate
    ticks, frames = (_frames(item, tag, "0") for tag in ("pproTicksIn", "in"))
    if ticks <= 0 or frames <= 0:
        return own
    seconds = ticks / TICKS
    return min((own, rate), key=lambda each: abs(frames / each - seconds))


def _frame_for_frame(item: ET.Element, own_rate: Fraction, rate: Fraction) -> Fraction:
    """How fast media of another rate runs that is shown frame for frame: as many frames of its own
    from in to out as of the sequence from start to end, which in real time would not be."""
    first, last, into, out = (_frames(item, tag, "-1") for tag in ("start", "end", "in", "out"))
    frames = out - into
    if own_rate == rate or min(first, last, into, out) < 0 or frames != last - first:
        return Fraction(1)
    in_real_time = frames / rate * own_rate
    return rate / own_rate if abs(in_real_time - frames) >= 1 else Fraction(1)


def _timecode(element: ET.Element | None, rate: Fraction) -> tuple[int, bool]:
    """Frames of ``rate`` from midnight, and whether labels drop."""
    if element is None:
        return 0, False
    drop = element.findtext("displayformat", "NDF") == "DF"
    own_rate = _rate(element) or rate
    frames = _ZERO
    label = (element.findtext("string") or "").strip()
    if element.findtext("frame"):
        frames = _frames(element, "frame", "0")
    elif TIMECODE.fullmatch(label):
        try:
            frames = Fraction(Timecode.parse(label, own_rate, drop or ";" in label).frames)
        except FoleyError as error:
            raise MediaError(f"timecode {label}: {error.problem}", error.remedy) from error
    return round(frames * rate / own_rate), drop and drops(rate)


def _retimed(item: ET.Element, tag: str) -> Fraction:
    """``in`` or ``out`` in frames; exact where we wrote it and nobody has moved it since."""
    stated = _frames(item, tag, "0")
    for parameter in item.iterfind("filter/effect/parameter"):
        if parameter.findtext("parameterid") == f"foleycli {tag}":
            exact = number_of(item, tag, parameter.findtext("value") or "0")
            return exact if round(exact) == stated else stated
    return stated


def _is_retimed(item: ET.Element) -> bool:
    return any(e.findtext("effectid") == "timeremap" for e in item.iterfind("filter/effect"))


def _speed(item: ET.Element) -> Fraction:
    """Of the time remap filter; in percent there."""
    for effect in item.iterfind("filter/effect"):
        if effect.findtext("effectid") != "timeremap":
            continue
        values = {p.findtext("parameterid"): p.findtext("value") or "" for p in effect.iter()
                  if p.tag == "parameter"}  # fmt: skip
        if (values.get("variablespeed") or "0").strip().upper() not in ("0", "FALSE"):
            raise MediaError(
                f"{item.findtext('name')} changes its speed while it runs, which is not followed.",
                "Give it one constant speed, or render it to a file and use that.",
            )
        exact = values.get("foleycli")
        stated = number_of(item, "speed", exact or values.get("speed") or "100")
        speed = stated if exact else stated / 100
        backwards = (values.get("reverse") or "FALSE").strip().upper() == "TRUE"
        return -abs(speed) if backwards else speed
    return Fraction(1)


def _levels(item: ET.Element, rate: Fraction) -> tuple[Level, ...]:
    """The volume of a sound: factors, whose times count in frames on the media as ``in`` does."""
    into = _frames(item, "in", "0")
    for effect in item.iterfind("filter/effect"):
        if effect.findtext("effectid") != "audiolevels":
            continue
        for parameter in effect.iterfind("parameter"):
            if parameter.findtext("parameterid") != "level":
                continue
            points = tuple(
                Level((_frames(point, "when", "0") - into) / rate, _in_db(point))
                for point in parameter.iterfind("keyframe")
            )
            gain_db = _in_db(parameter)
            return points or ((Level(_ZERO, gain_db),) if gain_db else ())
    return ()


def _in_db(element: ET.Element) -> float:
    """A factor as dB; 0 for what is none."""
    try:
        factor = float(exact_number(element.findtext("value") or "1"))
    except (ValueError, ZeroDivisionError):
        return 0.0
    return round(20 * log10(factor), 4) + 0.0 if factor > 0 else SILENCE_DB


def _say_levels(item: ET.Element, levels: Sequence[Level], begin: Fraction, rate: Fraction) -> None:
    effect = ET.SubElement(ET.SubElement(item, "filter"), "effect")
    _say(effect, "name", "Audio Levels")
    _say(effect, "effectid", "audiolevels")
    _say(effect, "effectcategory", "audiolevels")
    _say(effect, "effecttype", "audiolevels")
    _say(effect, "mediatype", "audio")
    parameter = ET.SubElement(effect, "parameter")
    _say(parameter, "parameterid", "level")
    _say(parameter, "name", "Level")
    _say(parameter, "value", f"{10 ** (levels[0].gain_db / 20):.7f}")
    for level in levels if len(levels) > 1 else ():
        point = ET.SubElement(parameter, "keyframe")
        _say(point, "when", round((begin + level.time) * rate))
        _say(point, "value", f"{10 ** (level.gain_db / 20):.7f}")


def _marker(item: ET.Element, rate: Fraction) -> Marker:
    first, last = (_frames(item, tag, "-1") for tag in ("in", "out"))
    return Marker(
        start=first / rate,
        duration=max(_ZERO, last - first) / rate,
        name=item.findtext("name") or "",
        note=item.findtext("comment") or "",
    )


def write_fcp7(timeline: Timeline) -> str:
    """Write a timeline as one sequence.

    Raises:
        ValueError: an event does not begin and end on frames.
    """
    root = ET.Element("xmeml", version="5")
    writer = _Writer(root)
    writer.sequence(root, timeline)
    writer.link()
    return _text(root)


def add_sounds(text: str, timeline: Timeline, sounds: tuple[Track, ...]) -> str:
    """The document as it stands, with tracks added to the sound of its first sequence."""
    root = parse_xml(text)
    sequence = root.find(".//sequence")
    if sequence is None:
        raise MediaError("The file holds no sequence.", "Export a sequence.")
    writer = _Writer(root)
    media = _child(sequence, "media")
    writer.tracks(_child(media, "audio"), timeline, sounds)
    writer.link()
    return _text(root)


class _Linked(NamedTuple):
    """An item of a picture or of one channel, and where it lies; tracks and clips count from 1."""

    item: ET.Element
    kind: TrackKind
    track: int
    clip: int


class _Writer:
    def __init__(self, root: ET.Element) -> None:
        self._used = {e.get("id", "") for e in root.iter()}
        self._files: dict[Media, str] = {}
        self._together: list[list[_Linked]] = []
        self._pictures: dict[tuple[Media | Timeline, Fraction, Fraction], _Linked] = {}
        self._next = 0

    def sequence(self, parent: ET.Element, timeline: Timeline) -> None:
        sequence = ET.SubElement(parent, "sequence", id=self._id("sequence"))
        _say(sequence, "name", timeline.name)
        _say(sequence, "duration", ceil(timeline.duration * timeline.rate))
        _say_rate(sequence, timeline.rate)
        _say_timecode(sequence, timeline.start, timeline.rate, timeline.drop)
        media = ET.SubElement(sequence, "media")
        video = ET.SubElement(media, "video")
        self._pictures.clear()
        self.tracks(video, timeline, timeline.pictures)
        self.tracks(ET.SubElement(media, "audio"), timeline, timeline.sounds)
        for marker in timeline.markers:
            _say_marker(sequence, marker, timeline.rate)

    def tracks(self, parent: ET.Element, timeline: Timeline, tracks: tuple[Track, ...]) -> None:
        for track in tracks:
            together: defaultdict[int, list[_Linked]] = defaultdict(list)
            for channel in range(1, 1 + _channels(track)):
                number = 1 + len(parent.findall("track"))
                element = ET.SubElement(parent, "track")
                placed = as_transitions(track).events
                for index, (event, later) in enumerate(_with_next(list(placed)), 1):
                    item = self._placed(element, timeline, track, event, later, channel)
                    linked = _Linked(item, track.kind, number, index)
                    place = (event.media, event.start, event.end)
                    if track.kind == "picture":
                        self._pictures[place] = linked
                    elif channel == 1 and place in self._pictures:
                        together[index].append(self._pictures.pop(place))
                    together[index].append(linked)
                _say(element, "enabled", "TRUE" if track.enabled else "FALSE")
                _say(element, "locked", "FALSE")
            self._together += together.values()

    def _placed(
        self,
        parent: ET.Element,
        timeline: Timeline,
        track: Track,
        event: Event,
        later: Event | None,
        channel: int,
    ) -> ET.Element:
        if event.intro:
            _say_transition(parent, timeline, event.start, event.intro, track.kind)
        shared = later.intro if later and later.start == event.end else None
        tail = shared or event.outro
        item = ET.SubElement(parent, "clipitem", id=self._id("clipitem"))
        self._item(item, timeline, track.kind, event, tail)
        if track.kind == "sound":
            source = ET.SubElement(item, "sourcetrack")
            _say(source, "mediatype", "audio")
            _say(source, "trackindex", channel)
        if event.outro and not shared:
            _say_transition(parent, timeline, event.end, event.outro, track.kind)
        return item

    def link(self) -> None:
        """Tie together what an editor moves as one: a film and the channels of its sound."""
        for linked in self._together:
            if len(linked) > 1:
                for one in linked:
                    for other in linked:
                        _say_link(one.item, other)

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
        _say(item, "duration", ceil(timeline.duration * rate))
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
        if event.levels:
            _say_levels(item, event.levels, begin, rate)

    def _file(self, item: ET.Element, media: Media, timeline: Timeline, kind: TrackKind) -> None:
        if media in self._files:
            ET.SubElement(item, "file", id=self._files[media])
            return
        name = self._files[media] = self._id("file")
        file = ET.SubElement(item, "file", id=name)
        rate = media.rate or timeline.rate
        _say(file, "name", media.name)
        _say(file, "pathurl", _here(url_of(media.path)))
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


def _here(url: str) -> str:
    """A file URL with a host, as editors expect here; of a share, after two slashes."""
    if url.startswith("file:///"):
        return url.replace("file://", "file://localhost", 1)
    return url.replace("file://", "file://localhost//", 1) if url.startswith("file://") else url


def _channels(track: Track) -> int:
    """Tracks that a track takes here: a sound's channels lie on one each."""
    if track.kind == "picture":
        return 1
    known = [e.media.channels for e in track.events if isinstance(e.media, Media)]
    return min(max([1, *known]), MOST_CHANNELS)


def _child(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found


def _say(parent: ET.Element, tag: str, value: str | int) -> None:
    ET.SubElement(parent, tag).text = str(value)


def _say_link(item: ET.Element, other: _Linked) -> None:
    link = ET.SubElement(item, "link")
    _say(link, "linkclipref", other.item.get("id", ""))
    _say(link, "mediatype", "video" if other.kind == "picture" else "audio")
    _say(link, "trackindex", other.track)
    _say(link, "clipindex", other.clip)
    _say(link, "groupindex", 1)


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
    parent: ET.Element,
    timeline: Timeline,
    cut: Fraction,
    transition: Transition,
    kind: TrackKind,
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
    if kind == "sound":
        name, identity = "Cross Fade ( 0dB)", "KGAudioTransCrossFade0dB"
    else:
        name = identity = "Wipe" if transition.kind == "wipe" else "Cross Dissolve"
    _say(effect, "name", name)
    _say(effect, "effectid", identity)
    _say(effect, "effecttype", "transition")
    _say(effect, "mediatype", "audio" if kind == "sound" else "video")


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
