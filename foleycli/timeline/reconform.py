"""The next cut of a reel that was sounded.

What moved keeps its sounds to the sample, what was trimmed is trimmed, what is new is spotted, what
went is kept aside, and what was edited stays edited.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from foleycli.clip.find import is_film
from foleycli.clip.media import content_hash
from foleycli.clip.probe import probe
from foleycli.config import GENERATE, OUTPUT, GenerateConfig
from foleycli.errors import MediaError, UsageError
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.mux.mux import mux_audio
from foleycli.mux.names import stem_path
from foleycli.output import atomic_output, make_folder, scratch_folder
from foleycli.sources.open import Source, open_source
from foleycli.sources.played import played_by_ids, say_played
from foleycli.spot.cues import LAYERS, Cue, read_cues, write_cues
from foleycli.spot.find import find_cues
from foleycli.timeline.changes import write_changes
from foleycli.timeline.film_reel import (
    OldFilm,
    cut_film,
    film_timeline,
    is_sounded_film,
    journal_of,
    open_film,
)
from foleycli.timeline.journal import (
    ASIDE,
    Journal,
    ReelShot,
    journal_path,
    read_journal,
    taken_over,
    window_of,
    write_journal,
)
from foleycli.timeline.lanes import ZERO, Lane, Sheet, Shown, Wave, Window, extend, show, uncovered
from foleycli.timeline.looks import Looks
from foleycli.timeline.match import ByPicture, NewShot
from foleycli.timeline.model import Media, Timeline
from foleycli.timeline.naming import Naming
from foleycli.timeline.plan import ReelPlan
from foleycli.timeline.recut import CueChange, Recut, ShotChange, list_changes, recut
from foleycli.timeline.reel import ReelResult, plan_reel, sound_reel
from foleycli.timeline.remember import as_shot, place_of
from foleycli.timeline.shots import Shot
from foleycli.timeline.sound import (
    BY_HAND,
    cues_key,
    describe_shot,
    first_sample,
    read_description,
    shot_features,
    shot_key,
)
from foleycli.timeline.template import Template
from foleycli.waveform.space import ROOM
from foleycli.waveform.stems import round_stems

LOG = logging.getLogger("foleycli")
RATE = OUTPUT.sample_rate
CUT_FADE = Fraction(1, 100)  # seconds in which a sound ends that is trimmed and has no handle
PARTS = (*LAYERS, ROOM)  # stems that may stand beside a wave
_GRID = np.float32(2.0**-31)


@dataclass(frozen=True, slots=True)
class RecutPlan:
    """What will be done, with nothing made yet."""

    old_folder: Path
    old: Journal  # with what was changed in its sheets
    reel: ReelPlan
    found: Recut
    shots: tuple[ReelShot, ...]  # of the new cut; lane 0 for what is new
    changes: tuple[ShotChange, ...]
    config: GenerateConfig
    old_film: OldFilm | None = None  # where the old cut is a film with its recipe


@dataclass(frozen=True, slots=True)
class RecutResult:
    """What was made of a new cut."""

    plan: RecutPlan
    reel: ReelResult
    reused: int  # shots whose samples are those of the old cut


def find_journal(old: Path, folder: Path | None = None) -> Path:
    """The journal of a timeline that was sounded, named by what ``foley timeline`` wrote or by what
    it read.

    Args:
        folder: of its sounds, where they are not in ``<old>_sfx``.

    Raises:
        MediaError: there is none.
    """
    if old.name.endswith("_reel.json"):
        return old
    folders = [folder] if folder else [old.with_name(f"{old.stem}_sfx"),
                                       *sorted(old.parent.glob(f"{old.stem}*_sfx"))]  # fmt: skip
    for place in folders:
        if (written := journal_path(place, old)).is_file():
            return written
    for place in folders:
        for written in sorted(place.glob("*_reel.json")):
            with suppress(MediaError):
                if read_journal(written).timeline == old.name:
                    return written
    raise MediaError(
        f"{old.name} has no journal of its sounds in {folders[0]}.",
        f"Sound it first: foley timeline {old.name} -o OUT; or name their folder: --old-sounds.",
    )


def _has_journal(old: Path, folder: Path | None) -> bool:
    try:
        return bool(find_journal(old, folder))
    except MediaError:
        return False


def open_old(old: Path, folder: Path | None = None) -> tuple[Path, Journal]:
    """The folder of a sounded reel, and its journal with what was changed in its sheets since.

    Raises:
        MediaError: there is no journal, or a sheet that cannot be read.
    """
    path = find_journal(old, folder)
    journal = read_journal(path)

    def read(shot: ReelShot) -> Sheet | None:
        sheet = path.parent / f"{shot.name}.csv"
        return Sheet(shot.window, shot.seed, read_cues(sheet)) if sheet.is_file() else None

    return path.parent, taken_over(journal, read)


def plan_recut(
    old: Path,
    new: Path,
    out: Path,
    config: GenerateConfig = GENERATE,
    *,
    roots: Sequence[Path] = (),
    rate: Fraction | None = None,
    handles: int | None = None,
    old_folder: Path | None = None,
    folder: Path | None = None,
    naming: dict[str, str] | None = None,
    two_pop: bool = False,
    by_picture: ByPicture | None = None,
    template: Template | None = None,
) -> RecutPlan:
    """Read both cuts and find what became of every shot and event.

    Args:
        old: the timeline that was sounded, or what was written then; or a film that `foley gen`
            wrote, or its recipe.
        new: the next cut: a timeline, or a film, in which the cuts are found.
        out: the timeline to write.
        config: options that are not as the old cut's; the others are taken from there.
        roots: folders in which films are looked for.
        rate: frames a second of an EDL.
        handles: frames; the old cut's when None.
        old_folder, folder: of the sounds; beside the timelines when None.
        naming: of waves and stems, where it is not as in the old cut.
        by_picture: tells where a shot's pictures were sounded whose film nobody knows; `Looks`,
            which compares them, when None.
        template: whose tracks the sounds are laid on.

    Raises:
        FoleyError: as `plan_reel`; one of the cuts cannot be followed.
    """
    old_film = None
    if is_sounded_film(old) and not _has_journal(old, old_folder):
        old_film = open_film(old)
    if old_film is None:
        there, journal = open_old(old, old_folder)
    else:
        there, journal = out.parent / old_film.recipe.stem, journal_of(old_film)
    config = _as_before(journal.options, config)
    names = Naming(**{**journal.naming, **(naming or {})})
    reel = plan_reel(
        new,
        out,
        roots=roots,
        rate=rate,
        handles=journal.handles if handles is None else handles,
        folder=folder,
        naming=names,
        stems=journal.stems or config.stems,
        room=not config.is_dry,
        two_pop=two_pop,
        overwrite=config.overwrite,
        timeline=film_timeline(probe(new)) if is_film(new) else None,
        template=template,
    )
    if reel.folder.resolve() == there.resolve():
        raise UsageError(
            f"The sounds of the old cut are in {there} themselves.",
            "Give the new cut another -o, or another folder: --sounds.",
        )
    config = replace(config, stems=False)
    timeline = reel.timeline
    seen = [seen_shot(timeline, shot) for shot in reel.shots]
    films = {one.film: shot.film for one, shot in zip(seen, reel.shots, strict=True)}
    found = recut(journal, seen, by_picture or Looks(films, roots), is_edited=is_film(new))
    shots = tuple(
        _matched(as_shot(timeline, shot, *(shown or (0, window_of(shot))), config, name), one)
        for shot, shown, name, one in zip(reel.shots, found.shows, reel.names, seen, strict=True)
    )
    changes = tuple(list_changes(journal, found, shots, timeline.rate))
    return RecutPlan(there, journal, reel, found, shots, changes, config, old_film)


def _matched(told: ReelShot, seen: NewShot) -> ReelShot:
    """A shot with where its film lies on its lane: one film may lie on many, and many times."""
    if not told.lane or seen.still is not None:
        return told
    return replace(told, film=seen.film, offset=told.window.source - seen.window.source)


def _as_before(before: GenerateConfig, asked: GenerateConfig) -> GenerateConfig:
    """The options of the old cut, but for those that are asked for otherwise than by default."""
    usual = asdict(GENERATE)
    given = {name: value for name, value in asdict(asked).items() if value != usual[name]}
    here = {name: getattr(asked, name) for name in ("overwrite", "offline", "device")}
    return replace(before, **{**given, **here})


def seen_shot(timeline: Timeline, shot: Shot) -> NewShot:
    """A shot as matching sees it."""
    media, speed = shot.event.media, shot.speed
    assert isinstance(media, Media)
    ends = (shot.source + (at - shot.begins) * speed for at in (shot.event.start, shot.event.end))
    low, high = sorted(ends)
    return NewShot(
        film=content_hash(shot.film.path),
        window=window_of(shot),
        core=(low, high),
        place=place_of(timeline, shot),
        name=media.name or shot.event.name,
        reel=media.reel,
        timecode=shot.film.timecode.seconds if shot.film.timecode else None,
        still=shot.source if speed == 0 else None,
    )


def make_recut(
    plan: RecutPlan,
    source: Source | None = None,
    progress: Callable[[int], None] = lambda done: None,
    embed: bool | None = None,
) -> RecutResult:
    """Sound a new cut: waves that hold what a shot shows are cut from, the others are rendered.

    Args:
        embed: in an AAF, as `sound_reel` has it.

    Raises:
        FoleyError: as `sound_reel`.
    """
    source = source or open_source(plan.config)
    make_folder(plan.reel.folder)
    if plan.old_film is None:
        return _make(plan, source, progress, embed)
    with scratch_folder(plan.reel.folder) as folder:
        cut_film(plan.old_film, plan.old, folder, source)
        return _make(replace(plan, old_folder=folder), source, progress, embed)


def _make(
    plan: RecutPlan, source: Source, progress: Callable[[int], None], embed: bool | None
) -> RecutResult:
    reel = plan.reel
    lanes = dict(plan.found.lanes)
    origin, reused, sheets = plan.old.next_origin, 0, 0
    shots: list[ReelShot] = []
    for shot, told in zip(reel.shots, plan.shots, strict=True):
        if not told.lane:
            continue
        lane = lanes[told.lane]
        if uncovered(lane, told.window):
            found = _spotted(shot, source, plan.config)
            lane = extend(lane, told.window, found, told.seed, origin)
            origin = max([origin, *(event.origin + 1 for event in lane.events)])
            lanes[told.lane] = lane
    for shot, told in zip(reel.shots, plan.shots, strict=True):
        if not told.lane:
            continue
        lane = lanes[told.lane]
        shown = show(lane, told.window, told.seed)
        sheet = reel.folder / f"{told.name}.csv"
        _write_sheet(sheet, shown, source)
        cues, sheets = read_cues(sheet), sheets + 1
        reused += _reuse(plan, lane, shot, told, cues, source)
        shots.append(told)
    lanes = _kept_aside(plan, lanes, source)
    prepared = replace(plan.old, shots=tuple(shots), lanes=tuple(lanes.values()),
                       next_origin=origin)  # fmt: skip
    write_journal(journal_path(reel.folder, reel.out), prepared)
    made = sound_reel(
        reel, plan.config, source, reel.folder if sheets else None, progress, embed=embed
    )
    result = RecutResult(plan, made, reused)
    text = reel.folder / f"{reel.out.stem}_changes.txt"
    write_changes(result_changes(result), reel.timeline, text, overwrite=True)
    return result


def timeline_of(out: Path, new: Path) -> Path:
    """The timeline that is written where a film is asked for: beside it.

    Raises:
        UsageError: a film is asked for of a cut that is none.
    """
    if not is_film(out):
        return out
    if not is_film(new):
        raise UsageError(
            f"{new.name} is no film, so there is none to write.", "Name a timeline: -o cut_sfx.edl."
        )
    return out.with_suffix(".fcpxml")


def join_film(result: RecutResult, out: Path, *, overwrite: bool) -> None:
    """Write the new cut's film with its sounds, on a track of their own.

    Raises:
        FoleyError: as `mux_audio`.
    """
    reel = result.reel.plan
    mux_audio(probe(reel.path), reel.stem, out, overwrite=overwrite)


def _write_sheet(sheet: Path, shown: Sequence[Shown], source: Source) -> None:
    """What is seen of a lane, with the recordings that made it; none of them where nobody knows."""
    cues = [one.cue for one in shown]
    played = [played_by_ids(source, one.event.heard) or None for one in shown]
    write_cues(sheet, cues, remarks=say_played(cues, played), overwrite=True)


def _spotted(shot: Shot, source: Source, config: GenerateConfig) -> list[Cue]:
    """What is found in a shot's picture; nothing in a freeze frame."""
    if shot.speed == 0:
        return []
    return find_cues(shot_features(shot, source), config.prompt, air=config.air)


def _reuse(
    plan: RecutPlan, lane: Lane, shot: Shot, told: ReelShot, cues: list[Cue], source: Source
) -> bool:
    """Cut a shot's wave, and its stems, from one that was made; whether there is one."""
    reel, config = plan.reel, plan.config
    stems = [layer for layer, _ in reel.parts]
    for wave in lane.waves:
        old = plan.old_folder / wave.path
        words = read_description(old).split()
        if wave.rows not in words or wave.key not in words:
            continue
        seen = [one.cue for one in show(lane, wave.window, wave.seed)]
        piece = _piece(wave, shot, told.window, reel.timeline)
        parts = [part for part in PARTS if stem_path(old, part).is_file()] if stems else []
        if piece is None or cues_key(seen) != wave.rows or parts != stems:
            continue
        by_hand = BY_HAND in words
        key = shot_key(reel.timeline, shot, source, config, stems)
        new = reel.folder / f"{told.name}.wav"

        def about(path: Path, key: str = key, by_hand: bool = by_hand) -> Broadcast:
            return describe_shot(reel.timeline, shot, path.stem, key, cues, by_hand=by_hand)

        if parts:
            pieces = [(stem_path(old, part), stem_path(new, part)) for part in parts]
        else:
            pieces = [(old, new)]
        cut_waves(pieces, new, piece, about)
        return True
    return False


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a wave, and how it comes and goes."""

    first: int  # samples of the wave
    length: int  # samples
    rise: int  # samples of a fade that is not in the wave
    fall: int
    is_dissolve: tuple[bool, bool]


def _piece(wave: Wave, shot: Shot, window: Window, timeline: Timeline) -> Piece | None:
    """The stretch of a wave that a window shows, if it is all there, with the fades it wants."""
    if wave.window.speed != window.speed:
        return None
    lead = wave.window.time(window.source)
    rest = wave.window.duration - lead - window.duration
    if lead < 0 or rest < 0:
        return None
    rise = _fade(lead, wave.fade_in, shot.fade_in, shot.head)
    fall = _fade(rest, wave.fade_out, shot.fade_out, shot.tail)
    if rise is None or fall is None:
        return None
    length = first_sample(timeline, shot.end + shot.tail) - first_sample(timeline, shot.begins)
    return Piece(round(lead * RATE), length, round(rise * RATE), round(fall * RATE),
                 (bool(shot.fade_in), bool(shot.fade_out)))  # fmt: skip


def _fade(
    trimmed: Fraction, baked: Fraction, wanted: Fraction, handle: Fraction
) -> Fraction | None:
    """Seconds of fade to add at an end; None where what is in the wave is in the way."""
    if trimmed == 0 and baked:
        return ZERO if baked == wanted else None
    if trimmed < baked:
        return None
    if wanted:
        return wanted
    return CUT_FADE if trimmed and not handle else ZERO


def cut_waves(
    pieces: Sequence[tuple[Path, Path]],
    whole: Path,
    piece: Piece,
    about: Callable[[Path], Broadcast],
) -> None:
    """Write a stretch of waves, samples as they are; of stems also their sum as ``whole``.

    Args:
        pieces: (wave, what is cut from it).
    """
    names = [new for _, new in pieces]
    channels = soundfile.info(str(pieces[0][0])).channels
    for old, new in pieces:
        write_broadcast(new, _stretch(old, piece), RATE, channels, about=about(new),
                        overwrite=True)  # fmt: skip
    if whole not in names:
        streams = zip(*(_stretch(old, piece) for old, _ in pieces), strict=True)
        summed = (np.stack(blocks).sum(axis=0, dtype=np.float32) for blocks in streams)
        write_broadcast(whole, summed, RATE, channels, about=about(whole), overwrite=True)


def _stretch(wav: Path, piece: Piece) -> Iterator[np.ndarray]:
    """Blocks (samples, channels) of a wave, exact; silence past its end."""
    done = 0
    with soundfile.SoundFile(str(wav)) as file:
        file.seek(min(piece.first, len(file)))
        while done < piece.length:
            want = min(RATE, piece.length - done)
            part = file.read(want, dtype="int32", always_2d=True)
            block = np.zeros((want, file.channels), np.float32)
            block[: len(part)] = part.astype(np.float32) * _GRID
            gain = _gain(piece, done, want)
            yield block if gain is None else round_stems(block * gain[:, None])
            done += want


def _gain(piece: Piece, start: int, count: int) -> np.ndarray | None:
    """Fades of a stretch's samples; None where there is none."""
    if start >= piece.rise and start + count <= piece.length - piece.fall:
        return None
    at = np.arange(start, start + count)
    gain = np.ones(count, np.float32)
    if piece.rise:
        gain *= np.sin(np.clip((at + 0.5) / piece.rise, 0, 1) * np.pi / 2) ** 2
    if piece.fall:
        gain *= np.sin(np.clip((piece.length - at - 0.5) / piece.fall, 0, 1) * np.pi / 2) ** 2
    return gain.astype(np.float32)


def _kept_aside(plan: RecutPlan, lanes: dict[int, Lane], source: Source) -> dict[int, Lane]:
    """Bring the sounds along that the new cut does not hold whole, with sheets to read."""
    folder = plan.reel.folder / ASIDE
    shown: dict[int, list[Window]] = {}
    for shot in plan.shots:
        shown.setdefault(shot.lane, []).append(shot.window)
    for number, lane in lanes.items():
        waves = []
        for wave in lane.waves:
            old = plan.old_folder / wave.path
            if not old.is_file() or any(w == wave.window for w in shown.get(number, [])):
                continue
            make_folder(folder)
            name = _free_name(folder, old, wave)
            for part in ("", *PARTS):
                there = stem_path(old, part) if part else old
                here = stem_path(folder / name, part) if part else folder / name
                if there.is_file() and not here.exists():
                    _link(there, here)
            if seen := show(lane, wave.window, wave.seed):
                _write_sheet((folder / name).with_suffix(".csv"), seen, source)
            waves.append(replace(wave, path=f"{ASIDE}/{name}"))
        lanes[number] = replace(lane, waves=tuple(waves))
    return lanes


def _free_name(folder: Path, wav: Path, wave: Wave) -> str:
    """A name in the folder that no other sound has."""
    for number in range(1, 10_000):
        path = folder / (wav.name if number == 1 else f"{wav.stem}-{number}.wav")
        if not path.exists() or {wave.key, wave.rows} <= set(read_description(path).split()):
            return path.name
    raise MediaError(f"{folder} is full of sounds called {wav.name}.", "Clear it up.")


def _link(there: Path, here: Path) -> None:
    """One more name for a file, which is never written again in place; a copy across disks."""
    try:
        os.link(there, here)
    except OSError:
        with atomic_output(here) as beside:
            shutil.copyfile(there, beside)


def result_changes(result: RecutResult) -> list[ShotChange]:
    """The changes, with the cues of what was spotted anew."""
    made = {sound.shot.number: sound for sound in result.reel.sounds}
    changes = []
    for change in result.plan.changes:
        after = change.after
        if change.status == "new" and not change.cues and after and after.number in made:
            cues = tuple(
                CueChange(status="new", what=cue.what, kind=cue.kind, layer=cue.layer,
                          by_hand=False, before=None, after=after.place + cue.start)
                for cue in made[after.number].cues
            )  # fmt: skip
            change = replace(change, cues=cues)
        changes.append(change)
    return changes
