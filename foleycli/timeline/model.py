"""A timeline, exact: what is cut where, in seconds as Fraction, whatever file it came from."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from foleycli.clip.timecode import Timecode, rate_name
from foleycli.errors import MediaError, UsageError

TrackKind = Literal["picture", "sound"]
# Rates that timelines run at; NTSC's are n * 1000 / 1001.
RATES = tuple(
    sorted(Fraction(n * 1000, d) for n in (24, 25, 30, 48, 50, 60, 100, 120) for d in (1000, 1001))
)

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
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Events that do not overlap, in order of time."""

    kind: TrackKind
    events: tuple[Event, ...]
    name: str = ""
    enabled: bool = True


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
        """The label at an instant on a frame's edge.

        Raises:
            ValueError: it is between two frames.
        """
        return Timecode(self.start + whole_frames(seconds, self.rate), self.rate, self.drop)


def exact_rate(value: float | str | Fraction) -> Fraction:
    """A frame rate as people and files write it, exactly: 23.976 and "23.98" -> 24000/1001.

    Raises:
        UsageError: no timeline runs at it.
    """
    try:
        rate = Fraction(value)
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f'"{value}" is not a frame rate.', "Write it as 25 or 23.976.") from error
    nearest = min(RATES, key=lambda known: abs(known - rate))
    if abs(nearest - rate) <= Fraction(6, 1000):
        return nearest
    if rate > 0 and rate.denominator == 1:
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


def on_screen(timeline: Timeline) -> list[Event]:
    """What is seen, in order: of stacked pictures the upper one, nested timelines opened,
    disabled events left out.

    Raises:
        MediaError: a nested timeline runs backwards or stands still.
    """
    seen: list[Event] = []
    for track in reversed(timeline.pictures):
        if not track.enabled:
            continue
        covered = [(event.start, event.end) for event in seen]
        for event in track.events:
            if event.enabled:
                for start, end in _uncovered(event, sorted(covered)):
                    seen += _opened(event.part(start, end))
    return sorted(seen, key=lambda event: event.start)


def sounding(timeline: Timeline) -> list[Event]:
    """What is seen and may sound: stills stay silent.

    Raises:
        MediaError: as `on_screen`.
    """
    return [
        event
        for event in on_screen(timeline)
        if not (isinstance(event.media, Media) and event.media.is_still)
    ]


def _uncovered(
    event: Event, covered: list[tuple[Fraction, Fraction]]
) -> Iterator[tuple[Fraction, Fraction]]:
    at = event.start
    for start, end in covered:
        if end <= at or start >= event.end:
            continue
        if start > at:
            yield at, start
        at = end
    if at < event.end:
        yield at, event.end


def _opened(event: Event) -> list[Event]:
    """The event itself, or what a nested timeline shows in its place."""
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
    opened = []
    for inner in on_screen(nested):
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


def _scaled(transition: Transition | None, speed: Fraction) -> Transition | None:
    if transition is None:
        return None
    before, after = transition.before / speed, transition.after / speed
    return replace(transition, before=before, after=after)


def file_name(path: str) -> str:
    """The last part of a path of any system."""
    return re.split(r"[/\\]", path)[-1]
