"""CMX3600 edit decision lists <-> Timeline.

One line an event: number, reel, channels, transition, source in and out, record in and out; then
M2 (speed) and comments. The list says neither its frame rate nor where its files are: the rate is
asked for, unless a comment of ours tells it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from foleycli.clip.timecode import Timecode
from foleycli.documents import exact_number
from foleycli.errors import MediaError, UsageError
from foleycli.timeline.model import (
    Event,
    Marker,
    Media,
    Timeline,
    Track,
    Transition,
    as_fades,
    as_overlaps,
    exact_rate,
    file_name,
    in_order,
    layers,
    on_screen,
    sounding,
)
from foleycli.timeline.paths import path_of

_TC = r"([0-9]{1,2}[:;.][0-9]{2}[:;.][0-9]{2}[:;.,][0-9]{2,3})"
_EVENT = re.compile(
    rf"^(\w+)\s+(\S.*?)\s+([A-Z][A-Z0-9/]*)\s+(C|D|W\d*|KB?|KO|K\s+[BO])\s+(?:(\d+)\s+)?"
    rf"{_TC}\s+{_TC}\s+{_TC}\s+{_TC}\s*$"
)
_SPEED = re.compile(r"^M2\s+(\S.*?)\s+([+-]?\s*\d{1,12}(?:\.\d{1,12})?)\s+(\S+)")
_NOTE = re.compile(
    r"^(?:\*\s*|(?=(?:FROM|TO) CLIP NAME))([A-Z ]+?)\s*(?:(?:\bIS\b\s*)?:|\bIS\b)\s*(.*)$", re.I
)
_LOCATOR = re.compile(rf"^\*\s*LOC:\s*{_TC}\s+(\w+)\s*(.*)$")
_CHANNEL = re.compile(r"NONE|AA|A[0-9]{0,2}|V[0-9]{0,2}|B")
_AUD = re.compile(r"^AUD\s+([0-9]{1,2})(?:\s+([0-9]{1,2}))?\b")
LONGEST_LINE = 2000  # characters; no line of a list is longer, and searching takes their square
_RATE = "FOLEYCLI RATE"
_EXACT = "FOLEYCLI SPEED"
BLACK = {"BL", "BLACK"}


@dataclass(slots=True)
class _Line:
    """An event line and what follows it."""

    number: str
    reel: str
    channels: str
    transition: str
    length: int  # frames of the transition
    source: tuple[Timecode, Timecode]
    record: tuple[Timecode, Timecode]
    place: int  # line in the file
    speed: Fraction | None = None
    from_name: str = ""
    to_name: str = ""
    file: str = ""


def read_edl(text: str, rate: Fraction | None = None, name: str = "") -> Timeline:
    """Read an edit decision list.

    Args:
        rate: frames a second; None takes 29.97 for a drop-frame list and what a comment of ours
            says, and else asks.

    Raises:
        UsageError: the rate is not known.
        MediaError: naming a line that cannot be understood, or that we cannot do.
    """
    lines = text.splitlines()
    drop = any(re.match(r"FCM:\s*DROP", line) for line in lines)
    rate = rate or _stated_rate(lines) or (Fraction(30_000, 1001) if drop else None)
    if rate is None:
        raise UsageError(
            "An EDL does not say its frame rate.", "Give it: --rate 23.976 (or 24, 25, 29.97 ...)."
        )
    parsed, markers = _parse(lines, rate, drop)
    if not parsed:
        raise MediaError(f"{name or 'The list'} holds no events.", "Export it as CMX3600.")
    drop = drop or any(line.record[0].drop for line in parsed)
    start = min(line.record[0].frames for line in parsed)
    title = next((m[1].strip() for x in lines if (m := re.match(r"TITLE:(.*)", x))), name)
    timeline = Timeline(name=title, rate=rate, drop=drop, start=start)
    tracks: list[Track] = []
    of_track: dict[str, list[_Line]] = {}
    for line in parsed:
        for name in _tracks_of(line):
            of_track.setdefault(name, []).append(line)
    for name in sorted(of_track, key=_picture_first):
        events = _events(of_track[name], timeline)
        if name.startswith("V"):
            tracks += [Track(kind="picture", events=layer) for layer in layers(events)]
        else:
            sounds = Track(kind="sound", events=in_order(events), name=name)
            tracks.append(as_fades(sounds))
    notes = tuple(
        Marker(start=(at.frames - start) / rate, duration=1 / rate, name=words)
        for at, words in markers
    )
    return replace(timeline, tracks=tuple(t for t in tracks if t.events), markers=notes)


def named_films(text: str) -> tuple[Event, ...]:
    """What a list shows, whatever rate it runs at; the times mean nothing."""
    plain = re.sub(r"(?m)^FCM:.*$", "", text)
    plain = re.sub(_TC, lambda label: re.sub(r"\D", ":", label[1]), plain)
    return tuple(sounding(read_edl(plain, Fraction(120))))


def stated_rate(text: str) -> Fraction | None:
    """The rate that a list of ours says it runs at."""
    return _stated_rate(text.splitlines())


def _stated_rate(lines: list[str]) -> Fraction | None:
    for place, line in enumerate(lines, 1):
        if _RATE not in line.upper():
            continue
        note = _NOTE.match(line.strip()[:LONGEST_LINE])
        if note and note[1].upper() == _RATE:
            try:
                return exact_rate(note[2].strip())
            except UsageError as error:
                raise MediaError(f"Line {place}: {error.problem}", "Delete the line.") from error
    return None


def _parse(
    lines: list[str], rate: Fraction, drop: bool
) -> tuple[list[_Line], list[tuple[Timecode, str]]]:
    parsed: list[_Line] = []
    markers: list[tuple[Timecode, str]] = []
    for place, raw in enumerate(lines, 1):
        line = raw.strip()
        if len(line) > LONGEST_LINE:
            raise MediaError(
                f"Line {place} has {len(line):,} characters, which no list has.",
                "Export it as CMX3600.",
            )
        if re.match(r"FCM:", line):
            drop = bool(re.match(r"FCM:\s*DROP", line))
        elif match := _EVENT.match(line):
            parsed.append(_event_line(match, place, rate, drop))
        elif re.match(r"^\d{3,}\s", line):
            raise MediaError(
                f'Line {place} is not an event: "{line}".',
                "Export the list as CMX3600 with four timecodes an event.",
            )
        elif match := _LOCATOR.match(line):
            markers.append((_timecode(match[1], rate, drop, place), match[3].strip()))
        elif parsed and (match := _SPEED.match(line)):
            _set_speed(parsed, match, rate, drop)
        elif parsed and (match := _AUD.match(line)):
            parsed[-1].channels += "".join(f"/A{number}" for number in match.groups() if number)
        elif parsed:
            _read_note(parsed, line, place)
    return parsed, markers


def _event_line(match: re.Match[str], place: int, rate: Fraction, drop: bool) -> _Line:
    if match[4].startswith("K"):
        raise MediaError(
            f"Line {place} is a key (one picture over another), which is not followed.",
            "Export the list of one picture track.",
        )
    if _CHANNEL.sub("", match[3]).strip("/"):
        raise MediaError(
            f"Line {place}: {match[3]} names no channels we know.", "Export the list as CMX3600."
        )
    labels = [match[i] for i in (6, 7, 8, 9)]
    if any(map(_drops, labels)):
        drop = False  # the line itself says which of its times drop frames: those that show it
    times = [_timecode(label, rate, drop, place) for label in labels]
    if times[3].frames < times[2].frames:
        raise MediaError(
            f"Line {place}: record out is before record in.", "Correct the line, or export again."
        )
    transition = "C" if match[4] == "C" else "dissolve" if match[4] == "D" else "wipe"
    length = int((match[5] or "0")[:9])
    source, record = (times[0], times[1]), (times[2], times[3])
    return _Line(match[1], match[2], match[3], transition, length, source, record, place)


def _timecode(text: str, rate: Fraction, drop: bool, place: int) -> Timecode:
    plain = re.sub(r"[;.,]", ":", text)
    try:
        return Timecode.parse(plain, rate, drop or _drops(text))
    except UsageError as error:
        raise MediaError(f"Line {place}: {error.problem}", error.remedy) from error


def _drops(label: str) -> bool:
    """A semicolon before the frames, or a comma in the first field, is drop-frame."""
    return label[-3] in ";,"


def _set_speed(parsed: list[_Line], match: re.Match[str], rate: Fraction, drop: bool) -> None:
    """Frames a second of the source; of a dissolve's two lines, the one whose reel it names.

    A shot that runs backwards starts where the effect does, which may be its source out.
    """
    latest = [x for x in parsed if x.number == parsed[-1].number]
    named = [x for x in latest if x.reel == match[1] and x.speed is None] or latest[-1:]
    line = named[-1]
    line.speed = _speed(match[2].replace(" ", ""), rate)
    if line.speed < 0 and re.fullmatch(_TC, match[3]):
        entry = _timecode(match[3], rate, drop or line.source[0].drop, line.place)
        if entry == line.source[1]:
            line.source = entry, line.source[0]


def _speed(text: str, rate: Fraction) -> Fraction:
    """The simplest speed that is written so: 031.3 at 25 is 5/4, 047.952 at 23.976 is 2.

    Some count the frames of a second as 24, some as 23.976.
    """
    value, digits = abs(Fraction(text)), len(text.partition(".")[2])
    off = Fraction(1, 2 * 10 ** (digits or 3))
    if value < off:
        return Fraction(0)
    speeds = [_simplest((value - off) / base, (value + off) / base) for base in (round(rate), rate)]
    speed = min(speeds, key=lambda speed: speed.denominator)
    return -speed if text.startswith("-") else speed


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the smallest denominator from ``low`` to ``high``, both above 0."""
    whole = ceil(low)
    if whole <= high:
        return Fraction(whole)
    return whole - 1 + 1 / _simplest(1 / (high - whole + 1), 1 / (low - whole + 1))


def _read_note(parsed: list[_Line], line: str, place: int) -> None:
    note, last = _NOTE.match(line), parsed[-1]
    if note is None:
        return
    words, value = note[1].upper(), note[2].strip()
    if words in ("FROM CLIP NAME", "CLIP NAME") or (words == "FROM CLIP" and ":" in line):
        first = parsed[-2] if len(parsed) > 1 and parsed[-2].number == last.number else None
        if first and not first.from_name and first.record[0].frames < first.record[1].frames:
            first.from_name = value  # a dissolve's first line is a whole event
        last.from_name = value
    elif words == "TO CLIP NAME":
        last.to_name = value
    elif words in ("SOURCE FILE", "MEDIA FILE", "SOURCE FILE PATH", "FROM FILE"):
        last.file = path_of(value)
    elif words == _EXACT:
        try:
            last.speed = exact_number(value)
        except (ValueError, ZeroDivisionError) as error:
            raise MediaError(f"Line {place}: {error}.", "Delete the line.") from error


def _tracks_of(line: _Line) -> list[str]:
    """ "V", "V2" ... and "A1", "A2" ... of a channel field such as V, AA/V, B, A2, VA1."""
    found: list[str] = []
    for part in _CHANNEL.findall(line.channels):
        if part == "B":
            found += ["V", "A1"]
        elif part == "AA":
            found += ["A1", "A2"]
        elif part.startswith("V"):
            found.append(part if int(part[1:] or 1) > 1 else "V")
        elif part != "NONE":
            found.append(f"A{part[1:] or 1}")
    return list(dict.fromkeys(found))


def _picture_first(name: str) -> tuple[bool, int]:
    return name.startswith("A"), int(name[1:] or 1)


def _events(lines: list[_Line], timeline: Timeline) -> list[Event]:
    """Events in the order they are listed."""
    events: list[Event] = []
    name = ""
    for before, line in zip([None, *lines], lines, strict=False):
        first, last = line.record
        pair = before is not None and before.number == line.number
        if first.frames == last.frames:
            name = line.from_name  # the outgoing half of a dissolve
            continue
        shown = line.to_name if line.transition != "C" else line.from_name
        # what a dissolve's second line comes from is the first one's name, unless that has its own
        shown = shown or ("" if pair and not name else line.from_name)
        start = (first.frames - timeline.start) / timeline.rate
        if line.reel in BLACK:
            _fade_out(events, line, start, timeline.rate)
            continue
        events.append(_event(line, shown or name or line.reel, start, timeline.rate))
        name = ""
    return events


def _event(line: _Line, name: str, start: Fraction, rate: Fraction) -> Event:
    intro = None
    if line.transition != "C":
        intro = Transition(before=Fraction(0), after=line.length / rate, kind=line.transition)
    return Event(
        name=name,
        media=Media(name=file_name(line.file) or name, path=line.file, reel=line.reel),
        start=start,
        duration=(line.record[1].frames - line.record[0].frames) / rate,
        source=line.source[0].seconds,
        speed=Fraction(1) if line.speed is None else line.speed,
        intro=intro,
    )


def _fade_out(events: list[Event], line: _Line, start: Fraction, rate: Fraction) -> None:
    if line.transition != "C" and events and events[-1].end == start:
        fade = Transition(before=Fraction(0), after=line.length / rate, kind=line.transition)
        events[-1] = replace(events[-1], outro=fade)


def write_edl(timeline: Timeline) -> str:
    """Write the picture as one track, and the sounds on channels A, A2, A3 ...

    Raises:
        ValueError: an event does not begin and end on frames.
    """
    lines = [
        f"TITLE: {timeline.name}",
        f"FCM: {'DROP FRAME' if timeline.drop else 'NON-DROP FRAME'}",
        "",
    ]
    number = 0
    shown = on_screen(timeline)
    for index, event in enumerate(shown):
        number += 1
        earlier = shown[index - 1] if index and shown[index - 1].end == event.start else None
        later = shown[index + 1] if index + 1 < len(shown) else None
        lines += _picture_lines(timeline, number, event, earlier, later)
        if index == 0:  # not before: OpenTimelineIO takes no comment there
            lines.append(f"* {_RATE}: {timeline.rate}")
        if event.outro:
            number += 1
            lines += _fade_lines(timeline, number, event)
    lines += list(_sound_lines(timeline, number))
    lines += [f"* LOC: {timeline.timecode(m.start)} RED     {m.name}" for m in timeline.markers]
    return "\n".join(map(_one_line, lines)) + "\n"


def _one_line(text: str) -> str:
    """A name of several lines would be read as lines of the list."""
    return " ".join(text.splitlines()) if text else text


def add_sounds(text: str, timeline: Timeline, sounds: tuple[Track, ...]) -> str:
    """The list as it stands, with sounds after it."""
    numbers = [
        int(m[1]) for line in text.splitlines() if (m := re.match(r"([0-9]{1,6})\s+\S", line))
    ]
    added = replace(timeline, tracks=sounds, markers=())
    used = max((int(track.name[1:] or 1) for track in timeline.sounds), default=0)
    lines = _sound_lines(added, max(numbers, default=0), used)
    mode = f"FCM: {'DROP FRAME' if timeline.drop else 'NON-DROP FRAME'}"
    return text.rstrip("\n") + "\n" + "\n".join([mode, *map(_one_line, lines)]) + "\n"


def write_sounds(timeline: Timeline, tracks: Sequence[Track], name: str) -> str:
    """A list of sounds alone, by record times of their cut: what CMX3600 has no channels for beside
    the rest.

    Args:
        name: of the list.
    """
    alone = replace(timeline, tracks=tuple(tracks), markers=())
    lines = [
        f"TITLE: {name}",
        f"FCM: {'DROP FRAME' if timeline.drop else 'NON-DROP FRAME'}",
        "",
    ]
    events = list(_sound_lines(alone, 0))
    first = 1 + next((n for n, line in enumerate(events) if not line.startswith("*")), 0)
    events.insert(first, f"* {_RATE}: {timeline.rate}")  # not before: OpenTimelineIO takes none
    return "\n".join(map(_one_line, [*lines, *events])) + "\n"


def channels_of(tracks: Sequence[Track]) -> int:
    """How many channels of sound the lists give to tracks."""
    stereo = bool(tracks) and _is_pair(tracks[0])
    return sum(max(1, len(layers(as_overlaps(track).events))) for track in tracks) + stereo


def _is_pair(track: Track) -> bool:
    return all(isinstance(e.media, Media) and e.media.channels > 1 for e in track.events)


def _picture_lines(
    timeline: Timeline, number: int, event: Event, earlier: Event | None, later: Event | None
) -> list[str]:
    lead = event.intro.before if event.intro else Fraction(0)
    cut_short = later.intro.before if later and later.intro and later.start == event.end else 0
    event = replace(
        event,
        start=event.start - lead,
        duration=event.duration + lead - cut_short,
        source=event.source - lead * event.speed,
    )
    name, lines = event.name, []
    if event.intro is None:
        lines.append(_line(timeline, number, event, "V", "C"))
        lines.append(f"* FROM CLIP NAME: {name}")
    else:
        frames = round(event.intro.duration * timeline.rate)
        kind = "D" if event.intro.kind != "wipe" else "W001"
        lines.append(_outgoing_line(timeline, number, event, earlier, lead))
        lines.append(_line(timeline, number, event, "V", f"{kind:<5}{frames:03}"))
        if earlier:
            lines.append(f"* FROM CLIP NAME: {earlier.name}")
        lines.append(f"* TO CLIP NAME: {name}")
    return lines + _about(timeline, event)


def _about(timeline: Timeline, event: Event) -> list[str]:
    lines = []
    assert isinstance(event.media, Media)
    if event.speed != 1:
        at = str(_source_timecode(timeline, event.source)).replace(";", ":")
        value = event.speed * round(timeline.rate)
        lines.append(f"M2   {_reel(event.media):<8} {float(value):09.3f} {at}")
        lines.append(f"* {_EXACT}: {event.speed}")
    if event.media.path:
        lines.append(f"* SOURCE FILE: {event.media.path}")
    return lines


def _outgoing_line(
    timeline: Timeline, number: int, event: Event, earlier: Event | None, lead: Fraction
) -> str:
    """The zero-length first line of a dissolve: where the outgoing picture stands, or black."""
    record = timeline.timecode(event.start)
    zero = Timecode(0, timeline.rate, timeline.drop)
    reel, at = "BL", zero
    if earlier is not None:
        assert isinstance(earlier.media, Media)
        reel = _reel(earlier.media)
        at = _source_timecode(timeline, earlier.source_end - lead * earlier.speed)
    return _columns(number, reel, "V", "C", at, at, record, record)


def _fade_lines(timeline: Timeline, number: int, event: Event, channel: str = "V") -> list[str]:
    assert event.outro is not None
    assert isinstance(event.media, Media)
    end = timeline.timecode(event.end)
    frames = round(event.outro.duration * timeline.rate)
    at = _source_timecode(timeline, event.source_end)
    zero = Timecode(0, timeline.rate, timeline.drop)
    return [
        _columns(number, _reel(event.media), channel, "C", at, at, end, end),
        _columns(
            number, "BL", channel, f"D    {frames:03}", zero, zero + frames, end, end + frames
        ),
        f"* FROM CLIP NAME: {event.name}",
    ]


def _sound_lines(timeline: Timeline, number: int, used: int = 0) -> Iterator[str]:
    index = used
    for track in timeline.sounds:
        index += 1
        channel = "A" if index == 1 else f"A{index}"
        if index == 1 and _is_pair(track):
            channel, index = "AA", 2  # a film's own two channels
        for place, events in enumerate(layers(as_overlaps(track).events)):
            if place:  # sounds that cross into one another are on two channels
                index += 1
                channel = f"A{index}"
            for event in events:
                number += 1
                yield from _sound_event(timeline, number, event, channel)
                if event.fade_out:
                    number += 1
                    yield from _fade_lines(timeline, number, _until_fade(event), channel)


def _until_fade(event: Event) -> Event:
    """A sound up to where it begins to go, as a list has it: what goes follows as a fade."""
    if not event.fade_out:
        return event
    fade = Transition(before=Fraction(0), after=event.fade_out)
    return replace(event.part(event.start, event.end - event.fade_out), outro=fade)


def _sound_event(timeline: Timeline, number: int, event: Event, channel: str) -> Iterator[str]:
    event = _until_fade(event)
    if not event.fade_in:
        yield _line(timeline, number, event, channel, "C")
        yield f"* FROM CLIP NAME: {event.name}"
    else:
        record, zero = timeline.timecode(event.start), Timecode(0, timeline.rate, timeline.drop)
        frames = round(event.fade_in * timeline.rate)
        yield _columns(number, "BL", channel, "C", zero, zero, record, record)
        yield _line(timeline, number, event, channel, f"D    {frames:03}")
        yield f"* TO CLIP NAME: {event.name}"
    yield from _about(timeline, event)


def _line(timeline: Timeline, number: int, event: Event, channel: str, kind: str) -> str:
    assert isinstance(event.media, Media)
    frames = round(event.duration * timeline.rate * abs(event.speed)) if event.speed else 1
    source = _source_timecode(timeline, event.source)
    ends = timeline.timecode(event.start), timeline.timecode(event.end)
    return _columns(number, _reel(event.media), channel, kind, source, source + frames, *ends)


def _columns(number: int, reel: str, channel: str, kind: str, *times: Timecode) -> str:
    labels = " ".join(str(time) for time in times)
    return f"{number:03}  {reel:<8} {channel:<5} {kind:<8} {labels}"


def _source_timecode(timeline: Timeline, seconds: Fraction) -> Timecode:
    return Timecode.from_seconds(seconds, timeline.rate, timeline.drop)


def _reel(media: Media) -> str:
    return media.reel if media.reel and not re.search(r"\s", media.reel) else "AX"
