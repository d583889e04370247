"""What no re-cut may lose: the events of every stretch of film that was sounded, at their places in
the film.

A lane is a stretch of one film with what was set to it, in seconds of that film. A shot is a window
onto a lane, and its cue sheet is what is seen through it. Another cut has other windows: what they
leave out stays in the lane, and is there again when a later cut shows it. All times are Fraction;
only what a sheet says is rounded, to its microsecond.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from foleycli.library.bank import split_phrases
from foleycli.library.place import CHANCE, chance_of, split_recording
from foleycli.spot.cues import SHORTEST, Cue, sheet_rows

Span = tuple[Fraction, Fraction]
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Window:
    """What a shot shows of a lane."""

    source: Fraction  # lane seconds at its beginning
    duration: Fraction  # seconds
    speed: Fraction = Fraction(1)  # lane seconds in one of the shot; never 0

    def at(self, time: Fraction) -> Fraction:
        """Lane seconds at an instant of the shot."""
        return self.source + time * self.speed

    def time(self, at: Fraction) -> Fraction:
        """Seconds from the shot's beginning at a place of the lane."""
        return (at - self.source) / self.speed

    @property
    def span(self) -> Span:
        """(first, last) of the lane."""
        other = self.at(self.duration)
        return min(self.source, other), max(self.source, other)


@dataclass(frozen=True, slots=True)
class LaneEvent:
    """A sound at its place in the film."""

    at: Fraction  # lane seconds: of a hit, or where a bed begins
    length: Fraction  # seconds that a hit may sound; lane seconds of a bed
    cue: Cue  # all else that its row says
    chance: int  # the number that take, level and pitch are drawn from
    origin: int  # parts of one bed have the same
    heard: tuple[str, ...] = ()  # ids of the recordings that made it
    by_hand: bool = False  # somebody set or changed it
    loose: Window | None = None  # a window past whose end its row went; there it does again

    @property
    def span(self) -> Span:
        """(first, last) of the lane; of a hit, its instant."""
        return self.at, self.at + (self.length if self.cue.kind == "bed" else ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A sound file that was made of a window, and of the cues that were seen through it then."""

    path: str  # relative to the journal's folder
    key: str  # of all that it was made of but its cues
    window: Window
    fade_in: Fraction  # seconds of dissolve, baked in
    fade_out: Fraction
    seed: int
    rows: str  # hash of the cues


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A stretch of film and its events.

    Attributes:
        number: its own for ever.
        films: content hash -> lane seconds at that film's first frame. More than one when the same
            pictures came in another file.
        name, reel: what the timeline called the clip.
        path: where its film was.
        timecode: of the film's first frame, seconds; None where it has none.
        still: a freeze frame, by the place in the film that it holds.
        forked: the lane that it was a copy of, of a shot that is used twice; 0 for none.
        covered: lane seconds that were looked at.
        home: the window it was first seen through, and where on the timeline that began.
        waves: what was rendered, the latest first.
    """

    number: int
    films: dict[str, Fraction]
    home: Window
    place: Fraction
    name: str = ""
    reel: str = ""
    path: str = ""
    timecode: Fraction | None = None
    still: Fraction | None = None
    forked: int = 0  # the lane that this one was a copy of at first
    covered: tuple[Span, ...] = ()
    events: tuple[LaneEvent, ...] = ()
    waves: tuple[Wave, ...] = ()

    def overlap(self, span: Span) -> Fraction:
        """Lane seconds of a span that were looked at."""
        parts = (min(b, span[1]) - max(a, span[0]) for a, b in self.covered)
        return sum((part for part in parts if part > 0), ZERO)


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as a sheet says it."""

    event: LaneEvent
    cue: Cue


@dataclass(frozen=True, slots=True)
class Sheet:
    """A window onto a lane and what somebody left in its sheet."""

    window: Window
    seed: int
    cues: Sequence[Cue] = field(default=())
    by_hand: bool = True  # what it says otherwise than it was shown, somebody said


def set_down(
    cues: Iterable[Cue],
    window: Window,
    seed: int,
    first_origin: int = 1,
    *,
    by_hand: bool = False,
) -> tuple[LaneEvent, ...]:
    """Cues of a shot as events of its lane.

    Args:
        seed: of the shot, from which each cue's chance follows where it does not say one.
        first_origin: number of the first one; the others follow.
    """
    events = []
    for place, cue in enumerate(cues):
        ends = sorted((window.at(cue.start), window.at(cue.end)))
        stated = split_recording(cue.recording)[1]
        past = cue.start >= window.duration or (cue.kind == "bed" and cue.end > window.duration)
        events.append(
            LaneEvent(
                at=window.at(cue.start) if cue.kind == "hit" else ends[0],
                length=cue.duration if cue.kind == "hit" else ends[1] - ends[0],
                cue=cue,
                chance=chance_of(cue, seed) if stated is None else stated,
                origin=first_origin + place,
                by_hand=by_hand,
                loose=window if past else None,
            )
        )
    return tuple(events)


def show(lane: Lane, window: Window, seed: int) -> list[Shown]:
    """What is seen of a lane through a window, in order of time.

    A bed that goes on beyond the window is cut to it. Where a sound would be drawn from another
    chance than before, its row says the recording and the chance it had: ``wood_012~77``.
    """
    shown = [
        Shown(event, cue)
        for event in lane.events
        if (cue := _through(event, window, seed)) is not None
    ]
    return sorted(shown, key=lambda one: one.cue.start)


def _through(event: LaneEvent, window: Window, seed: int) -> Cue | None:
    is_loose = event.loose == window
    if event.cue.kind == "hit":
        time = window.time(event.at)
        if not (0 <= time < window.duration or is_loose):
            return None
        start, duration = _written(time), event.length
    else:
        first, last = sorted(window.time(at) for at in event.span)
        if not is_loose:
            first, last = max(first, ZERO), min(last, window.duration)
        start = _written(first)
        duration = _written(last) - start
        if duration < SHORTEST:
            return None
    cue = replace(event.cue, start=start, duration=duration)
    return replace(cue, recording=_pin(event, cue, seed))


def _written(seconds: Fraction) -> Fraction:
    """As a sheet says it; beds that touch are rounded alike, and touch still."""
    return Fraction(round(seconds / SHORTEST)) * SHORTEST


def _pin(event: LaneEvent, cue: Cue, seed: int) -> str:
    """What a row's ``recording`` says so that the sound stays as it was."""
    wanted, stated = split_recording(cue.recording)
    if stated is not None or chance_of(cue, seed) == event.chance:
        return cue.recording
    if not wanted and event.heard and (cue.kind == "hit" or len(split_phrases(cue.what)) == 1):
        wanted = event.heard[0]
    return f"{wanted}{CHANCE}{event.chance}"


def said(cue: Cue) -> tuple[str, ...]:
    """A cue as the row of a sheet says it."""
    return tuple(sheet_rows([cue]))[1]


def absorb(lane: Lane, sheets: Sequence[Sheet], first_origin: int) -> Lane:
    """Take over what was changed in the sheets of a lane's windows.

    A row as it was shown is left as it is; one that is gone, or that says something else, is taken
    out as far as it was seen (what of a bed lies outside of the window stays), and rows that were
    not there are set down.
    """
    removed: dict[int, list[Span]] = {}
    added: list[LaneEvent] = []
    for sheet in sheets:
        left = Counter(map(said, sheet.cues))
        for one in show(lane, sheet.window, sheet.seed):
            row = said(one.cue)
            if left[row]:
                left[row] -= 1
            else:
                span = (min(sheet.window.span[0], one.event.at), one.event.span[1]) \
                    if one.event.loose == sheet.window else sheet.window.span  # fmt: skip
                removed.setdefault(id(one.event), []).append(span)
        fresh = []
        for cue in reversed(sheet.cues):  # of equal rows, the first ones were there
            if left[said(cue)]:
                left[said(cue)] -= 1
                fresh.append(cue)
        fresh.reverse()
        origin = first_origin + len(added)
        added += set_down(fresh, sheet.window, sheet.seed, origin, by_hand=sheet.by_hand)
    if not removed and not added:
        return lane
    events = [part for event in lane.events for part in _without(event, removed.get(id(event), []))]
    return replace(lane, events=(*events, *added))


def _without(event: LaneEvent, spans: list[Span]) -> list[LaneEvent]:
    """What of an event lies outside of spans."""
    if not spans:
        return [event]
    if event.cue.kind == "hit":
        return []
    return [
        replace(event, at=first, length=last - first, loose=None)
        for first, last in outside(event.span, spans)
    ]


def outside(span: Span, others: Iterable[Span]) -> list[Span]:
    """The parts of a span that lie in none of the others."""
    parts = [span]
    for first, last in others:
        parts = [
            part
            for a, b in parts
            for part in ((a, min(b, first)), (max(a, last), b))
            if part[0] < part[1]
        ]
    return parts


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that touch as one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return tuple(found)


def uncovered(lane: Lane, window: Window) -> list[Span]:
    """What of a window nobody looked at yet."""
    return outside(window.span, lane.covered)


def extend(lane: Lane, window: Window, found: Iterable[Cue], seed: int, first_origin: int) -> Lane:
    """A lane that covers a window too: what was found there is added, as far as it is new.

    A bed that goes on where one of the same words ended is the same sound still.

    Args:
        found: cues of all the window.
    """
    fresh = uncovered(lane, window)
    added: list[LaneEvent] = []
    for event in set_down(found, window, seed, first_origin):
        if event.cue.kind == "hit":
            if any(first <= event.at <= last for first, last in fresh):
                added.append(event)
            continue
        for first, last in fresh:
            a, b = max(event.span[0], first), min(event.span[1], last)
            if a < b:
                part = replace(event, at=a, length=b - a, loose=None)
                added.append(_continued(part, lane.events))
    covered = joined([*lane.covered, window.span])
    return replace(lane, events=(*lane.events, *added), covered=covered)


def _continued(part: LaneEvent, events: Sequence[LaneEvent]) -> LaneEvent:
    for event in events:
        touches = event.span[1] == part.span[0] or event.span[0] == part.span[1]
        if touches and event.cue.kind == "bed" and event.cue.what == part.cue.what:
            cue = replace(part.cue, recording=event.cue.recording)
            return replace(part, cue=cue, chance=event.chance, heard=event.heard)
    return part


def fork(lane: Lane, number: int, window: Window, place: Fraction) -> Lane:
    """The same stretch once more, to be edited apart: a shot that is used twice."""
    return replace(
        lane, number=number, home=window, place=place, films=dict(lane.films), forked=lane.number
    )
