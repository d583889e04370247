"""What is on screen -> shots: which stretch of which film each sound is made from, and where the
sound lies on the timeline."""

import logging
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from foleycli.clip.probe import Clip, probe
from foleycli.clip.timecode import rate_name
from foleycli.errors import MediaError
from foleycli.timeline.model import Event, Media, Timeline, Transition, sounding

LOG = logging.getLogger("foleycli")
_ZERO = Fraction(0)
SLOWEST, FASTEST = Fraction(1, 10_000), 10_000  # speeds of film that editing programs reach
ALIKE = Fraction(1, 2000)  # two rates that differ by less are one; 23.976 and 24 differ by 1/1000


@dataclass(frozen=True, slots=True)
class Shot:
    """One sound to make. Times are seconds from the timeline's first frame."""

    number: int  # from 1, in order of time
    event: Event
    film: Clip
    start: Fraction  # heard from here, with the dissolve that leads in
    end: Fraction
    head: Fraction  # more sound before the start, for the editor to pull out; no longer than media
    tail: Fraction
    fade_in: Fraction  # seconds of dissolve in which the sound comes
    fade_out: Fraction
    source: Fraction  # seconds from the film's first frame, at the beginning of the head

    @property
    def begins(self) -> Fraction:
        """Where the sound's first sample lies, the head before the start."""
        return self.start - self.head

    @property
    def duration(self) -> Fraction:
        """Seconds of sound, handles and all."""
        return self.head + (self.end - self.start) + self.tail

    @property
    def speed(self) -> Fraction:
        """Of the film on the timeline."""
        return self.event.speed

    @property
    def span(self) -> tuple[Fraction, Fraction]:
        """(start, end) of the film that is seen, in seconds from its first frame."""
        other = self.source + self.duration * self.speed
        return min(self.source, other), max(self.source, other)

    @property
    def seed(self) -> int:
        """Chance of its own: stays when shots come and go around it."""
        return zlib.crc32(f"{self.film.path.name}|{self.source}|{self.speed}".encode())


def plan_shots(
    timeline: Timeline, found: dict[Media, Path], handles: Fraction = _ZERO
) -> list[Shot]:
    """Every stretch of film that is seen, in order.

    Args:
        found: each media's file, of `media.find_media`.
        handles: seconds of sound beyond either end, as far as the film goes. Where a dissolve
            overlaps the neighbour there is none: the sound fades there.

    Raises:
        MediaError: naming every film that cannot be used, or every event that shows more than
            its film has.
    """
    events = [event for event in sounding(timeline) if event.media in found]  # no placeholders
    films = _films(found)
    _warn_of_rates(films.values(), timeline.rate)
    shots, short = [], []
    for number, event in enumerate(events, 1):
        film = films[found[_media(event)]]
        shot = _shot(number, events, film, handles, timeline)
        shots.append(shot)
        short += _beyond(shot, timeline)
    if short:
        raise MediaError(
            "Some events show more than their film has:",
            "Relink them to the right files, or check the rate (--rate).",
            short,
        )
    return shots


def _films(found: dict[Media, Path]) -> dict[Path, Clip]:
    """Every film, looked at; all that cannot be are named at once."""
    films: dict[Path, Clip] = {}
    wrong: dict[Path, MediaError] = {}
    for path in dict.fromkeys(found.values()):
        try:
            films[path] = probe(path)
        except MediaError as error:
            wrong[path] = error
    if len(wrong) > 1:
        raise MediaError(
            f"{len(wrong)} of the timeline's films cannot be used:",
            " ".join(dict.fromkeys(error.remedy for error in wrong.values())),
            (f"{path}: {error.problem}" for path, error in wrong.items()),
        )
    if wrong:
        raise next(iter(wrong.values()))
    return films


def _warn_of_rates(films: Iterable[Clip], rate: Fraction) -> None:
    """Films of another rate are followed in real time, which is not what every editor does."""
    others = [f for f in films if f.frame_rate and abs(f.frame_rate / rate - 1) > ALIKE]
    if others:
        named = ", ".join(f"{f.path.name} ({rate_name(f.frame_rate or rate)})" for f in others[:3])
        rest = f" and {len(others) - 3} more" if len(others) > 3 else ""
        LOG.warning(
            "The timeline runs at %s, but not %s%s: they are taken in real time. If your editor "
            "conformed them frame for frame, link the conformed files.",
            rate_name(rate),
            named,
            rest,
        )


def relink(timeline: Timeline, found: dict[Media, Path]) -> Timeline:
    """The timeline with each medium's file, and beginning and length where it says none, so
    that formats which want them can be written."""
    films = {path: probe(path) for path in dict.fromkeys(found.values())}

    def linked(event: Event) -> Event:
        media = event.media
        if not isinstance(media, Media) or media not in found:
            return event
        film = films[found[media]]
        length = film.duration or _ZERO
        known = replace(
            media,
            path=str(film.path.absolute()),
            start=event.source - _in_film(event, film),
            duration=media.duration or _whole(length, timeline.rate),
            rate=media.rate or film.frame_rate,
        )
        return replace(event, media=known)

    tracks = (replace(track, events=tuple(map(linked, track.events))) for track in timeline.tracks)
    return replace(timeline, tracks=tuple(tracks))


def _media(event: Event) -> Media:
    assert isinstance(event.media, Media)
    return event.media


def _shot(
    number: int, events: Sequence[Event], film: Clip, handles: Fraction, timeline: Timeline
) -> Shot:
    event = events[number - 1]
    if event.speed and not SLOWEST <= abs(event.speed) <= FASTEST:
        raise MediaError(
            f"{event.name} runs at {float(event.speed):g} times its speed.", "Render it to a file."
        )
    later = events[number] if number < len(events) else None
    taken = later.intro if later and later.start == event.end else None
    tail = taken or event.outro
    start = max(_ZERO, event.start - (event.intro.before if event.intro else _ZERO))
    end = event.end + (tail.after if tail else _ZERO)
    at_start = _in_film(event, film) - (event.start - start) * event.speed
    at_end = at_start + (end - start) * event.speed
    before, after = _rooms(film, at_start, at_end, event.speed)
    before = min(before, start + timeline.start_seconds)  # nothing is stamped before midnight
    lead = _ZERO if event.intro else _whole(min(handles, before), timeline.rate)
    rest = _ZERO if tail else _whole(min(handles, after), timeline.rate)
    return Shot(
        number,
        event,
        film,
        start,
        end,
        lead,
        rest,
        _length(event.intro),
        _length(tail),
        at_start - lead * event.speed,
    )


def _length(transition: Transition | None) -> Fraction:
    return transition.duration if transition else _ZERO


def _in_film(event: Event, film: Clip) -> Fraction:
    """Seconds from the film's first frame: by the timeline's word on the media, or the film's own
    timecode; a time before that one counts from 0, as of files without timecode."""
    media, own = _media(event), film.timecode.seconds if film.timecode else _ZERO
    begins = media.start
    if begins is None or _is_part(media, film, own):
        begins = own if event.source >= own else _ZERO
    return event.source - begins


def _is_part(media: Media, film: Clip, own: Fraction) -> bool:
    """Whether a timeline describes only the stretch of a film that it uses, as Resolve's FCPXML
    does: its ``start`` is then no beginning, but a place on the film's own clock."""
    if media.start is None or media.duration is None or film.duration is None:
        return False
    frame = 1 / (film.frame_rate or Fraction(25))
    shorter = media.duration < film.duration - 2 * frame
    ends = media.start + media.duration
    return shorter and own < media.start and ends <= own + film.duration + frame


def _rooms(
    film: Clip, at_start: Fraction, at_end: Fraction, speed: Fraction
) -> tuple[Fraction, Fraction]:
    """Seconds of the timeline for which the film goes on before and after."""
    length = film.duration or max(at_start, at_end)
    if speed == 0:
        return _ZERO, _ZERO
    before, after = (at_start, length - at_end) if speed > 0 else (length - at_start, at_end)
    return max(_ZERO, before / abs(speed)), max(_ZERO, after / abs(speed))


def _whole(seconds: Fraction, rate: Fraction) -> Fraction:
    return (seconds * rate // 1) / rate


def _beyond(shot: Shot, timeline: Timeline) -> list[str]:
    first, last = shot.span
    length = shot.film.duration
    frame = 1 / (shot.film.frame_rate or timeline.rate)
    if first > -frame and (length is None or last <= length + frame):
        return []
    where = f"{timeline.timecode(shot.event.start)} {shot.event.name}"
    film = f"{shot.film.path.name} has {float(length or 0):.2f} s"
    return [f"{where}: {float(first):.2f} to {float(last):.2f} s, but {film}"]
