"""``foley fill``: a reel and its tracks -> what the effects lack, as a list; and a stem of that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from foleycli.clip.find import VIDEO_SUFFIXES, is_film
from foleycli.clip.probe import Clip, probe
from foleycli.config import FILL, FillConfig, GenerateConfig
from foleycli.documents import is_file
from foleycli.errors import MediaError, UsageError
from foleycli.library.catid import catid_of
from foleycli.mux.bwf_read import read_broadcast
from foleycli.output import scratch_folder
from foleycli.sources.open import Source, open_source
from foleycli.spot.cues import Cue, write_cues
from foleycli.timeline.fill.gaps import ROOM_TONE, Filling, Gap, SeenShot, find_gaps
from foleycli.timeline.fill.heard import Piece, TrackSound, open_sound
from foleycli.timeline.fill.seen import see_cut, see_film, see_reel
from foleycli.timeline.journal import Journal
from foleycli.timeline.media import find_media
from foleycli.timeline.model import Event, Media, Timeline
from foleycli.timeline.reel import ReelResult, plan_reel, read_cut, sound_reel
from foleycli.timeline.table import Table

SOUNDS = frozenset(".aif .aiff .flac .m4a .mp3 .ogg .opus .rf64 .w64 .wav".split())
WRITTEN = (".csv", ".xlsx", ".pdf", ".md")
COLUMNS = (
    *("shot", "clip", "first", "last", "kind", "layer", "what", "surface"),
    *("catid", "confidence", "note"),
)
WIDTHS = {"clip": 20, "what": 26, "note": 50}  # letters
PAGE = {  # millimetres of the columns of a page; 277 in all
    "picture": 27, "shot": 9, "clip": 36, "first": 19, "last": 19, "kind": 11, "layer": 14,
    "what": 45, "surface": 18, "catid": 18, "confidence": 11, "note": 50,
}  # fmt: skip
HEADS = {"first": "in", "last": "out", "confidence": "sure", "what": "words", "catid": "UCS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reel is compared with. Tracks are files, or numbers or names of the reel's own."""

    effects: Sequence[str] = ()
    dialogue: Sequence[str] = ()
    roots: Sequence[Path] = ()  # folders in which films and sounds are looked for
    rate: Fraction | None = None  # frames a second of an EDL
    config: FillConfig = FILL


Progress = Callable[[str, float], None]  # the stage, and how much of it is done


def find_missing(
    reel: Path,
    asked: Asked,
    config: GenerateConfig,
    source: Source | None = None,
    progress: Progress = lambda stage, done: None,
) -> Filling:
    """What the effects of a reel lack.

    Args:
        reel: a film, a cut, or a cut that was sounded: then its own sounds are effects too.
        progress: told of "looking" and of "sounding", which is listening.

    Raises:
        FoleyError: something is not there, or cannot be read; before anything is looked at.
    """
    if is_film(reel):
        film = probe(reel)
        start = film.timecode.seconds if film.timecode else Fraction(0)
        effects, dialogue = (
            [_film_track(film, name, start) for name in names]
            for names in (asked.effects, asked.dialogue)
        )
        _check(effects, reel)
        timeline, shots = see_film(reel, source or open_source(config), config, progress)
        return _listened(timeline, shots, effects, dialogue, asked.config, progress)
    timeline = read_cut(reel, asked.rate, asked.roots)
    effects, dialogue = (
        [_cut_track(reel, name, timeline, asked.roots) for name in names]
        for names in (asked.effects, asked.dialogue)
    )
    known = see_reel(reel, timeline)
    if known is not None:
        folder, journal, shots = known
        if journal.out == reel.name:
            effects.append(_own(folder, journal, timeline))
        _check(effects, reel)
    else:
        _check(effects, reel)
        plan = plan_reel(reel, _beside(reel), roots=asked.roots, timeline=timeline, overwrite=True)
        count = len(plan.shots)
        shots = see_cut(plan, source or open_source(config), config,
                        lambda done: progress("looking", done / count))  # fmt: skip
    return _listened(timeline, shots, effects, dialogue, asked.config, progress)


def _listened(
    timeline: Timeline,
    shots: Sequence[SeenShot],
    effects: Sequence[TrackSound],
    dialogue: Sequence[TrackSound],
    config: FillConfig,
    progress: Progress,
) -> Filling:
    count = len(effects) + len(dialogue)
    return find_gaps(timeline, shots, effects, dialogue, config,
                     lambda done: progress("sounding", done / count))  # fmt: skip


def _beside(reel: Path) -> Path:
    """A name that a plan wants; nothing is written there."""
    return reel.with_name(f"{reel.stem}_fill.otio" if reel.suffix == ".otio" else
                          f"{reel.stem}_fill.fcpxml")  # fmt: skip


def _check(effects: Sequence[TrackSound], reel: Path) -> None:
    if not effects:
        raise UsageError(
            f"{reel.name} has no effects to look through.",
            "Name them: --effects FX.wav (or the number of a track; can be repeated).",
        )


def _film_track(film: Clip, name: str, start: Fraction) -> TrackSound:
    """A file, or one of the film's own tracks by its number, from 1."""
    if not name.isdigit() or is_file(Path(name)):
        return _file(name, start, film.duration, film.path)
    if not 1 <= int(name) <= len(film.audio):
        raise UsageError(
            f"{film.path.name} has no sound track {name}.",
            f"It has {len(film.audio)}; or give a file.",
        )
    index = film.audio[int(name) - 1].index
    piece = Piece(film.path, Fraction(0), index=index, origin=film.start)
    return TrackSound(f"track {name}", (piece,))


def _cut_track(reel: Path, name: str, timeline: Timeline, roots: Sequence[Path]) -> TrackSound:
    """A file, or a sound track of the cut by its name or its number, from 1."""
    if is_file(Path(name)):
        return _file(name, timeline.start_seconds, timeline.duration, reel)
    tracks = timeline.sounds
    named = [track for track in tracks if track.name.casefold() == name.casefold()]
    if not named and name.isdigit() and 1 <= int(name) <= len(tracks):
        named = [tracks[int(name) - 1]]
    if not named:
        there = ", ".join(track.name or str(n) for n, track in enumerate(tracks, 1)) or "none"
        raise UsageError(
            f"{name} is no file, and no sound track of {reel.name}.", f"Its tracks: {there}."
        )
    events = [event for track in named for event in track.events if event.enabled]
    files = [event for event in events if isinstance(event.media, Media)]
    found = find_media(files, reel.parent, roots, SOUNDS | VIDEO_SUFFIXES)
    return TrackSound(name, tuple(piece for event in events for piece in _piece(event, found)))


def _piece(event: Event, found: dict[Media, Path]) -> list[Piece]:
    """An event of a sound track as a stretch of its file."""
    media = event.media
    if not isinstance(media, Media) or media not in found:
        return []
    if event.speed != 1:
        raise MediaError(f"{event.name} is re-timed on its sound track.", "Export it as a wave.")
    opened = open_sound(found[media])
    (whole,) = opened.pieces
    begins = media.start if media.start is not None else _stamped(found[media])
    return [replace(whole, at=event.start, source=event.source - begins, duration=event.duration)]


def _stamped(path: Path) -> Fraction:
    """Seconds on its own timecode at which a file begins."""
    if about := read_broadcast(path):
        return about.start
    if is_film(path) and (code := probe(path).timecode):
        return code.seconds
    return Fraction(0)


def _file(name: str, start: Fraction, duration: Fraction | None, reel: Path) -> TrackSound:
    path = Path(name)
    if not is_file(path):
        raise MediaError(f"The sound {name} of {reel.name} is not there.", "Check its name.")
    return open_sound(path, start, duration)


def _own(folder: Path, journal: Journal, timeline: Timeline) -> TrackSound:
    """The sounds that ``foley timeline`` made for a reel, from cut to cut."""
    pieces = [
        Piece(wave, shot.cut - timeline.start_seconds, shot.head, shot.seen.duration)
        for shot in journal.shots
        if (wave := folder / f"{shot.name}.wav").is_file()
    ]
    return TrackSound(folder.name, tuple(pieces))


def make_missing(
    reel: Path,
    filling: Filling,
    out: Path,
    asked: Asked,
    config: GenerateConfig,
    source: Source | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> ReelResult | None:
    """Sound what is missing, and nothing else, as a timeline of its own with a stem; None where
    nothing is.

    Raises:
        FoleyError: as `sound_reel`.
    """
    wanted: dict[int, list[Gap]] = {}
    for gap in filling.gaps:
        wanted.setdefault(gap.shot.number, []).append(gap)
    plan = plan_reel(reel, out, roots=asked.roots, rate=asked.rate, timeline=filling.timeline,
                     stems=config.stems, overwrite=config.overwrite)  # fmt: skip
    if not wanted:
        return None
    chosen = [(s, n) for s, n in zip(plan.shots, plan.names, strict=True) if s.number in wanted]
    plan = replace(plan, shots=tuple(s for s, _ in chosen), names=tuple(n for _, n in chosen))
    with scratch_folder(out.absolute().parent) as sheets:
        for shot, name in chosen:
            cues = [replace(cue, start=max(Fraction(0), cue.start - shot.begins))
                    for cue in map(wanted_cue, wanted[shot.number])]  # fmt: skip
            write_cues(sheets / f"{name}.csv", cues)
        return sound_reel(plan, replace(config, stems=False), source, sheets, progress)


def wanted_cue(gap: Gap) -> Cue:
    """What a gap wants to hear."""
    if gap.kind != "air" and gap.cue is not None:
        return gap.cue
    air = gap.cue or Cue(start=gap.start, duration=gap.end - gap.start, kind="bed", what=ROOM_TONE,
                         layer="air")  # fmt: skip
    return replace(air, start=gap.start, duration=gap.end - gap.start, evidence=gap.note)


def gap_rows(filling: Filling) -> list[dict[str, str | int]]:
    """A row a gap, by `COLUMNS`."""
    return [_row(filling.timeline, gap) for gap in filling.gaps]


def _row(timeline: Timeline, gap: Gap) -> dict[str, str | int]:
    cue = wanted_cue(gap)
    return {
        "shot": gap.shot.number,
        "clip": gap.shot.clip,
        "first": _label(timeline, gap.start),
        "last": _label(timeline, gap.end),
        "kind": gap.kind,
        "layer": cue.layer,
        "what": cue.what,
        "surface": cue.surface,
        "catid": catid_of(cue.what),
        "confidence": f"{cue.confidence:.2f}",
        "note": gap.note,
    }


def _label(timeline: Timeline, at: Fraction) -> str:
    return str(timeline.timecode(at))


def gap_table(filling: Filling) -> Table:
    """What is written."""
    return Table(
        name=filling.timeline.name,
        head=summary(filling),
        columns=COLUMNS,
        rows=gap_rows(filling),
        pictures=[(gap.shot.film, gap.shot.in_film(gap.start)) for gap in filling.gaps],
        widths=WIDTHS,
        page=PAGE,
        heads=HEADS,
        short={},
    )


def summary(filling: Filling) -> str:
    """In a line, what was found."""
    holes = "no dialogue to look under"
    if filling.dialogue:
        holes = f"{len(filling.holes)} holes in the air under {', '.join(filling.dialogue)}"
    return (f"{len(filling.missing)} of {filling.actions} actions in {len(filling.shots)} shots "
            f"without sound in {', '.join(filling.effects)}; {holes}")  # fmt: skip


def gap_lines(filling: Filling) -> list[str]:
    """What a person reads: a line a shot that lacks something, and under it what."""
    lines = [summary(filling)]
    shots: dict[int, list[Gap]] = {}
    for gap in filling.gaps:
        shots.setdefault(gap.shot.number, []).append(gap)
    for number, gaps in sorted(shots.items()):
        shot: SeenShot = gaps[0].shot
        start, end = (_label(filling.timeline, at) for at in (shot.start, shot.end))
        lines += ["", f"shot {number:>3}  {start} {end}  {shot.clip}"]
        for gap in gaps:
            row = _row(filling.timeline, gap)
            last = "" if gap.kind == "hit" else f"-{row['last']}"
            on = f" on {row['surface']}" if row["surface"] else ""
            said = f"{row['what']}{on} ({row['layer'] or gap.kind}, {row['confidence']} sure)"
            lines.append(f"  {gap.kind:<4} {row['first']}{last}  {said}: {gap.note}")
    return lines
