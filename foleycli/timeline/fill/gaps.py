"""What the effects tracks of a reel lack, for a version without its dialogue (M&E).

An action that is seen wants something to begin near it, or for as long as it lasts something that
is more than air. Where dialogue plays, the effects want to hold the air that goes with it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FILL, FillConfig
from foleycli.spot.cues import Cue
from foleycli.timeline.fill.heard import STEPS, Floats, Heard, TrackSound, listen
from foleycli.timeline.model import Timeline

Kind = Literal["hit", "bed", "air"]
SOFT = 3  # times nearer that what may be the rest of another sound must be
ROOM_TONE = "room tone"  # what a hole wants where nobody saw which air


@dataclass(frozen=True, slots=True)
class SeenShot:
    """A shot, and what in it is seen to sound. Times are seconds from the reel's first frame."""

    number: int
    clip: str
    start: Fraction
    end: Fraction
    cues: tuple[Cue, ...]  # with the reel's times
    film: str = ""  # its path
    source: Fraction = Fraction(0)  # seconds of the film at the shot's start
    speed: Fraction = Fraction(1)

    def in_film(self, at: Fraction) -> Fraction:
        """Seconds of the film that are on screen at an instant of the reel."""
        return max(Fraction(0), self.source + (at - self.start) * self.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that is seen and not heard, or air that goes with the dialogue."""

    shot: SeenShot
    kind: Kind
    start: Fraction  # seconds from the reel's first frame
    end: Fraction
    cue: Cue | None  # of the action; of a hole the air that is seen
    note: str


@dataclass(frozen=True, slots=True)
class Filling:
    """What a reel lacks."""

    timeline: Timeline
    shots: tuple[SeenShot, ...]
    effects: tuple[str, ...]
    dialogue: tuple[str, ...]
    actions: int  # that were looked for
    gaps: tuple[Gap, ...]  # in order of time

    @property
    def holes(self) -> tuple[Gap, ...]:
        """Those in the air."""
        return tuple(gap for gap in self.gaps if gap.kind == "air")

    @property
    def missing(self) -> tuple[Gap, ...]:
        """The actions without sound."""
        return tuple(gap for gap in self.gaps if gap.kind != "air")


def find_gaps(
    timeline: Timeline,
    shots: Sequence[SeenShot],
    effects: Sequence[TrackSound],
    dialogue: Sequence[TrackSound] = (),
    config: FillConfig = FILL,
    progress: Callable[[int], None] = lambda done: None,
) -> Filling:
    """Listen to the tracks and say what the effects lack.

    Args:
        shots: what is seen, in order of time.
        progress: told how many tracks were heard.

    Raises:
        MediaError: a track cannot be read.
    """
    length = max((shot.end for shot in shots), default=timeline.duration)
    steps = int(np.ceil(float(length) * STEPS))
    heard: list[Heard] = []
    for number, track in enumerate((*effects, *dialogue), 1):
        heard.append(listen(track.blocks(length), config.least_rise_db))
        progress(number)
    fx = Heard.together(heard[: len(effects)], steps)
    struck, lasting = _struck(shots, config), _lasting(shots)
    gaps = [*_without_hit(struck, fx, config), *_without_bed(lasting, fx, config)]
    if dialogue:
        dx = Heard.together(heard[len(effects) :], steps)
        gaps += _holes(shots, fx.loudness, dx.loudness, config)
    return Filling(
        timeline,
        tuple(shots),
        tuple(track.name for track in effects),
        tuple(track.name for track in dialogue),
        len(struck) + len(lasting),
        tuple(sorted(gaps, key=lambda gap: (gap.start, gap.kind))),
    )


def _struck(shots: Iterable[SeenShot], config: FillConfig) -> list[tuple[SeenShot, Cue]]:
    """The hits, of those that may share a sound the surest."""
    found: list[tuple[SeenShot, Cue]] = []
    hits = [(shot, cue) for shot in shots for cue in shot.cues if cue.kind == "hit"]
    for shot, cue in sorted(hits, key=lambda hit: hit[1].start):
        if found and float(cue.start - found[-1][1].start) <= config.together:
            if cue.confidence > found[-1][1].confidence:
                found[-1] = shot, replace(cue, start=found[-1][1].start)
            continue
        found.append((shot, cue))
    return found


def _without_hit(
    struck: Sequence[tuple[SeenShot, Cue]], fx: Heard, config: FillConfig
) -> list[Gap]:
    """Hits near which nothing begins; what begins is the sound of one of them only."""
    times = [float(cue.start) for _, cue in struck]
    begins, echoes = _beginnings(fx, config)
    told = match_times(times, begins, config.near)
    left = [number for number, found in enumerate(told) if found is None]
    soft = match_times([times[n] for n in left], echoes, config.near / SOFT)
    for number, found in zip(left, soft, strict=True):
        told[number] = found
    return [
        Gap(shot=shot, kind="hit", start=cue.start, end=cue.start, cue=cue,
            note=f"nothing begins within {config.near:.2f} s in the effects")
        for (shot, cue), found in zip(struck, told, strict=True)
        if found is None
    ]  # fmt: skip


def _beginnings(fx: Heard, config: FillConfig) -> tuple[list[float], list[float]]:
    """Seconds at which a sound begins that is more than air that comes back; and those at which it
    may be the rest of the one before as well."""
    begins, echoes = list[float](), list[float]()
    last, strength = -np.inf, 0.0
    for at, by in zip(fx.onsets.tolist(), fx.strengths.tolist(), strict=True):
        span = slice(int(at * STEPS), int(at * STEPS) + 2)
        air = _low(fx.loudness[_around_span(len(fx.loudness), span, config)], config)
        limit = config.quiet if air is None else air + config.over_air_db
        if fx.loudness[span].max(initial=-np.inf) < min(limit, config.loudest_air):
            continue
        if at - last <= config.echo and by <= strength - config.echo_db:
            echoes.append(at)
            continue
        begins.append(at)
        last, strength = at, by
    return begins, echoes


def match_times(
    wanted: Sequence[float], given: Sequence[float] | Floats, near: float
) -> list[int | None]:
    """For each time the given one that is its own, the nearest pairs first; None where none is
    left within reach. Both in order."""
    times = np.asarray(given, np.float64)
    pairs = []
    for number, at in enumerate(wanted):
        first, last = np.searchsorted(times, [at - near, at + near + 1e-9])
        pairs += [(abs(at - times[other]), number, int(other)) for other in range(first, last)]
    found: list[int | None] = [None] * len(wanted)
    taken: set[int] = set()
    for _, number, other in sorted(pairs):
        if found[number] is None and other not in taken:
            found[number] = other
            taken.add(other)
    return _passed_on(found, taken, wanted, times, near)


def _passed_on(
    found: list[int | None], taken: set[int], wanted: Sequence[float], times: Floats, near: float
) -> list[int | None]:
    """Let one that went without have its neighbour's, where that reaches another that is free."""
    for number, other in enumerate(found):
        if other is not None:
            continue
        first, last = np.searchsorted(times, [wanted[number] - near, wanted[number] + near + 1e-9])
        for theirs in range(first, last):
            owner = found.index(theirs)
            low, high = np.searchsorted(times, [wanted[owner] - near, wanted[owner] + near + 1e-9])
            free = [own for own in range(low, high) if own not in taken]
            if free:
                found[owner] = min(free, key=lambda own: abs(times[own] - wanted[owner]))
                taken.add(found[owner] or 0)
                found[number] = theirs
                break
    return found


def _lasting(shots: Iterable[SeenShot]) -> list[tuple[SeenShot, Cue]]:
    """Beds but for the air; parts that touch are one, within a shot."""
    found: list[tuple[SeenShot, Cue]] = []
    for shot in shots:
        open_beds: dict[tuple[str, str], Cue] = {}
        for cue in sorted(shot.cues, key=lambda cue: cue.start):
            if cue.kind != "bed" or cue.layer == "air":
                continue
            key = cue.what, cue.layer
            last = open_beds.get(key)
            if last is not None and last.end >= cue.start:
                length = max(last.end, cue.end) - last.start
                open_beds[key] = replace(last, duration=length)
                continue
            if last is not None:
                found.append((shot, last))
            open_beds[key] = cue
        found += [(shot, cue) for cue in open_beds.values()]
    return found


def _without_bed(
    lasting: Sequence[tuple[SeenShot, Cue]], fx: Heard, config: FillConfig
) -> list[Gap]:
    """Beds for most of whose time the effects are no louder than their air."""
    gaps = []
    for shot, cue in lasting:
        span = _steps(cue.start, cue.end, len(fx.loudness))
        part = fx.loudness[span]
        if not len(part):
            continue
        air = _low(_around(fx.loudness, span, config), config)
        limit = config.quiet if air is None else max(config.quiet, air + config.over_air_db)
        unheard = part < min(limit, config.loudest_air)
        if unheard.mean() <= config.most_missing:
            continue
        note = f"the effects are {_at(part[unheard])} for {unheard.mean():.0%} of it"
        gaps.append(Gap(shot=shot, kind="bed", start=cue.start, end=cue.end, cue=cue, note=note))
    return gaps


def _holes(
    shots: Sequence[SeenShot], effects: Floats, dialogue: Floats, config: FillConfig
) -> list[Gap]:
    """Where dialogue plays and the effects fall under the room tone."""
    plays = _bridged(dialogue > config.quiet, config.bridge)
    gaps = []
    for shot in shots:
        span = _steps(shot.start, shot.end, len(effects))
        if not plays[span].any():
            continue
        tone = _room_tone(effects, dialogue, plays, span, config)
        limit = config.quiet if tone is None else max(config.quiet, tone - config.drop_db)
        falls = _bridged((effects[span] < limit) & plays[span], config.bridge) & plays[span]
        for first, last in _runs(falls):
            if last - first < config.shortest * STEPS:
                continue
            start = max(shot.start, Fraction(span.start + first, STEPS))
            end = min(shot.end, Fraction(span.start + last, STEPS))
            part = effects[span][first:last]
            gaps.append(Gap(shot=shot, kind="air", start=start, end=end, cue=_air(shot, start),
                            note=_hole_note(part[part < limit], tone)))  # fmt: skip
    return gaps


def _hole_note(levels: Floats, tone: float | None) -> str:
    said = f"the effects are {_at(levels)} while dialogue plays"
    return said if tone is None else f"{said}, the room tone is at {tone:.0f} LUFS"


def _room_tone(
    effects: Floats, dialogue: Floats, plays: NDArray[np.bool_], span: slice, config: FillConfig
) -> float | None:
    """LUFS of the air of a shot: of its effects where no dialogue plays, else of those around it,
    else of what is between the words. Effects that are never so low as air say nothing."""
    for around in (span, _around_span(len(effects), span, config)):
        own = _low(effects[around][~plays[around]], config)
        if own is not None:
            return min(own, config.loudest_air)
    between = _low(dialogue[span][plays[span]], config)
    return None if between is None else min(between, config.loudest_air)


def _low(levels: Floats, config: FillConfig) -> float | None:
    """LUFS that are nearly always exceeded, of what is not silent; None where too little is."""
    there = levels[levels > config.quiet]
    return float(np.quantile(there, 0.2)) if len(there) >= config.shortest * STEPS else None


def _around_span(steps: int, span: slice, config: FillConfig) -> slice:
    wide = round(config.around * STEPS)
    return slice(max(0, span.start - wide), min(steps, span.stop + wide))


def _around(levels: Floats, span: slice, config: FillConfig) -> Floats:
    """Levels beside a span; of it too, where nothing is beside it."""
    wide = _around_span(len(levels), span, config)
    beside = np.concatenate([levels[wide.start : span.start], levels[span.stop : wide.stop]])
    return beside if len(beside) else levels[span]


def _steps(start: Fraction, end: Fraction, steps: int) -> slice:
    first = min(int(start * STEPS), max(0, steps - 1))
    return slice(first, max(first + 1, min(steps, -int(-end * STEPS // 1))))


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) of each run of what is so."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _bridged(flags: NDArray[np.bool_], seconds: float) -> NDArray[np.bool_]:
    """The same with breaks filled that are no longer."""
    filled = flags.copy()
    for first, last in _runs(~flags):
        if first > 0 and last < len(flags) and last - first <= seconds * STEPS:
            filled[first:last] = True
    return filled


def _air(shot: SeenShot, at: Fraction) -> Cue | None:
    """The air that is seen in a shot."""
    airs = [cue for cue in shot.cues if cue.layer == "air"]
    return next((cue for cue in airs if cue.start <= at < cue.end), airs[0] if airs else None)


def _at(levels: Floats) -> str:
    """How loud some 100 ms are together, in words."""
    with np.errstate(divide="ignore"):
        level = float(10 * np.log10(np.mean(10 ** (levels / 10))))
    return f"at {level:.0f} LUFS" if level > -100 else "silent"
