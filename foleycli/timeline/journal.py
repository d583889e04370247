"""What a sounded reel remembers, in one JSON file among its sounds: every stretch of film with its
events, the shots that show them, what they were made with. The next cut begins with it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from foleycli import __version__
from foleycli.clip.media import content_hash
from foleycli.config import GenerateConfig
from foleycli.documents import exact_number, parse_json
from foleycli.errors import MediaError, UsageError
from foleycli.output import atomic_output
from foleycli.recipe import cue_of
from foleycli.spot.cues import Cue
from foleycli.timeline.lanes import (
    Lane,
    LaneEvent,
    Sheet,
    Wave,
    Window,
    absorb,
    said,
    show,
)
from foleycli.timeline.model import Media
from foleycli.timeline.shots import Shot

ASIDE = "aside"  # folder for the sounds of what the cut no longer shows


@dataclass(frozen=True, slots=True, kw_only=True)
class ReelShot:
    """A shot of the cut that a journal is of."""

    number: int
    name: str  # of its files, without suffix
    lane: int
    window: Window
    seed: int
    place: Fraction  # seconds of the timeline's clock at which its sound begins
    head: Fraction = Fraction(0)  # seconds of sound before the cut: handle, dissolve
    tail: Fraction = Fraction(0)  # and after it
    begin: str = ""  # its label, for people
    end: str = ""
    clip: str = ""
    by_hand: bool = False  # somebody edited its cues
    film: str = ""  # content hash of what it was matched with
    offset: Fraction | None = None  # lane seconds at that film's first frame; None: the lane's own

    @property
    def seen(self) -> Window:
        """The window between the cuts."""
        window = self.window
        length = window.duration - self.head - self.tail
        return Window(window.at(self.head), length, window.speed)

    @property
    def cut(self) -> Fraction:
        """Seconds of the timeline's clock at which it is cut in."""
        return self.place + self.head


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What a sounded reel remembers.

    Attributes:
        timeline, out: file names of the cut, and of what was written.
        options: of `GenerateConfig`, as they were asked for.
        handles: frames.
        next_origin: number of the next event that nobody saw yet.
    """

    foleycli: str = __version__
    timeline: str = ""
    out: str = ""
    source: str = ""
    source_fingerprint: str = ""
    licence: str = ""
    options: GenerateConfig = field(default_factory=GenerateConfig)
    handles: int = 0
    stems: bool = False
    naming: dict[str, str] = field(default_factory=dict)
    shots: tuple[ReelShot, ...] = ()
    lanes: tuple[Lane, ...] = ()
    next_origin: int = 1

    def lane(self, number: int) -> Lane:
        """The lane of that number."""
        return next(lane for lane in self.lanes if lane.number == number)

    @property
    def next_lane(self) -> int:
        """A number that no lane has."""
        return max((lane.number for lane in self.lanes), default=0) + 1


def journal_path(folder: Path, out: Path) -> Path:
    """``cut_sfx.edl`` -> ``cut_sfx_sfx/cut_sfx_reel.json``."""
    return folder / f"{out.stem}_reel.json"


def window_of(shot: Shot) -> Window:
    """A shot as a window, in seconds of its film; a freeze frame counts its own time."""
    if shot.speed == 0:
        return Window(Fraction(0), shot.duration)
    return Window(shot.source, shot.duration, shot.speed)


def new_lane(number: int, shot: Shot, place: Fraction) -> Lane:
    """The lane of a shot that nobody saw before, without events."""
    window, media = window_of(shot), shot.event.media
    assert isinstance(media, Media)
    return Lane(
        number=number,
        films={content_hash(shot.film.path): Fraction(0)},
        home=window,
        place=place,
        name=media.name or shot.event.name,
        reel=media.reel,
        path=str(shot.film.path.absolute()),
        timecode=shot.film.timecode.seconds if shot.film.timecode else None,
        still=shot.source if shot.speed == 0 else None,
        covered=(window.span,),
    )


def taken_over(journal: Journal, read: Callable[[ReelShot], Sheet | None]) -> Journal:
    """A journal with what somebody changed in the sheets since.

    Args:
        read: a shot's sheet as it is now; None where there is none.
    """
    sheets: dict[int, list[Sheet]] = {}
    for shot in journal.shots:
        if (sheet := read(shot)) is not None:
            sheets.setdefault(shot.lane, []).append(sheet)
    origin, lanes = journal.next_origin, []
    for lane in journal.lanes:
        changed = absorb(lane, sheets[lane.number], origin) if lane.number in sheets else lane
        origin = max([origin, *(event.origin + 1 for event in changed.events)])
        lanes.append(changed)
    return replace(journal, lanes=tuple(lanes), next_origin=origin)


def with_heard(
    lane: Lane, shot: ReelShot, cues: Sequence[Cue], heard: Sequence[tuple[str, ...]]
) -> Lane:
    """A lane that says which recordings made each cue of a shot."""
    made = {said(cue): ids for cue, ids in zip(cues, heard, strict=True)}
    known = {
        id(one.event): made.get(said(one.cue), ())
        for one in show(lane, shot.window, shot.seed)
        if not one.event.heard
    }
    events = (replace(e, heard=known[id(e)]) if id(e) in known else e for e in lane.events)
    return replace(lane, events=tuple(events))


def write_journal(path: Path, journal: Journal) -> None:
    """Write a journal as JSON, whole or not at all."""
    with atomic_output(path, overwrite=True) as beside:
        text = json.dumps(_plain(journal), indent=1, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_journal(path: Path) -> Journal:
    """Read what `write_journal` wrote.

    Raises:
        MediaError: it is no journal that can be read.
    """
    try:
        stated: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        stated["options"] = GenerateConfig(**stated["options"])
        stated["shots"] = tuple(_made(ReelShot, shot) for shot in stated["shots"])
        stated["lanes"] = tuple(_lane(lane) for lane in stated["lanes"])
        journal = Journal(**stated)
        numbers = {lane.number for lane in journal.lanes}
        if not all(shot.lane in numbers for shot in journal.shots):
            raise ValueError("a shot has no lane")
        return journal
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
            UsageError) as error:  # fmt: skip
        raise MediaError(
            f"{path} is no journal of a reel that can be read: {error}.",
            "Sound the old cut again: foley timeline OLD -o OUT.",
        ) from error


def _plain(value: Any) -> Any:
    """Fractions as text, data classes as objects."""
    if isinstance(value, Fraction):
        return str(value)
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _window(stated: dict[str, str] | None) -> Window | None:
    if stated is None:
        return None
    return Window(*(exact_number(stated[name]) for name in ("source", "duration", "speed")))


def _made(kind: type, stated: dict[str, Any]) -> Any:
    """A data class of what stands in an object: windows and times exact, the rest as it is."""
    read: dict[str, Any] = {}
    for one in fields(kind):
        if one.name not in stated:
            continue
        value, said_type = stated[one.name], str(one.type)
        if "Window" in said_type:
            value = _window(value)
        elif "Fraction" in said_type and "dict" not in said_type and "tuple" not in said_type:
            value = None if value is None else exact_number(value)
        read[one.name] = value
    return kind(**read)


def _lane(stated: dict[str, Any]) -> Lane:
    lane: Lane = _made(Lane, {k: v for k, v in stated.items() if k not in ("events", "waves")})
    return replace(
        lane,
        films={film: exact_number(offset) for film, offset in stated["films"].items()},
        covered=tuple((exact_number(a), exact_number(b)) for a, b in stated["covered"]),
        events=tuple(_event(event) for event in stated["events"]),
        waves=tuple(_made(Wave, wave) for wave in stated["waves"]),
    )


def _event(stated: dict[str, Any]) -> LaneEvent:
    cue = cue_of(stated["cue"])
    return replace(_made(LaneEvent, {**stated, "cue": None, "heard": ()}), cue=cue,
                   heard=tuple(map(str, stated["heard"])))  # fmt: skip
