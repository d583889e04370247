"""What is seen to sound in a film, a cut, or a reel that was sounded: shot by shot."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from foleycli.clip.probe import probe
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError
from foleycli.generate import find_wanted, watch
from foleycli.sources.open import Source
from foleycli.spot.cues import Cue
from foleycli.spot.told import open_eyes, tell
from foleycli.timeline.fill.gaps import SeenShot
from foleycli.timeline.journal import Journal
from foleycli.timeline.lanes import show
from foleycli.timeline.markers import clip_timeline
from foleycli.timeline.model import Timeline
from foleycli.timeline.plan import ReelPlan
from foleycli.timeline.reconform import open_old
from foleycli.timeline.sound import shot_clock, shot_features

ZERO = Fraction(0)


def see_film(
    path: Path,
    source: Source,
    config: GenerateConfig,
    progress: Callable[[str, float], None] = lambda stage, done: None,
) -> tuple[Timeline, list[SeenShot]]:
    """A film as a timeline of its shots, and what is seen in each.

    Raises:
        MediaError: it cannot be used.
    """
    film = probe(path)
    clip_timeline(film)  # says at once what is wrong with its clock
    features = watch(source, film, ZERO, None, config, progress)
    features = tell(features, film, open_eyes(config), lambda time: time)
    found = find_wanted(features, config)
    shots = [
        SeenShot(number, film.path.name, start, end, between(found, start, end),
                 str(film.path), start)
        for number, (start, end) in enumerate(features.shots(), 1)
    ]  # fmt: skip
    return clip_timeline(film, features.cuts), shots


def see_cut(
    plan: ReelPlan,
    source: Source,
    config: GenerateConfig,
    progress: Callable[[int], None] = lambda done: None,
) -> list[SeenShot]:
    """What is seen in each shot of a cut.

    Raises:
        MediaError: a film cannot be read.
    """
    seen = []
    for done, shot in enumerate(plan.shots, 1):
        start, end = shot.event.start, shot.event.end
        cues: list[Cue] = []
        if shot.speed:
            features = tell(
                shot_features(shot, source), shot.film, open_eyes(config), shot_clock(shot)
            )
            cues = [moved(cue, shot.begins) for cue in find_wanted(features, config)]
        source_at = shot.source + (start - shot.begins) * shot.speed
        seen.append(SeenShot(shot.number, shot.event.name, start, end, between(cues, start, end),
                             str(shot.film.path), source_at, shot.speed))  # fmt: skip
        progress(done)
    return seen


def see_reel(reel: Path, timeline: Timeline) -> tuple[Path, Journal, list[SeenShot]] | None:
    """What the sheets of a reel that was sounded say, edits and all; None where it was not."""
    with suppress(MediaError):
        folder, journal = open_old(reel)
        return folder, journal, [_of_journal(journal, number, timeline)
                                 for number in range(len(journal.shots))]  # fmt: skip
    return None


def _of_journal(journal: Journal, number: int, timeline: Timeline) -> SeenShot:
    shot = journal.shots[number]
    lane = journal.lane(shot.lane)
    place = shot.place - timeline.start_seconds
    start, end = place + shot.head, place + shot.head + shot.seen.duration
    cues = [moved(one.cue, place) for one in show(lane, shot.window, shot.seed)]
    is_still = lane.still is not None
    at = lane.still if lane.still is not None else shot.seen.source
    speed = ZERO if is_still else shot.window.speed
    return SeenShot(shot.number, shot.clip, start, end, between(cues, start, end), lane.path,
                    at, speed)  # fmt: skip


def moved(cue: Cue, by: Fraction) -> Cue:
    """A cue of a shot on the clock of its reel."""
    return replace(cue, start=cue.start + by)


def between(cues: Sequence[Cue], start: Fraction, end: Fraction) -> tuple[Cue, ...]:
    """The hits that begin between two instants, and the beds as far as they lie there."""
    kept = []
    for cue in cues:
        if cue.kind == "hit":
            if start <= cue.start < end:
                kept.append(cue)
            continue
        first, last = max(start, cue.start), min(end, cue.end)
        if first < last:
            kept.append(replace(cue, start=first, duration=last - first))
    return tuple(kept)
