"""Sounds that were made -> the journal of their reel."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from foleycli.clip.media import content_hash
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError
from foleycli.sources.open import Source
from foleycli.sources.played import find_played
from foleycli.spot.features import Features
from foleycli.timeline.journal import (
    Journal,
    ReelShot,
    journal_path,
    new_lane,
    read_journal,
    taken_over,
    window_of,
    with_heard,
    write_journal,
)
from foleycli.timeline.lanes import Lane, Sheet, Wave, Window
from foleycli.timeline.model import Timeline
from foleycli.timeline.plan import ReelPlan
from foleycli.timeline.shots import Shot
from foleycli.timeline.sound import BY_HAND, ShotSound, read_description, shot_seed

LOG = logging.getLogger("foleycli")


def remember(
    plan: ReelPlan, sounds: Iterable[ShotSound], source: Source, config: GenerateConfig
) -> Journal:
    """Write down what was made of a plan; what an earlier journal of it knows is kept."""
    path = journal_path(plan.folder, plan.out)
    before = _earlier(path)
    lanes = {lane.number: lane for lane in before.lanes}
    known = {shot.name: shot for shot in before.shots}
    number = before.next_lane
    shots: list[ReelShot] = []
    made = {sound.shot.number: sound for sound in sounds}
    for shot, name in zip(plan.shots, plan.names, strict=True):
        if shot.number not in made:
            continue
        window = window_of(shot)
        earlier = known.get(name)
        if earlier is None or not _shows(lanes[earlier.lane], earlier, shot, window):
            lanes[number] = new_lane(number, shot, place_of(plan.timeline, shot))
            earlier = ReelShot(number=0, name=name, lane=number, window=window, seed=0,
                               place=Fraction(0))  # fmt: skip
            number += 1
        by_hand = BY_HAND in read_description(made[shot.number].wav).split()
        told = as_shot(plan.timeline, shot, earlier.lane, earlier.window, config, name,
                       by_hand=by_hand)  # fmt: skip
        shots.append(replace(told, film=earlier.film, offset=earlier.offset))
    journal = replace(
        Journal(),
        timeline=plan.path.name,
        out=plan.out.name,
        source=source.name,
        source_fingerprint=source.fingerprint,
        licence=getattr(source, "licence", ""),
        options=replace(config.unsigned, adm=False),
        handles=plan.handles,
        stems=bool(plan.parts),
        naming=asdict(plan.naming),
        shots=tuple(shots),
        lanes=tuple(lanes.values()),
        next_origin=before.next_origin,
    )
    journal = taken_over(journal, lambda shot: _sheet(shot, made[shot.number]))
    journal = _with_what_sounds(journal, made, source, replace(config, stems=bool(plan.parts)))
    write_journal(path, journal)
    return journal


def place_of(timeline: Timeline, shot: Shot) -> Fraction:
    """Seconds of the timeline's clock at which a shot's sound begins."""
    return timeline.start_seconds + shot.begins


def as_shot(
    timeline: Timeline,
    shot: Shot,
    lane: int,
    window: Window,
    config: GenerateConfig,
    name: str,
    *,
    by_hand: bool = False,
) -> ReelShot:
    """A shot of a cut as a journal has it."""
    return ReelShot(
        number=shot.number,
        name=name,
        lane=lane,
        window=window,
        seed=shot_seed(config.seed, shot),
        place=place_of(timeline, shot),
        head=shot.event.start - shot.begins,
        tail=shot.end + shot.tail - shot.event.end,
        begin=str(timeline.timecode(shot.event.start)),
        end=str(timeline.timecode(shot.event.end)),
        clip=shot.event.name,
        by_hand=by_hand,
    )


def _earlier(path: Path) -> Journal:
    """The journal that is there; one that cannot be read is moved out of the way, and said."""
    if not path.is_file():
        return Journal()
    try:
        return read_journal(path)
    except MediaError as error:
        kept = path.with_suffix(".broken.json")
        path.replace(kept)
        LOG.warning("%s It is kept as %s, and a new one begun.", error.problem, kept.name)
        return Journal()


def _shows(lane: Lane, earlier: ReelShot, shot: Shot, window: Window) -> bool:
    """Whether a shot is the one that a journal has under its name."""
    film = content_hash(shot.film.path)
    offset = earlier.offset if earlier.film == film else lane.films.get(film)
    if offset is None or (lane.still is None) != (shot.speed != 0):
        return False
    if shot.speed == 0:
        return lane.still == shot.source + offset and window == earlier.window
    return earlier.window == replace(window, source=window.source + offset)


def _sheet(shot: ReelShot, sound: ShotSound) -> Sheet:
    return Sheet(shot.window, shot.seed, sound.cues, by_hand=shot.by_hand)


def _with_what_sounds(
    journal: Journal, made: dict[int, ShotSound], source: Source, config: GenerateConfig
) -> Journal:
    """Which recordings made each event, and which wave each window is in."""
    lanes = {lane.number: lane for lane in journal.lanes}
    names = {made[shot.number].wav.name for shot in journal.shots}
    for number, lane in lanes.items():  # another sound stands under that name now
        kept = tuple(wave for wave in lane.waves if wave.path not in names)
        lanes[number] = replace(lane, waves=kept)
    for shot in journal.shots:
        sound = made[shot.number]
        lane = lanes[shot.lane]
        if any(not event.heard for event in lane.events):
            heard = _heard(source, sound, shot.seed, config)
            lane = with_heard(lane, shot, sound.cues, heard)
        words = read_description(sound.wav).replace(f" {BY_HAND}", "").split()
        wave = Wave(
            path=sound.wav.name,
            key=words[-2],
            window=shot.window,
            fade_in=sound.shot.fade_in,
            fade_out=sound.shot.fade_out,
            seed=shot.seed,
            rows=words[-1],
        )
        lanes[shot.lane] = replace(lane, waves=(wave, *lane.waves))
    return replace(journal, lanes=tuple(lanes.values()))


def _heard(
    source: Source, sound: ShotSound, seed: int, config: GenerateConfig
) -> list[tuple[str, ...]]:
    """Ids of the recordings that made each cue; of a wave that is kept, by its cues alone."""
    played = sound.played
    if played is None:
        none = np.zeros(0, np.float32)
        blank = Features.assemble(none.reshape(0, 384), none, none, sound.shot.duration)
        asked = replace(config, seed=seed)
        played = find_played(source, blank, sound.cues, asked) or [()] * len(sound.cues)
    return [tuple(one.id for one in recordings or ()) for recordings in played]
