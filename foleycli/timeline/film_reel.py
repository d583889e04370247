"""A film that `foley gen` sounded, as the first cut of a reel: its shots, the events of its recipe
in each, and the very samples it has."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from foleycli.clip.find import is_film
from foleycli.clip.media import content_hash
from foleycli.clip.probe import Clip, probe
from foleycli.config import GENERATE, OUTPUT, GenerateConfig
from foleycli.documents import is_file
from foleycli.errors import FoleyError, MediaError, ModelError
from foleycli.generate import find_span, generate
from foleycli.library.place import chance_of, split_recording
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.output import make_folder, scratch_folder
from foleycli.recipe import HEARD, Recipe, read_recipe, recipe_path
from foleycli.sources.open import Source
from foleycli.timeline.cuts import find_cuts
from foleycli.timeline.journal import Journal, ReelShot
from foleycli.timeline.lanes import Lane, LaneEvent, Wave, Window, show
from foleycli.timeline.markers import clip_timeline
from foleycli.timeline.model import Timeline
from foleycli.timeline.sound import cues_key

RATE = OUTPUT.sample_rate
ZERO = Fraction(0)
RECIPE = ".foley.json"
# What a film's options say of how it was written, and a reel's do not.
_OF_FILMS = ("start", "end", "mode", "cues", "takes", "wav", "stems", "split", "loudness", "verify",
             "overwrite", "budget")  # fmt: skip


@dataclass(frozen=True, slots=True)
class OldFilm:
    """A film with its recipe."""

    recipe: Path
    made: Recipe
    film: Clip  # its pictures
    begins: Fraction  # seconds of it at which its sound begins


def is_sounded_film(path: Path) -> bool:
    """Whether a file is called as films or their recipes are."""
    return is_film(path) or path.name.endswith(RECIPE)


def film_timeline(film: Clip) -> Timeline:
    """A film as a timeline of its shots.

    Raises:
        MediaError: it states no frame rate or length, or does not decode.
    """
    clip_timeline(film)
    return clip_timeline(film, find_cuts(film)[0])


def open_film(path: Path) -> OldFilm:
    """What made a film's sound.

    Args:
        path: the video that `foley gen` wrote, its recipe, or the clip, with the other beside it.

    Raises:
        MediaError: there is no recipe, or its pictures are gone.
    """
    named = [path] if path.name.endswith(RECIPE) else [
        recipe_path(path), path.with_name(f"{path.stem}_sfx{RECIPE}")
    ]  # fmt: skip
    there = next((one for one in named if is_file(one)), None)
    if there is None:
        raise MediaError(
            f"{path.name} has no recipe beside it.",
            f"foley gen writes {named[-1].name}; or give a timeline that was sounded.",
        )
    made = read_recipe(there)
    clip = there.parent / made.clip
    if not is_file(clip) or content_hash(clip) != made.clip_hash:
        clip = there.with_name(made.out)  # has the same pictures
    if not is_file(clip):
        raise MediaError(f"The pictures of {there.name} are gone: {made.clip}.", "Put them back.")
    film = probe(clip)
    return OldFilm(there, made, film, find_span(film, made.config)[0])


def journal_of(old: OldFilm) -> Journal:
    """The journal of a film: a lane a shot.

    Raises:
        MediaError: its pictures do not decode.
    """
    timeline = film_timeline(old.film)
    edges = [event.start for event in timeline.tracks[0].events]
    edges.append(timeline.tracks[0].events[-1].end)
    config = _options(old.made.config)
    lanes, shots = [], []
    origin = 1
    for number, (start, end) in enumerate(pairwise(edges), 1):
        window, place = Window(start, end - start), timeline.start_seconds + start
        events = tuple(_events(old, start, end, origin))
        origin += len(events)
        lane = Lane(
            number=number,
            films={content_hash(old.film.path): ZERO},
            home=window,
            place=place,
            name=old.film.path.name,
            path=str(old.film.path.absolute()),
            timecode=old.film.timecode.seconds if old.film.timecode else None,
            covered=(window.span,),
            events=events,
        )
        name = f"{old.film.path.stem}_{number:03}"
        rows = cues_key(one.cue for one in show(lane, window, config.seed))
        wave = Wave(path=f"{name}.wav", key=_key(old, window), window=window, fade_in=ZERO,
                    fade_out=ZERO, seed=config.seed, rows=rows)  # fmt: skip
        lanes.append(replace(lane, waves=(wave,)))
        shots.append(
            ReelShot(number=number, name=name, lane=number, window=window, seed=config.seed,
                     place=place, begin=str(timeline.timecode(start)),
                     end=str(timeline.timecode(end)), clip=old.film.path.name)
        )  # fmt: skip
    return Journal(
        timeline=old.film.path.name,
        out=old.made.out,
        source=old.made.source,
        source_fingerprint=old.made.source_fingerprint,
        licence=old.made.licence,
        options=config,
        shots=tuple(shots),
        lanes=tuple(lanes),
        next_origin=origin,
    )


def _options(config: GenerateConfig) -> GenerateConfig:
    return replace(config, **{name: getattr(GENERATE, name) for name in _OF_FILMS})


def _key(old: OldFilm, window: Window) -> str:
    said = f"{old.made.waveform_hash} {window.source} {window.duration}"
    return blake2b(said.encode(), digest_size=8).hexdigest()


def _events(old: OldFilm, start: Fraction, end: Fraction, origin: int) -> Iterator[LaneEvent]:
    """The events of a shot, in seconds of the film, with the chance they were drawn from."""
    heard = _heard(old.recipe, len(old.made.cues))
    for cue, ids in zip(old.made.cues, heard, strict=True):
        first, last = old.begins + cue.start, old.begins + cue.end
        if cue.kind == "bed":
            first, last = max(first, start), min(last, end)
        if not start <= first < end or first >= last:
            continue
        stated = split_recording(cue.recording)[1]
        chance = chance_of(cue, old.made.config.seed) if stated is None else stated
        yield LaneEvent(at=first, length=last - first, cue=cue, chance=chance, origin=origin,
                        heard=ids)  # fmt: skip
        origin += 1


def _heard(recipe: Path, cues: int) -> list[tuple[str, ...]]:
    """Ids of the recordings of each cue, where the recipe says them."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        stated: list[dict[str, Any]] = json.loads(recipe.read_text(encoding="utf-8"))["cues"]
        return [tuple(map(str, cue.get(HEARD, ()))) for cue in stated]
    return [()] * cues


def cut_film(old: OldFilm, journal: Journal, folder: Path, source: Source) -> None:
    """Write the waves that a film's journal names: its own sound, shot by shot.

    The sound is read from the wave beside the film where that is it, else made again.

    Raises:
        ModelError: it cannot be made as it was, for the source of sound is another one now.
    """
    make_folder(folder)
    with scratch_folder() as scratch:
        whole = _sound_of(old, scratch, source)
        for shot in journal.shots:
            (wave,) = journal.lane(shot.lane).waves
            first = round((shot.window.source - old.begins) * RATE)
            last = round((shot.window.source + shot.window.duration - old.begins) * RATE)
            about = Broadcast(description=f"{shot.name[:200]} {wave.key} {wave.rows}",
                              start=shot.place)  # fmt: skip
            channels = soundfile.info(str(whole)).channels
            write_broadcast(folder / wave.path, _stretch(whole, first, last), RATE, channels,
                            about=about, overwrite=True)  # fmt: skip


def _stretch(wav: Path, first: int, last: int) -> Iterator[np.ndarray]:
    """Samples of a wave, exact; silence beyond its ends."""
    with soundfile.SoundFile(str(wav)) as file:
        if first < 0:
            yield np.zeros((min(-first, last - first), file.channels), np.float32)
        file.seek(min(max(0, first), len(file)))
        left = last - max(0, first)
        while left > 0:
            block = file.read(min(RATE, left), dtype="int32", always_2d=True)
            if not len(block):
                yield np.zeros((left, file.channels), np.float32)
                return
            yield block.astype(np.float32) * np.float32(2.0**-31)
            left -= len(block)


def _sound_of(old: OldFilm, scratch: Path, source: Source) -> Path:
    beside = old.recipe.with_name(old.made.out).with_suffix(".wav")
    if is_file(beside) and _hash(beside) == old.made.waveform_hash:
        return beside
    if source.fingerprint != old.made.source_fingerprint:
        raise ModelError(
            f"{old.made.out} was sounded by another version of {old.made.source}, and its wave is "
            "not beside it.",
            f"Put {beside.name} beside it (foley gen --wav), or sound {old.made.out} anew.",
        )
    config = replace(old.made.config, wav=True, stems=False, split=False, overwrite=True)
    out = scratch / f"again{old.film.path.suffix}"
    take = generate(old.film.path, out, config, source, cues=list(old.made.cues)).takes[0]
    assert take.wav is not None
    return take.wav


def _hash(wav: Path) -> str:
    """Of the samples of a 24-bit wave, as a recipe has it; "" of another file."""
    digest = blake2b(digest_size=16)
    try:
        with soundfile.SoundFile(str(wav)) as file:
            if (file.samplerate, file.subtype) != (RATE, "PCM_24"):
                return ""
            for block in file.blocks(blocksize=RATE, dtype="int32", always_2d=True):
                samples = np.ascontiguousarray(np.asarray(block, "<i4")).view(np.uint8)
                digest.update(samples.reshape(-1, 4)[:, 1:].tobytes())
    except (soundfile.SoundFileError, OSError, FoleyError):
        return ""
    return digest.hexdigest()
