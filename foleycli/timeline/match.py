"""Which stretch of film that was sounded each shot of another cut shows.

A shot is the same stretch when its film is the same file; else when the clip, or its reel, is
called the same and both have timecode (a proxy and its master); else when the pictures are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from foleycli.timeline.lanes import ZERO, Lane, Span, Window
from foleycli.timeline.model import file_name

By = Literal["clip", "timecode", "picture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShot:
    """A shot of the new cut, as matching sees it.

    Attributes:
        film: content hash.
        name, reel: of the clip.
        timecode: of the film's first frame, seconds; None where it has none.
        window: in seconds of its film; of a freeze frame from 0.
        still: the place in the film that a freeze frame holds.
        core: what of the film is seen without dissolves and handles.
        place: seconds of the timeline's clock at which its sound begins.
    """

    film: str
    window: Window
    core: Span
    place: Fraction
    name: str = ""
    reel: str = ""
    timecode: Fraction | None = None
    still: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A lane, and where on it the shot's film begins."""

    lane: Lane
    offset: Fraction  # lane seconds at the first frame of the shot's film
    by: By
    is_fork: bool = False  # another shot shows the same stretch already

    def window(self, shot: NewShot) -> Window:
        """The shot's window in the lane's own seconds."""
        own = shot.window
        shift = ZERO if shot.still is not None else self.offset
        return Window(own.source + shift, own.duration, own.speed)


# (shot, lane) -> lane seconds at the first frame of the shot's film, and how alike the pictures
# are, 0 to 1; None where none fits
ByPicture = Callable[[NewShot, Lane], tuple[Fraction, float] | None]
AS_LIKE = 0.05  # likeness by which pictures may be less alike than the likest, and be the same


def match_shots(
    shots: Sequence[NewShot],
    lanes: Sequence[Lane],
    places: dict[int, list[tuple[Window, Fraction]]],
    by_picture: ByPicture | None = None,
) -> list[Match | None]:
    """The lane of each shot; None of one that is new.

    Shots that show different parts of a lane share it. One that shows what another does has the
    next best, or a fork.

    Args:
        places: of lanes that the old cut shows: the windows, and where they began.
        by_picture: asked about shots that nothing else fits, and lanes that nobody shows.
    """
    pairs = list(_pairs(shots, lanes, places))
    found = _dealt(shots, pairs)
    left = [number for number, match in enumerate(found) if match is None]
    if by_picture is None or not left:
        return found
    taken = {match.lane.number for match in found if match}
    free = [lane for lane in lanes if lane.number not in taken]
    seen = [
        (number, match) for number in left for match in _likest(shots[number], free, by_picture)
    ]
    ranked = [(_rank(shots[n], match, places), n, match) for n, match in seen]
    for number, match in enumerate(_dealt(shots, ranked)):
        found[number] = found[number] or match
    return found


def _likest(shot: NewShot, lanes: Sequence[Lane], by_picture: ByPicture) -> list[Match]:
    """The lanes whose pictures a shot shows."""
    seen = [(lane, found) for lane in lanes if (found := by_picture(shot, lane)) is not None]
    most = max((likeness for _, (_, likeness) in seen), default=0.0)
    return [Match(lane, offset, "picture") for lane, (offset, likeness) in seen
            if likeness >= most - AS_LIKE]  # fmt: skip


_Ranked = tuple[tuple, int, Match]


def _pairs(
    shots: Sequence[NewShot],
    lanes: Sequence[Lane],
    places: dict[int, list[tuple[Window, Fraction]]],
) -> Iterable[_Ranked]:
    by_film: dict[str, list[Lane]] = defaultdict(list)
    by_name: dict[str, list[Lane]] = defaultdict(list)
    for lane in lanes:
        for film in lane.films:
            by_film[film].append(lane)
        for name in _names(lane.name, lane.reel):
            by_name[name].append(lane)
    for number, shot in enumerate(shots):
        same = by_film.get(shot.film, [])
        matches = [Match(lane, lane.films[shot.film], "clip") for lane in same]
        if not matches:
            named = {lane.number: lane for name in _names(shot.name, shot.reel)
                     for lane in by_name.get(name, [])}  # fmt: skip
            matches = [
                Match(lane, offset, "timecode")
                for lane in named.values()
                if (offset := _by_timecode(shot, lane)) is not None
            ]
        for match in matches:
            if _fits(shot, match):
                yield _rank(shot, match, places), number, match


def _names(name: str, reel: str) -> set[str]:
    """What a clip is known by: its file's name without suffix, and its reel."""
    stem = file_name(name).rpartition(".")[0] or name
    return {word.casefold() for word in (stem, reel) if word and word.upper() != "AX"}


def _by_timecode(shot: NewShot, lane: Lane) -> Fraction | None:
    """Lane seconds at the shot's film's first frame. Without timecode nothing is sure: cameras
    call their files alike."""
    if shot.timecode is None or lane.timecode is None:
        return None
    return shot.timecode - lane.timecode


def _fits(shot: NewShot, match: Match) -> bool:
    """Whether the shot shows something that was sounded."""
    if (shot.still is None) != (match.lane.still is None):
        return False
    if shot.still is not None:
        return shot.still + match.offset == match.lane.still
    span = match.window(shot).span
    return match.lane.overlap(span) > 0


def _rank(
    shot: NewShot, match: Match, places: dict[int, list[tuple[Window, Fraction]]]
) -> tuple[object, ...]:
    """How well a lane fits, the best first: where it began; the same window, near where that was;
    else what shows most of what was sounded, as fast as before."""
    lane, window = match.lane, match.window(shot)
    shown = places.get(lane.number, [])
    same = [place for other, place in shown if other == window]
    away = min((abs(place - shot.place) for place in same), default=ZERO)
    near = min(
        (abs(place - shot.place) for _, place in shown), default=abs(lane.place - shot.place)
    )
    low, high = window.span
    share = lane.overlap((low, high)) / (high - low)
    faster = all(other.speed != window.speed for other, _ in shown) if shown else (
        lane.home.speed != window.speed)  # fmt: skip
    return (
        not (window == lane.home and shot.place == lane.place),
        not same,
        away,
        window != lane.home,
        -share,
        faster,
        not shown,
        near,
        lane.number,
    )


def _dealt(shots: Sequence[NewShot], pairs: Iterable[_Ranked]) -> list[Match | None]:
    """The best lane of each shot; no two shots have the same part of one but as forks."""
    found: list[Match | None] = [None] * len(shots)
    taken: dict[int, list[Span]] = defaultdict(list)
    refused: dict[int, Match] = {}
    for _, number, match in sorted(pairs, key=lambda pair: pair[0]):
        if found[number] is not None:
            continue
        span = _core(shots[number], match)
        if any(span[0] < last and first < span[1] for first, last in taken[match.lane.number]):
            refused.setdefault(number, match)
            continue
        taken[match.lane.number].append(span)
        found[number] = match
    for number, match in refused.items():
        if found[number] is None:
            found[number] = Match(match.lane, match.offset, match.by, is_fork=True)
    return found


def _core(shot: NewShot, match: Match) -> Span:
    if shot.still is not None:
        return match.window(shot).span
    return shot.core[0] + match.offset, shot.core[1] + match.offset
