"""The whole way: a clip goes in, its picture becomes features and cues, cues become a waveform,
and the waveform joins the untouched picture. Read this file first."""

import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from foleycli.clip.find import name_output
from foleycli.clip.moment import parse_time
from foleycli.clip.probe import Clip, probe
from foleycli.config import CHANNELS, OUTPUT, GenerateConfig
from foleycli.errors import FoleyError, ModelError, UsageError
from foleycli.frames.decode import Picture, decode_pictures
from foleycli.library.credits import credits_of
from foleycli.library.like import ask_like
from foleycli.mux.adm import write_scene
from foleycli.mux.bwf import Broadcast
from foleycli.mux.mux import check_mux, mux_audio
from foleycli.mux.names import adm_path, check_stems, name_parts, sound_paths, take_paths
from foleycli.mux.plan import Track
from foleycli.mux.sign import Made, Signing, check_signed, open_signing, signed_output
from foleycli.mux.stems import write_sound
from foleycli.mux.verify import Proof, verify_picture
from foleycli.output import atomic_output, check_output, scratch_folder
from foleycli.recipe import (
    Recipe,
    check_recipe,
    find_clip,
    read_recipe,
    recipe_first,
    recipe_path,
)
from foleycli.sources.budget import Choice, fit_budget
from foleycli.sources.objects import stage_objects
from foleycli.sources.open import Source, open_source
from foleycli.sources.played import Played, find_played, find_unheard, list_played, say_played
from foleycli.sources.staged import Staged, keep_layers, sound_parts, split_cues
from foleycli.spot.cues import NO_RECORDING, Cue, find_likes, read_cues
from foleycli.spot.features import Features
from foleycli.spot.select import check_cues, find_asked
from foleycli.spot.told import Eyes, open_eyes, tell
from foleycli.waveform.stems import limit_mix, limit_stems, sum_stems

LOG = logging.getLogger("foleycli")
LATE = Fraction(1, 10)  # seconds; an --out that is this far past the end is no rounded time

# (stage, how much of it is done, 0 to 1)
Progress = Callable[[str, float], None]


def silent(stage: str, done: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Take:
    """One finished output."""

    out: Path  # the video
    wav: Path | None  # the sound alone, a 24-bit 48 kHz broadcast wave, when asked for
    recipe: Path  # what made it; `foley redo` makes it again
    seed: int
    waveform_hash: str  # BLAKE2b of the 24-bit samples
    track: Track  # of the video, that it went into
    proof: Proof | None = None  # that the picture is the clip's, when asked for
    adm: Path | None = None  # the sound as a bed and objects, when asked for


@dataclass(frozen=True, slots=True)
class Result:
    """What `generate` made of one clip."""

    clip: Path
    model: str
    duration: Fraction  # seconds of sound
    cues: tuple[Cue, ...]
    takes: tuple[Take, ...]
    follows_cues: bool = True  # False: the model follows the picture itself, and finds no cues
    unheard: tuple[str, ...] = ()  # words that the library has no recording of


def generate(
    clip: str | Path,
    out: str | Path | None = None,
    config: GenerateConfig | None = None,
    source: Source | None = None,
    progress: Progress = silent,
    cues: list[Cue] | None = None,
    **options,
) -> Result:
    """Add sound effects that fit what is seen, and when, to a clip; the picture stays untouched.

    Args:
        clip: the video.
        out: the video to write; ``<name>_sfx`` beside the clip when None. Further takes are
            numbered: ``out_take2.mp4``.
        config: every option; ``options`` override single ones: ``generate(a, b, prompt="rain")``.
        source: an opened source of sound, to load it once for many clips.
        progress: told the stage and how much of it is done.
        cues: what sounds when, in place of what is found in the picture.

    Raises:
        FoleyError: one of its kinds, before anything slow where that is possible.
    """
    config = replace(config or GenerateConfig(), **options)
    film = probe(Path(clip))
    start, end = find_span(film, config)
    eyes = open_eyes(config)
    with ThreadPoolExecutor(1) as beside:  # networks are read while ffmpeg tries the output
        opened = None if source else beside.submit(open_source, config)
        outs = plan_outputs(film, out, config)
        edited = read_sheet(config) if config.cues else cues
    source = opened.result() if opened else source
    assert source

    features = watch(source, film, start, end, config, progress)
    if edited is None:
        features = _told(features, film, start, eyes, progress)
    found = find_wanted(features, config) if edited is None else edited
    if edited is not None and config.cues and config.like:
        found = ask_like(found, Path(config.like), keep_words=True)
    check_cues(found, config)
    found = keep_layers(found, features, config)
    unheard = find_unheard(found, find_played(source, features, found, config))
    _tell_missing(unheard, film)
    seeds = range(config.seed, config.seed + config.takes)
    takes = tuple(
        make_take(film, take_out, features, found, source, replace(config, seed=seed), told)
        for take_out, seed, told in zip(outs, seeds, _shared(progress, config.takes), strict=True)
    )
    _tell_unheard(edited or [], features.duration, film)
    if end is not None and end - start - features.duration > LATE:
        LOG.warning(
            "%s ends at %.2f s, before --out.", film.path.name, float(start + features.duration)
        )
    duration, follows = features.duration, features.says_what
    return Result(film.path, source.name, duration, tuple(found), takes, follows, unheard)


def read_sheet(config: GenerateConfig) -> list[Cue]:
    """The cues of the sheet that is asked for; files that they name lie beside it."""
    sheet = Path(config.cues or "")
    return find_likes(read_cues(sheet), sheet.parent)


def make_take(
    film: Clip,
    out: Path,
    features: Features,
    cues: list[Cue],
    source: Source,
    config: GenerateConfig,
    progress: Progress,
) -> Take:
    """Render one take, join it to the picture and write down how it was made."""
    start, _ = find_span(film, config)
    with scratch_folder() as folder:
        sound = folder / "foley.wav"
        about = describe_sound(film, start, config)
        mixed = config.mode in ("mix", "duck") and film.main_sound is not None
        target = None if mixed else config.target
        staged = _staged(source, features, cues, config, progress)
        stems = name_parts(staged.names, config)
        waveform_hash = write_sound(
            sound,
            _heard(_limited(staged, config, keep=bool(stems)), features, progress),
            lambda _: about,
            stems=stems,
            channels=staged.channels,
            split=config.split,
            target=target,
        )
        if config.adm:
            scene = stage_objects(source, features, cues, config)
            write_scene(adm_path(sound), scene, about, target)
        progress("muxing", 0.0)
        recipe = recipe_path(out)
        made = Recipe.of(film, out, config, source, cues, waveform_hash)
        played = find_played(source, features, cues, config)
        with recipe_first(recipe, made, say_played(cues, played), list_played(played)):
            signing = open_signing(config)
            whose = _made_of(film, source, played, config)
            with signed_output(out, signing, whose, overwrite=config.overwrite) as joined:
                track = mux_audio(
                    film,
                    sound,
                    joined,
                    mode=config.mode,
                    offset=start,
                    loudness=config.target,
                    overwrite=config.overwrite,
                )
            proof = verify_picture(film, out) if config.verify else None
            wav = _keep_wavs(sound, out, config, signing, whose)
    progress("muxing", 1.0)
    adm = adm_path(out.with_suffix(".wav")) if config.adm else None
    return Take(out, wav, recipe, config.seed, waveform_hash, track, proof, adm)


def describe_sound(film: Clip, start: Fraction, config: GenerateConfig) -> Broadcast:
    """What the sound's file says of itself: whose it is, and where it lies on the film's clock."""
    scene, take = film.path.stem, str(config.seed)
    if film.timecode is None:
        return Broadcast(start=start, scene=scene, take=take)
    return Broadcast(
        start=film.timecode.seconds + start,
        frame_rate=film.timecode.rate,
        drop_frame=film.timecode.drop,
        scene=scene,
        take=take,
    )


@dataclass(frozen=True, slots=True)
class Spotted:
    """What would sound in a clip, and with which recordings."""

    clip: Path
    model: str
    duration: Fraction  # seconds
    cues: tuple[Cue, ...]
    played: list[Played] | None  # the recordings of each; None: the model makes its own sounds

    @property
    def remarks(self) -> list[str]:
        """What is played for each cue, in words: "dog_012: dog bark"."""
        return say_played(self.cues, self.played)

    @property
    def unheard(self) -> tuple[str, ...]:
        """The words that the library has no recording of."""
        return find_unheard(self.cues, self.played)


def spot(
    clip: str | Path,
    config: GenerateConfig | None = None,
    progress: Progress = silent,
    source: Source | None = None,
    **options,
) -> Spotted:
    """The cues `generate` would set sounds at, and the recordings it would play for them;
    ``config``, ``source`` and ``options`` as there."""
    config = replace(config or GenerateConfig(), **options)
    film = probe(Path(clip))
    eyes = open_eyes(config)
    source = source or open_source(config)
    start, end = find_span(film, config)
    features = watch(source, film, start, end, config, progress)
    features = _told(features, film, start, eyes, progress)
    cues = find_wanted(features, config)
    played = find_played(source, features, cues, config)
    _tell_missing(find_unheard(cues, played), film)
    return Spotted(film.path, source.name, features.duration, tuple(cues), played)


def look(
    clip: str | Path,
    config: GenerateConfig | None = None,
    progress: Progress = silent,
    **options,
) -> list[Cue]:
    """The cues `generate` would set sounds at; ``config`` and ``options`` as there."""
    return list(spot(clip, config, progress, **options).cues)


def find_wanted(features: Features, config: GenerateConfig) -> list[Cue]:
    """The cues of what was seen, as the options ask for them."""
    found = find_asked(features, config)
    return ask_like(found, Path(config.like), bool(config.prompt)) if config.like else found


def redo(
    recipe: str | Path,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple[Take, bool]:
    """Make an output again from its recipe.

    Returns:
        the take, and whether its samples are those of the first time.

    Raises:
        MediaError: the clip is gone or has changed, or the recipe cannot be read.
        ModelError: the source of sound is another one than then.
    """
    path = Path(recipe)
    made = read_recipe(path)
    clip = find_clip(made, path)
    config = replace(made.config, model=made.source, overwrite=overwrite)
    source = open_source(config)
    if source.fingerprint != made.source_fingerprint:
        raise ModelError(
            f"The recipe was made with another version of {made.source}.",
            f"Install foleycli {made.foleycli}, or run foley gen anew.",
        )
    out = out or path.with_name(made.out)
    take = generate(clip, out, config, source, progress, cues=list(made.cues)).takes[0]
    return take, take.waveform_hash == made.waveform_hash


def find_span(film: Clip, config: GenerateConfig) -> tuple[Fraction, Fraction | None]:
    """Seconds from the first frame between which sound is wanted; the whole clip by default."""
    start = parse_time(config.start, film) if config.start else Fraction(0)
    end = parse_time(config.end, film) if config.end else None
    if end is not None and end <= start:
        raise UsageError(
            f"--out {config.end} is not after --in {config.start or 0}.", "Swap or correct them."
        )
    return start, end


def fit_span(film: Clip, config: GenerateConfig) -> Choice:
    """What a budget buys for what is to be sounded of a clip."""
    start, end = find_span(film, config)
    ends = [time for time in (end, film.duration) if time is not None]
    return fit_budget(config, max(min(ends) - start, Fraction(0)) if ends else None)


def plan_outputs(film: Clip, out: str | Path | None, config: GenerateConfig) -> list[Path]:
    """The video each take will be written to.

    Raises:
        OutputExistsError: one is there and ``overwrite`` is off, or it is the clip itself.
    """
    first = Path(out) if out else name_output(film.path)
    outs = take_paths(first, config.takes)
    if open_signing(config):
        check_signed(first)
    for planned in outs:
        channels = CHANNELS[config.channels]
        check_mux(film, planned, config.mode, channels=channels, overwrite=config.overwrite)
        check_recipe(planned, overwrite=config.overwrite)
        for wav in sound_paths(planned, config):
            check_output(wav, overwrite=config.overwrite)
    return outs


def _tell_missing(words: tuple[str, ...], film: Clip) -> None:
    if words:
        LOG.warning("%s: %s: %s.", film.path.name, NO_RECORDING, ", ".join(words))


def _tell_unheard(cues: list[Cue], duration: Fraction, film: Clip) -> None:
    unheard = sum(cue.start >= duration for cue in cues)
    if unheard:
        LOG.warning(
            "%s: %d of %d cues begin after the end, at %.2f s, and are not heard.",
            film.path.name,
            unheard,
            len(cues),
            float(duration),
        )


def _staged(
    source: Source,
    features: Features,
    cues: list[Cue],
    config: GenerateConfig,
    progress: Progress,
) -> Staged:
    """The sound in its parts, each set in the space of the film."""
    if (config.stems or config.adm) and not config.source:
        check_stems(features, source.name, "--stems" if config.stems else "--adm")
    parts = split_cues(cues, config)
    return sound_parts(source, features, parts, config, partial(progress, "sounding"))


def _limited(staged: Staged, config: GenerateConfig, *, keep: bool) -> Iterator[np.ndarray]:
    """Blocks with their peaks held: (samples, channels), or its stems (samples, stems * channels)
    where those are kept."""
    channels = staged.channels
    if keep or config.source:
        stems = limit_stems(staged.blocks, channels)
        return stems if keep else (sum_stems(block, channels) for block in stems)
    return limit_mix(staged.blocks, channels)


def _shared(progress: Progress, takes: int) -> Iterator[Progress]:
    """For each take a progress of its own, which tells how far all of them have come."""

    def take_number(number: int) -> Progress:
        def told(stage: str, done: float) -> None:
            if stage == "sounding":
                progress(stage, (number + done) / takes)
            elif number == takes - 1:
                progress(stage, done)

        return told

    return (take_number(number) for number in range(takes))


def watch(
    source: Source,
    film: Clip,
    start: Fraction,
    end: Fraction | None,
    config: GenerateConfig,
    progress: Progress = silent,
) -> Features:
    """What a source sees in a span, with those words in mind that it looks for."""
    words = config.source
    if not words and config.prompt and getattr(source, "reads_words", False):
        words = (config.prompt,)
    pictures = _watched(film, start, end, progress)
    return source.encode(pictures, words) if words else source.encode(pictures)


def _told(
    features: Features,
    film: Clip,
    start: Fraction,
    eyes: Eyes | None,
    progress: Progress,
) -> Features:
    """Features with what the user's own model says of every shot (``--eyes``)."""
    if eyes is None:
        return features
    return tell(
        features, film, eyes, lambda time: start + time, lambda done: progress("asking", done)
    )


def _watched(
    film: Clip, start: Fraction, end: Fraction | None, progress: Progress
) -> Iterator[Picture]:
    """The pictures of a span, telling how much of it has gone by."""
    ends = [time for time in (end, film.duration) if time is not None]
    length = min(ends) - start if ends else Fraction(0)
    for picture in decode_pictures(film, start, end):
        progress("looking", min(float(picture.time / length), 1.0) if length > 0 else 0.0)
        yield picture
    progress("looking", 1.0)


def _heard(
    blocks: Iterator[np.ndarray], features: Features, progress: Progress
) -> Iterator[np.ndarray]:
    total = max(1, round(features.duration * OUTPUT.sample_rate))
    samples = 0
    for block in blocks:
        yield block
        samples += len(block)
        progress("sounding", samples / total)


def _made_of(
    film: Clip, source: Source, played: list[Played] | None, config: GenerateConfig
) -> Made:
    """What credentials say of an output."""
    ids = (one for some in list_played(played) for one in some)
    credits, licence = credits_of(ids, config.library), getattr(source, "licence", "")
    return Made((film.path,), source.name, credits, generated=played is None, licence=licence)


def _keep_wavs(
    sound: Path, out: Path, config: GenerateConfig, signing: Signing | None, whose: Made
) -> Path | None:
    """Copy the waves that are asked for beside the video; the wave of the whole."""
    asked = sound_paths(out, config)
    made = [sound.with_name(sound.stem + wav.name.removeprefix(out.stem)) for wav in asked]
    done: list[Path] = []
    try:
        for wave, wav in zip(made, asked, strict=True):
            if not wave.exists():
                continue  # a layer that does not sound
            is_new = not wav.exists()
            with (
                signed_output(wav, signing, whose, overwrite=config.overwrite) as place,
                atomic_output(place, overwrite=config.overwrite) as beside,
            ):
                shutil.copyfile(wave, beside)
            done += [wav] if is_new else []
    except FoleyError:  # the disk is full: what has no recipe is not left behind
        for path in (*done, *(() if config.overwrite else (out,))):
            path.unlink(missing_ok=True)
        raise
    return asked[0] if asked and asked[0] == out.with_suffix(".wav") else None
