"""A whole timeline: read it, find its films, sound every shot, write it back with the sounds."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from foleycli.clip.probe import probe
from foleycli.config import SESSION, GenerateConfig
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.mux.sign import open_signing
from foleycli.output import check_output
from foleycli.sources.open import Source, open_source
from foleycli.spot.cues import LAYERS
from foleycli.timeline.files import (
    SESSIONS,
    add_sounds,
    check_written,
    films_of_list,
    list_path,
    read_timeline,
    states_rate,
    write_lists,
)
from foleycli.timeline.media import find_media, find_some
from foleycli.timeline.model import LONGEST, Timeline, Track, exact_rate, sounding
from foleycli.timeline.naming import PLAIN, Naming
from foleycli.timeline.objects import write_adm_stem
from foleycli.timeline.plan import ReelPlan
from foleycli.timeline.remember import remember
from foleycli.timeline.shots import plan_shots, relink
from foleycli.timeline.signed import sign_reel
from foleycli.timeline.sound import (
    Doing,
    Failure,
    ShotSound,
    all_cue_markers,
    lay_tracks,
    sound_names,
    sound_shots,
    write_cue_markers,
    write_stem,
)
from foleycli.timeline.template import Template, lay_on, lay_own
from foleycli.waveform.space import ROOM

LOG = logging.getLogger("foleycli")
MAX_HANDLES = 1000  # frames


@dataclass(frozen=True, slots=True)
class ReelResult:
    """What was made of a timeline."""

    plan: ReelPlan
    sounds: tuple[ShotSound, ...]
    failures: tuple[Failure, ...]
    stem_hash: str


def plan_reel(
    path: Path,
    out: Path,
    *,
    roots: Sequence[Path] = (),
    rate: Fraction | None = None,
    handles: int | None = None,
    folder: Path | None = None,
    naming: Naming = PLAIN,
    stems: bool = False,
    room: bool = False,
    two_pop: bool = False,
    adm: bool = False,
    overwrite: bool = False,
    timeline: Timeline | None = None,
    template: Template | None = None,
) -> ReelPlan:
    """Read a timeline and find all it needs, before any work.

    Args:
        path: the timeline.
        out: the timeline to write.
        roots: folders to look for its films in.
        rate: frames a second of an EDL; without it, what the first film found runs at.
        handles: frames of sound beyond each shot, where its film goes on; when None, none, and in
            a session those of `SessionConfig`.
        folder: for the waves; ``<out>_sfx`` when None.
        naming: of waves and stems.
        stems: also a stem of each layer, which add up to the whole one.
        room: and one of the room's return, where a room is asked for.
        two_pop: stems begin and end with a pop.
        adm: also the whole as a bed and objects.
        timeline: what ``path`` shows, where that is read already, or a film.
        template: whose tracks the sounds are laid on; where it has some for layers, these are made.

    Raises:
        MediaError: the timeline cannot be followed, or films are missing; all are named.
        OutputExistsError: ``out`` is there and ``overwrite`` is off.
    """
    check_written(out)
    check_output(out, overwrite=overwrite, inputs=(path,))
    timeline = timeline or read_cut(path, rate, roots)
    events = sounding(timeline)
    if not events:
        raise MediaError(f"{path.name} shows no film.", "Export a timeline with pictures.")
    found = find_media(events, path.parent, roots)
    if not found:
        raise MediaError(
            f"{path.name} shows placeholders only.", "Link its media, export it again."
        )
    if timeline.duration > LONGEST:
        raise MediaError(
            f"{path.name} runs for {float(timeline.duration / 3600):.0f} hours.",
            f"A timeline goes up to {LONGEST // 3600} hours: export it reel by reel.",
        )
    if handles is None:
        handles = round(SESSION.handles * timeline.rate) if _is_session(out) else 0
    length = min(handles, MAX_HANDLES) / timeline.rate
    shots = tuple(plan_shots(timeline, found, length))
    folder = folder or out.with_name(f"{out.stem}_sfx")
    timeline = replace(relink(timeline, found), name=timeline.name or path.stem)
    names = tuple(sound_names(timeline, shots, naming))

    def stem(layer: str) -> Path:
        return folder / f"{naming.stem(timeline.name, timeline.rate, layer)}.wav"

    stems = stems or bool(template and template.layers)
    kinds = (*LAYERS, *((ROOM,) if room else ())) if stems else ()
    parts = tuple((kind, stem(kind)) for kind in kinds)
    plan = ReelPlan(
        *(path, out, folder, stem("all"), parts, two_pop, timeline, shots, names, handles, naming),
        adm=stem("adm") if adm else None,
        template=template,
    )
    if _has_lists(plan):
        for name in template.tracks if template else kinds:
            check_output(list_path(out, name), overwrite=overwrite, inputs=(path,))
    return plan


def read_cut(path: Path, rate: Fraction | None, roots: Sequence[Path]) -> Timeline:
    """Read a timeline; an EDL without a rate at that of the first of its films at which it can be.

    Raises:
        MediaError: it cannot be followed.
    """
    if rate is not None or path.suffix.lower() != ".edl" or states_rate(path):
        return read_timeline(path, rate)
    wrong: FoleyError | None = None
    tried: set[Fraction] = set()
    for candidate in _film_rates(path, roots):
        if candidate in tried:
            continue
        tried.add(candidate)
        try:
            return read_timeline(path, candidate)
        except FoleyError as error:
            wrong = wrong or error
    if wrong is not None:
        remedy = f"{wrong.remedy} Or give the list's rate: --rate 23.976."
        raise type(wrong)(wrong.lines[0], remedy, wrong.lines[1:]) from wrong
    find_media(films_of_list(path), path.parent, roots)  # names all that are missing
    return read_timeline(path)


def _film_rates(path: Path, roots: Sequence[Path]) -> Iterator[Fraction]:
    """The rates of the films that a list names, as far as they are found."""
    for film_path in find_some(films_of_list(path), path.parent, roots):
        try:
            film = probe(film_path)
            if film.frame_rate is not None:
                yield exact_rate(film.frame_rate)
        except (MediaError, UsageError):  # no film, or of a rate no timeline has
            continue


def sound_reel(
    plan: ReelPlan,
    config: GenerateConfig,
    source: Source | None = None,
    sheets: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
    doing: Doing | None = None,
    embed: bool | None = None,
) -> ReelResult:
    """Sound every shot of a plan and write the timeline back with the sounds on tracks of their
    own; a shot that fails stays silent and is named in the result.

    Args:
        sheets: a folder of edited cue sheets, named as the shots' files; or a file of markers.
        progress: told how many shots are done.
        doing: does the shots elsewhere, such as `cluster.shots_on_ray`.
        embed: in an AAF, put the samples of the waves into it. When None, an AAF that was read gets
            them linked, and a new one holds them.

    Raises:
        FoleyError: nothing could be done at all.
    """
    signing = open_signing(config)
    _make(plan.folder)
    source = source or open_source(config)
    timeline, parts = plan.timeline, tuple(kind for kind, _ in plan.parts)
    made = list(
        sound_shots(
            timeline,
            plan.shots,
            plan.folder,
            source,
            config,
            sheets,
            plan.names,
            parts,
            progress,
            doing,
        )
    )
    sounds = tuple(one for one in made if isinstance(one, ShotSound))
    failures = tuple(one for one in made if isinstance(one, Failure))
    if not sounds:
        raise failures[0].error
    stem_hash, cut_fade = "", config.cut_fade
    if cut_fade is None:
        cut_fade = SESSION.cut_fade if _is_session(plan.out) else 0
    for kind, path in (*plan.parts, ("all", plan.stem)):
        stem_hash = write_stem(
            timeline,
            sounds,
            path,
            kind,
            parts=parts,
            cut_fade=cut_fade,
            two_pop=plan.two_pop,
            overwrite=True,
        )
    if plan.adm:
        write_adm_stem(timeline, sounds, plan.adm, cut_fade)
    write_cue_markers(timeline, sounds, plan.folder / f"{plan.out.stem}_markers.edl")
    journal = remember(plan, sounds, source, config)
    if signing:
        sign_reel(plan, sounds, journal, signing)
    tracks = lay_tracks(timeline, sounds, parts, cut_fade)
    if plan.template:
        own, tracks = lay_own(plan.template, timeline.sounds, lay_on(plan.template, tracks))
        timeline = replace(timeline, tracks=(*timeline.pictures, *own))
    if _has_lists(plan):
        _write_lists(plan, tracks, overwrite=config.overwrite)
        tracks = lay_tracks(timeline, sounds, cut_fade=cut_fade)
    markers = sorted(all_cue_markers(timeline, sounds), key=lambda marker: marker.start)
    add_sounds(
        plan.path,
        timeline,
        tracks,
        plan.out,
        markers=markers,
        overwrite=config.overwrite,
        embed=embed,
        project=plan.template.project if plan.template else None,
    )
    return ReelResult(plan, sounds, failures, stem_hash)


def _has_lists(plan: ReelPlan) -> bool:
    """Whether layers, or a template's tracks, have lists of their own, as CMX3600 has too few
    channels for them."""
    return plan.out.suffix.lower() == ".edl" and bool(plan.parts or plan.template)


def _write_lists(plan: ReelPlan, tracks: Sequence[Track], *, overwrite: bool) -> None:
    lists: dict[str, tuple[Track, ...]] = {}
    for track in tracks:
        name = track.name if plan.template else track.name.split()[1]
        if track.events:
            lists[name] = (*lists.get(name, ()), track)
    written = write_lists(plan.timeline, lists, plan.out, overwrite=overwrite)
    LOG.warning(
        "an EDL has no room for layers: %s has the whole sounds, and there is a list for each: %s",
        plan.out.name,
        ", ".join(path.name for path in written),
    )


def _is_session(out: Path) -> bool:
    return out.suffix.lower() in SESSIONS


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FoleyError(
            f"The folder {folder} cannot be made: {error.strerror}.", "Choose another: --sounds."
        ) from error
