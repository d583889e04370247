"""A timeline, exact: what is cut where, in seconds as Fraction, whatever file it came from."""

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import Literal

from foleycli.clip.timecode import Timecode, rate_name
from foleycli.documents import exact_number
from foleycli.errors import MediaError, UsageError

TrackKind = Literal["picture", "sound"]
# Rates that timelines run at; NTSC's are n * 1000 / 1001.
RATES = tuple(
    sorted(Fraction(n * 1000, d) for n in (24, 25, 30, 48, 50, 60, 100, 120) for d in (1000, 1001))
)

FASTEST = 1000  # frames a second that a timeline can run at
LONGEST = 24 * 3600  # seconds of a timeline: timecode counts no further
DEEPEST = 32  # timelines inside one another
MOST_LAYERS = 100  # events over one another
SILENCE_DB = -144.0  # what no gain at all is called
MOST = 50_000  # cuts of a timeline with all that is nested in it

# files of one picture, which makes no sound
STILLS = tuple(".bmp .gif .heic .jpeg .jpg .png .psd .tga .tif .tiff .webp".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file that events show, as the timeline names it."""

    name: str
    path: str = ""  # as it stands in the timeline; "" when only a reel is named
    reel: str = ""
    start: Fraction | None = None  # seconds on its own timecode of its first frame; None: ask it
    duration: Fraction | None = None  # seconds
    rate: Fraction | None = None  # frames a second
    channels: int = 0  # of sound
    sample_rate: int = 0  # Hz
    is_placeholder: bool = False  # the editing program has no file for it, and says no length

    @property
    def is_still(self) -> bool:
        """Whether it is called as one picture is: a title card, a logo."""
        return file_name(self.path or self.name).lower().endswith(STILLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One event becomes the next around a cut."""

    before: Fraction  # seconds that the later event is seen before the cut
    after: Fraction  # seconds that the earlier one is seen after it
    kind: str = "dissolve"

    @property
    def duration(self) -> Fraction:
        """Seconds."""
        return self.before + self.after


@dataclass(frozen=True, slots=True)
class Level:
    """A gain of a sound at an instant; programs draw their own line from one to the next."""

    time: Fraction  # seconds from the event's start
    gain_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A stretch of media, or of a nested timeline, on a track. Gaps and black are no events."""

    name: str
    media: "Media | Timeline"
    start: Fraction  # seconds from the timeline's first frame
    duration: Fraction  # seconds on the timeline
    source: Fraction  # what is seen first, in seconds on the media's own timecode
    speed: Fraction = Fraction(1)  # of the source; negative runs backwards, 0 is a freeze frame
    enabled: bool = True
    intro: Transition | None = None  # at its start
    outro: Transition | None = None  # at its end, into nothing
    fade_in: Fraction = Fraction(0)  # seconds from its start in which a sound comes, linearly
    fade_out: Fraction = Fraction(0)  # seconds before its end in which it goes
    levels: tuple[Level, ...] = ()  # volume keyframes of a sound; one alone is its clip gain

    @property
    def end(self) -> Fraction:
        """Seconds from the timeline's first frame."""
        return self.start + self.duration

    @property
    def source_end(self) -> Fraction:
        """Where the source stands at the end, on the media's own timecode."""
        return self.source + self.duration * self.speed

    def part(self, start: Fraction, end: Fraction) -> "Event":
        """The event between two instants of the timeline."""
        return replace(
            self,
            start=start,
            duration=end - start,
            source=self.source + (start - self.start) * self.speed,
            intro=self.intro if start == self.start else None,
            outro=self.outro if end == self.end else None,
            fade_in=self.fade_in if start == self.start else Fraction(0),
            fade_out=self.fade_out if end == self.end else Fraction(0),
            levels=moved_levels(self.levels, start - self.start),
        )


def moved_levels(levels: tuple[Level, ...], later: Fraction) -> tuple[Level, ...]:
    """The same gains from an instant later on; a clip gain stays as it is."""
    if len(levels) < 2 or not later:
        return levels
    return tuple(replace(level, time=level.time - later) for level in levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Events that do not overlap, in order of time."""

    kind: TrackKind
    events: tuple[Event, ...]
    name: str = ""
    enabled: bool = True
    made: bool = False  # its sounds are ours, not the cut's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A note at an instant."""

    start: Fraction  # seconds from the timeline's first frame
    duration: Fraction
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Tracks over one clock; of two pictures at an instant the one on the later track is seen."""

    name: str
    rate: Fraction  # frames a second
    drop: bool = False  # its timecode drops frames
    start: int = 0  # frames from midnight of its first frame
    tracks: tuple[Track, ...] = ()
    markers: tuple[Marker, ...] = ()

    @property
    def start_seconds(self) -> Fraction:
        """Real seconds from midnight of the first frame: 3603.6 for 01:00:00:00 at 23.976."""
        return self.start / self.rate

    @property
    def duration(self) -> Fraction:
        """Seconds to the end of the last event."""
        ends = (event.end for track in self.tracks for event in track.events)
        return max(ends, default=Fraction(0))

    @property
    def pictures(self) -> tuple[Track, ...]:
        """The picture tracks, bottom to top."""
        return tuple(track for track in self.tracks if track.kind == "picture")

    @property
    def sounds(self) -> tuple[Track, ...]:
        """The sound tracks."""
        return tuple(track for track in self.tracks if track.kind == "sound")

    def timecode(self, seconds: Fraction) -> Timecode:
        """The label of the frame an instant is in; cuts at another rate lie between frames."""
        return Timecode(self.start + int(seconds * self.rate // 1), self.rate, self.drop)


def exact_rate(value: float | str | Fraction) -> Fraction:
    """A frame rate as people and files write it, exactly: 23.976 and "23.98" -> 24000/1001.

    Raises:
        UsageError: no timeline runs at it.
    """
    try:
        rate = exact_number(value) if isinstance(value, str) else Fraction(value)
    except (ValueError, ArithmeticError) as error:
        raise UsageError(
            f'"{str(value)[:40]}" is not a frame rate.', "Write it as 25 or 23.976."
        ) from error
    nearest = min(RATES, key=lambda known: abs(known - rate))
    if abs(nearest - rate) <= Fraction(6, 1000):
        return nearest
    if 0 < rate <= FASTEST and rate.denominator == 1:
        return rate
    raise UsageError(
        f"No timeline runs at {float(rate):g} frames a second.",
        f"Known rates: {', '.join(rate_name(known) for known in RATES)}.",
    )


def rate_label(rate: Fraction) -> str:
    """A rate as file names have it: 23976, 24, 2997, 5994."""
    return f"{float(rate):.3f}".rstrip("0").rstrip(".").replace(".", "")


def whole_frames(seconds: Fraction, rate: Fraction) -> int:
    """Seconds on a frame's edge as frames.

    Raises:
        ValueError: they lie between two frames.
    """
    frames = seconds * rate
    if frames.denominator != 1:
        raise ValueError(f"{seconds} s is frame {float(frames):g} at {rate_name(rate)}")
    return int(frames)


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """By where they begin."""
    return tuple(sorted(events, key=lambda event: event.start))


def layers(events: Iterable[Event]) -> list[tuple[Event, ...]]:
    """Events in order of time, none over another in its layer: of two that overlap, the one listed
    later lies in a layer above.

    Raises:
        MediaError: more lie over one another than any timeline needs.
    """
    found: list[list[Event]] = []
    for event in events:
        place = 0
        for number, layer in enumerate(found, 1):
            after = bisect_right(layer, event.start, key=lambda other: other.end)
            if after < len(layer) and layer[after].start < event.end:
                place = number
        if place == len(found):
            if place == MOST_LAYERS:
                raise MediaError(
                    f"{event.name} lies over {MOST_LAYERS} others.", "Export it again."
                )
            found.append([])
        insort(found[place], event, key=lambda other: other.start)
    return [tuple(layer) for layer in found]


def as_transitions(track: Track) -> Track:
    """Fades of sounds as transitions from nothing and into nothing, for formats that have those."""

    def into(event: Event) -> Event:
        rise = Transition(before=Fraction(0), after=event.fade_in) if event.fade_in else event.intro
        fall = (
            Transition(before=event.fade_out, after=Fraction(0)) if event.fade_out else event.outro
        )
        return replace(event, intro=rise, outro=fall)

    if track.kind == "picture":
        return track
    return replace(track, events=tuple(map(into, track.events)))


def as_fades(track: Track) -> Track:
    """Transitions of sounds from nothing and into nothing as fades; those between two sounds that
    meet stay."""
    if track.kind == "picture":
        return track
    events = []
    for index, event in enumerate(track.events):
        before = track.events[index - 1] if index else None
        later = track.events[index + 1] if index + 1 < len(track.events) else None
        rise, fall = event.intro, event.outro
        if rise and not (before and before.end == event.start):
            event = replace(
                event,
                start=event.start - rise.before,
                duration=event.duration + rise.before,
                source=event.source - rise.before * event.speed,
                intro=None,
                fade_in=rise.duration,
            )
        if fall and not (later and later.start == event.end):
            event = replace(
                event,
                duration=event.duration + fall.after,
                outro=None,
                fade_out=fall.duration,
            )
        events.append(event)
    return replace(track, events=tuple(events))


def as_overlaps(track: Track) -> Track:
    """Sounds that cross into one another as events that overlap, each with its fade, for formats
    that have no such transition; `layers` parts them."""
    events = list(track.events) if track.kind == "sound" else []
    for index in range(1, len(events)):
        before, event = events[index - 1], events[index]
        cross = event.intro
        if cross is None or track.events[index - 1].end != event.start:
            continue
        length = cross.duration
        events[index - 1] = replace(
            before, duration=before.duration + cross.after, outro=None, fade_out=length
        )
        events[index] = replace(
            event,
            start=event.start - cross.before,
            duration=event.duration + cross.before,
            source=event.source - cross.before * event.speed,
            levels=moved_levels(event.levels, -cross.before),
            intro=None,
            fade_in=length,
        )
    return replace(track, events=tuple(events)) if events else track


def on_frames(track: Track, rate: Fraction) -> Track:
    """Every event from the frame it begins in to the frame it ends in, and its source along with
    it, so that what is seen and heard stays where it was; for formats that count whole frames.

    What is shorter than the frame it lies in is left out.
    """

    def frame(seconds: Fraction) -> Fraction:
        return (seconds * rate // 1) / rate

    def moved(event: Event) -> Event:
        start, end = frame(event.start), frame(event.end)
        return replace(
            event.part(start, end),
            intro=_on_frames(event.intro, event.start, rate),
            outro=_on_frames(event.outro, event.end, rate),
            fade_in=round(event.fade_in * rate) / rate,
            fade_out=round(event.fade_out * rate) / rate,
        )

    kept = (event for event in map(moved, track.events) if event.duration > 0)
    return replace(track, events=tuple(kept))


def _on_frames(transition: Transition | None, cut: Fraction, rate: Fraction) -> Transition | None:
    if transition is None:
        return None
    at, first, last = (
        time * rate // 1 for time in (cut, cut - transition.before, cut + transition.after)
    )
    return replace(transition, before=(at - first) / rate, after=(last - at) / rate)


def check_size(timeline: Timeline) -> None:
    """Refuse to write out what has no end: compound clips of compound clips, each used often.

    Raises:
        MediaError: there are more than `MOST` events with all that is nested.
    """
    counts: dict[int, int] = {}

    def count(inner: Timeline) -> int:
        if id(inner) not in counts:
            events = [event for track in inner.tracks for event in track.events]
            nested = (count(e.media) for e in events if isinstance(e.media, Timeline))
            counts[id(inner)] = len(events) + sum(nested)
        return counts[id(inner)]

    if count(timeline) > MOST:
        raise MediaError(
            f"{timeline.name or 'The timeline'} holds more than {MOST:,} events.",
            "Export it reel by reel, or open its compound clips.",
        )


def on_screen(timeline: Timeline) -> list[Event]:
    """What is seen, in order: of stacked pictures the upper one, nested timelines opened,
    disabled events left out.

    Raises:
        MediaError: a nested timeline runs backwards or stands still, or there is no end to what is
            nested.
    """
    return _Screen().shown(timeline)


def sounding(timeline: Timeline) -> list[Event]:
    """What is seen and may sound: stills stay silent, and what lies before the first frame is not
    seen.

    Raises:
        MediaError: as `on_screen`.
    """
    return [
        event if event.start >= 0 else event.part(Fraction(0), event.end)
        for event in on_screen(timeline)
        if event.end > 0 and not (isinstance(event.media, Media) and event.media.is_still)
    ]


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a nested timeline shows, to be looked up by time."""

    events: list[Event]
    starts: list[Fraction]
    ends: list[Fraction]  # the latest end until there


class _Screen:
    """Looks at a timeline from above. Each nested one is opened once, however often it is used,
    and what is looked at is counted: ten compound clips of ten compound clips have no end."""

    def __init__(self) -> None:
        self._known: dict[int, _Opened] = {}
        self._depth = 0
        self._looked = 0

    def shown(self, timeline: Timeline) -> list[Event]:
        seen: list[Event] = []
        covered: list[tuple[Fraction, Fraction]] = []  # in order, apart from one another
        for track in reversed(timeline.pictures):
            if not track.enabled:
                continue
            under: list[Event] = []
            for event in track.events:
                if event.enabled and event.duration > 0:
                    for start, end in _uncovered(event, covered):
                        under += self._opened(event.part(start, end), timeline)
            seen += under
            self._look(len(covered) // 100, timeline)  # it is sorted anew for every track
            covered = _joined([*covered, *((event.start, event.end) for event in under)])
        return sorted(seen, key=lambda event: event.start)

    def _look(self, count: int, timeline: Timeline) -> None:
        self._looked += count
        if self._looked > MOST:
            raise MediaError(
                f"{timeline.name or 'The timeline'} shows more than {MOST:,} cuts with all that "
                "is nested in it.",
                "Export it reel by reel, or open its compound clips.",
            )

    def _opened(self, event: Event, timeline: Timeline) -> list[Event]:
        """The event itself, or what a nested timeline shows in its place."""
        self._look(1, timeline)
        nested = event.media
        if isinstance(nested, Media):
            return [event]
        if event.speed <= 0:
            raise MediaError(
                f"{event.name} is a nested timeline that runs backwards or stands still.",
                "Open it up in your editor (Break Apart Clip Items, Decompose) and export again.",
            )
        first = event.source - nested.start_seconds
        last = first + event.duration * event.speed
        inside = self._inside(nested)
        opened = []
        for number in range(bisect_right(inside.ends, first), bisect_left(inside.starts, last)):
            self._look(1, timeline)
            inner = inside.events[number]
            start, end = max(inner.start, first), min(inner.end, last)
            if start < end:
                part = inner.part(start, end)
                opened.append(
                    replace(
                        part,
                        start=event.start + (start - first) / event.speed,
                        duration=part.duration / event.speed,
                        speed=part.speed * event.speed,
                        intro=_scaled(part.intro, event.speed),
                        outro=_scaled(part.outro, event.speed),
                    )
                )
        if opened and event.intro and opened[0].start == event.start:
            opened[0] = replace(opened[0], intro=event.intro)
        return opened

    def _inside(self, nested: Timeline) -> _Opened:
        if id(nested) not in self._known:
            if self._depth >= DEEPEST:
                raise MediaError(
                    f"{nested.name} lies inside {DEEPEST} other timelines.",
                    "Open compound clips and nested sequences, and export again.",
                )
            self._depth += 1
            events = self.shown(nested)
            self._depth -= 1
            starts = [event.start for event in events]
            ends = list(accumulate((event.end for event in events), max))
            self._known[id(nested)] = _Opened(events, starts, ends)
        return self._known[id(nested)]


def _uncovered(
    event: Event, covered: list[tuple[Fraction, Fraction]]
) -> Iterator[tuple[Fraction, Fraction]]:
    """What of an event no other covers; ``covered`` is in order and without overlaps."""
    at = event.start
    for number in range(bisect_right(covered, at, key=lambda span: span[1]), len(covered)):
        start, end = covered[number]
        if start >= event.end:
            break
        if start > at:
            yield at, start
        at = end
    if at < event.end:
        yield at, event.end


def _joined(spans: list[tuple[Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    joined: list[tuple[Fraction, Fraction]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _scaled(transition: Transition | None, speed: Fraction) -> Transition | None:
    if transition is None:
        return None
    before, after = transition.before / speed, transition.after / speed
    return replace(transition, before=before, after=after)


def file_name(path: str) -> str:
    """The last part of a path of any system."""
    return re.split(r"[/\\]", path)[-1]
