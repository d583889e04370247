"""Another cut of a reel that was sounded: which lane each shot shows, and what changed.

Nothing here looks at a film or makes a sound: it is what ``--dry-run`` says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from foleycli.spot.cues import SHORTEST, Cue
from foleycli.timeline.journal import Journal, ReelShot
from foleycli.timeline.lanes import ZERO, Lane, Shown, Window, fork, show, uncovered
from foleycli.timeline.match import By, ByPicture, NewShot, match_shots

Status = Literal["kept", "moved", "trimmed", "re-timed", "new", "gone"]
STATUSES: tuple[Status, ...] = ("kept", "moved", "trimmed", "re-timed", "new", "gone")


@dataclass(frozen=True, slots=True)
class Recut:
    """The lanes that another cut shows.

    Attributes:
        lanes: those of the old cut, with forks for shots that are used twice.
        shows: for each shot its lane's number, and its window there; None of a new one.
        by: how each was found.
    """

    lanes: dict[int, Lane]
    shows: tuple[tuple[int, Window] | None, ...]
    by: tuple[By | None, ...]


def recut(
    old: Journal,
    shots: Sequence[NewShot],
    by_picture: ByPicture | None = None,
    *,
    is_edited: bool = False,
) -> Recut:
    """Find what each shot of another cut shows.

    Args:
        old: with all that was changed in its sheets.
        by_picture: see `match_shots`.
        is_edited: the cut is one film, whose shots are of many places of many films: it is not
            what their lanes are known by later.
    """
    places: dict[int, list[tuple[Window, Fraction]]] = {}
    for shot in old.shots:
        places.setdefault(shot.lane, []).append((shot.window, shot.place))
    matches = match_shots(shots, old.lanes, places, by_picture)
    lanes = {lane.number: lane for lane in old.lanes}
    number = old.next_lane
    shows: list[tuple[int, Window] | None] = []
    for shot, match in zip(shots, matches, strict=True):
        if match is None:
            shows.append(None)
            continue
        window, shown = match.window(shot), match.lane.number
        if match.is_fork:
            lanes[number] = fork(lanes[shown], number, window, shot.place)
            shown, number = number, number + 1
        if not (is_edited and match.by == "picture"):
            lane = lanes[shown]
            lanes[shown] = replace(lane, films=lane.films | {shot.film: match.offset})
        shows.append((shown, window))
    by: tuple[By | None, ...] = tuple(match.by if match else None for match in matches)
    return Recut(lanes, tuple(shows), by)


@dataclass(frozen=True, slots=True, kw_only=True)
class CueChange:
    """What became of an event."""

    status: Status
    what: str
    kind: str
    layer: str
    by_hand: bool
    before: Fraction | None  # seconds of the timeline's clock
    after: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotChange:
    """What became of a shot."""

    status: Status
    clip: str
    before: ReelShot | None
    after: ReelShot | None
    by: By | None = None
    note: str = ""
    cues: tuple[CueChange, ...] = ()

    def goes_along(self, cue: CueChange) -> bool:
        """Whether an event moved with its picture, and no more than that."""
        if cue.status != "moved" or self.before is None or self.after is None:
            return cue.status == "kept"
        if cue.before is None or cue.after is None:
            return False
        shift = _film_start(self.after) - _film_start(self.before)
        return abs(cue.after - cue.before - shift) <= SHORTEST


def _film_start(shot: ReelShot) -> Fraction:
    """Where on the timeline's clock the film of a shot would begin."""
    return shot.cut - shot.seen.source / shot.window.speed


def list_changes(
    old: Journal, found: Recut, after: Sequence[ReelShot], frame_rate: Fraction
) -> list[ShotChange]:
    """What became of every shot and of every event: first those of the new cut in its order, then
    those that are gone.

    Args:
        after: the shots of the new cut; those without a lane are new, and have number 0 for it.
        frame_rate: that notes count in.
    """
    known = {lane.number for lane in old.lanes}
    origins = {n: n if n in known else lane.forked for n, lane in found.lanes.items()}
    changes: list[ShotChange] = []
    followed: set[int] = set()
    for shot, shown, by in zip(after, found.shows, found.by, strict=True):
        if shown is None:
            changes.append(ShotChange(status="new", clip=shot.clip, before=None, after=shot))
            continue
        lane = found.lanes[shown[0]]
        before = _before(old, origins[shown[0]], shot)
        if before is not None:
            followed.add(before.number)
        changes.append(_change(old, lane, before, shot, by, frame_rate))
    for shot in old.shots:
        if shot.number not in followed:
            cues = [_gone(one, shot) for one in show(old.lane(shot.lane), shot.window, shot.seed)]
            changes.append(
                ShotChange(status="gone", clip=shot.clip, before=shot, after=None,
                           note="kept aside", cues=tuple(cues))
            )  # fmt: skip
    return changes


def _before(old: Journal, lane: int, shot: ReelShot) -> ReelShot | None:
    """The shot of the old cut that showed most of what this one shows."""
    span = shot.window.span

    def common(other: ReelShot) -> tuple[Fraction, Fraction]:
        first, last = other.window.span
        seen = min(last, span[1]) - max(first, span[0])
        return seen, -abs(other.place - shot.place)

    same = [other for other in old.shots if other.lane == lane and common(other)[0] > 0]
    return max(same, key=common, default=None)


def _change(
    old: Journal,
    lane: Lane,
    before: ReelShot | None,
    after: ReelShot,
    by: By | None,
    frame_rate: Fraction,
) -> ShotChange:
    here = show(lane, after.window, after.seed)
    if before is None:
        cues = tuple(_cue_change("new", one, None, after, one.cue) for one in here)
        return ShotChange(status="new", clip=after.clip, before=None, after=after, by=by,
                          note="was kept aside: its sounds are back", cues=cues)  # fmt: skip
    there = {one.event.origin: one for one in
             show(old.lane(before.lane), before.window, before.seed)}  # fmt: skip
    status = _status(before, after)
    cues = []
    met: set[int] = set()
    for one in here:
        earlier = there.get(one.event.origin)
        met.add(one.event.origin)
        if earlier is None:
            cues.append(_cue_change("new", one, None, after, one.cue))
        else:
            cues.append(_followed(earlier, before, one, after))
    cues += [_gone(one, before) for origin, one in there.items() if origin not in met]
    note = _note(lane, before, after, by, frame_rate)
    return ShotChange(status=status, clip=after.clip, before=before, after=after, by=by,
                      note=note, cues=tuple(cues))  # fmt: skip


def _status(before: ReelShot, after: ReelShot) -> Status:
    if before.window.speed != after.window.speed:
        return "re-timed"
    if before.seen != after.seen:
        return "trimmed"
    return "kept" if before.cut == after.cut else "moved"


def _followed(earlier: Shown, before: ReelShot, one: Shown, after: ReelShot) -> CueChange:
    (began, old), (begins, new) = _on_clock(earlier.cue, before), _on_clock(one.cue, after)
    if before.window.speed != after.window.speed:
        status: Status = "re-timed"
    elif abs(old - new) > SHORTEST:  # rounding of a sheet's two times
        status = "trimmed"
    else:
        status = "kept" if abs(began - begins) <= SHORTEST else "moved"
    return _cue_change(status, one, began, after, one.cue)


def _on_clock(cue: Cue, shot: ReelShot) -> tuple[Fraction, Fraction]:
    """Where a cue begins on the timeline's clock, and how long it lasts; of a bed, between the
    cuts."""
    first = shot.place + cue.start
    if cue.kind == "bed":
        low, high = max(first, shot.cut), min(first + cue.duration, shot.cut + shot.seen.duration)
        if low < high:
            return low, high - low
    return first, cue.duration


def _cue_change(
    status: Status, one: Shown, before: Fraction | None, after: ReelShot, cue: Cue
) -> CueChange:
    return CueChange(status=status, what=cue.what, kind=cue.kind, layer=cue.layer,
                     by_hand=one.event.by_hand, before=before,
                     after=_on_clock(cue, after)[0])  # fmt: skip


def _gone(one: Shown, before: ReelShot) -> CueChange:
    cue = one.cue
    return CueChange(status="gone", what=cue.what, kind=cue.kind, layer=cue.layer,
                     by_hand=one.event.by_hand, before=_on_clock(cue, before)[0],
                     after=None)  # fmt: skip


def _note(
    lane: Lane, before: ReelShot, after: ReelShot, by: By | None, frame_rate: Fraction
) -> str:
    notes = []
    if before.window.speed != after.window.speed:
        notes.append(f"speed {float(before.window.speed):g} to {float(after.window.speed):g}")
    elif before.seen != after.seen:
        head = (after.seen.source - before.seen.source) / after.window.speed
        tail = before.seen.duration - head - after.seen.duration
        notes += [
            f"{name} {_frames(abs(length), frame_rate)} {'shorter' if length > 0 else 'longer'}"
            for name, length in (("head", head), ("tail", tail))
            if length
        ]
    if before.cut != after.cut:
        later = after.cut - before.cut
        notes.append(f"{_frames(abs(later), frame_rate)} {'later' if later > 0 else 'earlier'}")
    if new := sum((last - first for first, last in uncovered(lane, after.window)), ZERO):
        notes.append(f"{float(new):.2f} s of film that was not seen before is spotted")
    if by in ("timecode", "picture"):
        notes.append(f"found by {by}")
    return ", ".join(notes)


def _frames(seconds: Fraction, frame_rate: Fraction) -> str:
    frames = seconds * frame_rate
    if frames.denominator != 1:
        return f"{float(frames):.2f} frames"
    return f"{int(frames)} frame" + ("" if frames == 1 else "s")
