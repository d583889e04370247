"""Stems of a clip, balanced as its picture and its speech ask, by gains that an editor can change.

The whole way: stems are heard once, the rule says gains for every second or shot, the gains are
applied, and the sum joins the untouched picture. Known stems need no network but the one that
hears speech, and no torch.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from foleycli.clip.media import check_unchanged, content_hash
from foleycli.clip.probe import Clip, probe
from foleycli.config import HIGHLIGHT, LOUDNESS, HighlightConfig, LoudnessTarget
from foleycli.errors import MediaError, UsageError
from foleycli.highlight.curves import (
    Span,
    Stem,
    fill_gaps,
    read_gains,
    write_gains,
)
from foleycli.highlight.keyframes import check_keyframes, write_keyframes
from foleycli.highlight.levels import Levels, hear_stems
from foleycli.highlight.picture import read_motion, seen_effects
from foleycli.highlight.recipe import (
    HighlightRecipe,
    find_sounds,
    read_recipe,
    relative,
    same_file,
    write_recipe,
)
from foleycli.highlight.remix import Remix, settle
from foleycli.highlight.rule import ALIKE, FITS, NO_SPEECH, Seen, balance, second_edges
from foleycli.highlight.separate import Separator, find_separator, separate
from foleycli.highlight.stems import Stems, ahead, open_stems
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.mux.mux import Track, check_mux, mux_audio
from foleycli.output import check_output, make_folder, scratch_folder
from foleycli.recipe import check_recipe, recipe_path
from foleycli.waveform.loudness import to_db

LOG = logging.getLogger("foleycli")
MODES = ("track", "mix", "replace")
PER = ("second", "shot")
TITLE = "Mix"
WAVE = ".wav"  # an output of this kind is the sound alone
Sound = str | Path | tuple[Path, int]  # a file, a track's number, a file's stream
Progress = Callable[[str, float], None]


def silent(stage: str, done: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HighlightRequest:
    """What is asked of one clip beside the balance itself."""

    mode: str = "track"  # extra track; first track with the clip's own in it; or the only one
    loudness: str | None = None  # a name of LOUDNESS that the mix is brought to by one gain
    gains: Path | None = None  # followed where it is there, else written
    stems: Path | None = None  # folder for the balanced stems
    keyframes: Path | None = None  # timeline of the stems as they are, with volume keyframes
    wav: bool = False
    learned: Path | None = None  # of foley train highlight, in place of the rule
    weights: Path | None = None  # of VisAH's network, which gives the clip's own mix anew
    context: Path | None = None  # rows of what is seen, for it
    separator: str | None = None  # what takes a mix apart; the best that is installed when None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Highlighted:
    """What `highlight` made of one clip."""

    clip: Path
    out: Path
    duration: Fraction  # seconds
    stems: tuple[Stem, ...]
    spans: tuple[Span, ...]
    gain_db: float  # of the whole, for the peak or a loudness
    recipe: Path
    waveform_hash: str  # BLAKE2b of the 24-bit samples
    files: tuple[Path, ...] = ()  # gains, wave and stems that were written beside
    followed: bool = False  # whether the gains are those of a table
    track: Track | None = None  # of the video, that the mix went into
    sources: Stems | None = None  # what was turned; None where a mix was parted or given anew


def highlight(
    clip: str | Path,
    out: str | Path | None,
    sounds: Mapping[Stem, Sequence[Sound]],
    config: HighlightConfig = HIGHLIGHT,
    request: HighlightRequest | None = None,
    progress: Progress = silent,
) -> Highlighted:
    """Balance the stems of a clip; the picture stays untouched.

    Args:
        out: the video to write, or a ``.wav`` for the sound alone; ``<name>_mix`` beside the clip
            when None.
        sounds: of each stem files, or numbers of the clip's own tracks from 1. With mode mix the
            clip's first own track joins the dialogue where none of its tracks is named.

    Raises:
        FoleyError: one of its kinds, before anything slow where that is possible.
    """
    request = request or HighlightRequest()
    film = probe(Path(clip))
    _check(config, request)
    target = LOUDNESS[request.loudness] if request.loudness else None
    place = Path(out) if out else film.path.with_name(f"{film.path.stem}_mix{film.path.suffix}")
    sources, by = _open(film, sounds, request)
    _check_outputs(film, place, sources, request, by)
    before = _hashes(sources)
    followed = request.gains is not None and request.gains.is_file()
    with scratch_folder() as folder:
        stems = _parted(sources, by, folder, progress)
        if request.weights is not None:
            stems, spans = _remade(sources, folder, config, request.weights, request, progress)
        elif followed:
            spans = _followed(request.gains, stems)
        elif request.learned:
            spans = _learned_gains(film, stems, config, request.learned, progress)
        else:
            spans = find_gains(film, stems, config, progress, by)
        job = _Job(film, place, sources, stems, spans, config, request, target, by)
        made = _make(job, progress)
    for path, digest in before.items():
        check_unchanged(path, digest)
    return replace(made, followed=followed)


def find_gains(
    film: Clip,
    stems: Stems,
    config: HighlightConfig,
    progress: Progress = silent,
    by: Separator | None = None,
) -> list[Span]:
    """What the rule turns each stem by; the picture is looked at only where a term asks for it.

    Args:
        by: what took a mix apart into these stems, if something did.
    """
    there = "effects" in stems.names
    looks = there and bool(config.seen_db or config.close_db)
    onsets = ("effects",) if looks else ()
    levels = hear_stems(
        stems,
        onsets=onsets,
        alike=is_voice_alone(by),
        told=lambda done: progress("looking", done),
    )
    progress("looking", 1.0)
    edges = _edges(film, stems, config)
    seen = seen_effects(levels, read_motion(film.path), edges) if looks else None
    if there and config.words_db:
        from foleycli.highlight.words import find_words  # networks that hear and see

        words = find_words(film.path, stems, edges, config.named)
        seen = replace(seen or Seen(), words=words)
    spans = rule_gains(levels, edges, config, seen, by)
    if by and spans[0].reason in (NO_SPEECH, FITS, ALIKE):
        LOG.warning("%s", spans[0].reason)
    return spans


def rule_gains(
    levels: Levels,
    edges: list[Fraction],
    config: HighlightConfig,
    seen: Seen | None = None,
    by: Separator | None = None,
) -> list[Span]:
    """The rule, within what the separator that made the stems allows."""
    if by is None:
        return balance(levels, edges, config, seen)
    bounded = replace(config, max_gain_db=min(config.max_gain_db, by.most_db))
    parts = len(by.parts)
    return balance(levels, edges, bounded, seen, parted=parts, most_alike=by.most_alike)


def is_voice_alone(by: Separator | None) -> bool:
    """Whether a mix was taken apart into a voice and all the rest."""
    return by is not None and len(by.parts) == 2


def _edges(film: Clip, stems: Stems, config: HighlightConfig) -> list[Fraction]:
    """Where spans begin: every second, or every cut."""
    if config.per == "second":
        return second_edges(stems.duration)
    from foleycli.timeline.cuts import find_cuts  # decodes with torch's help

    cuts, _ = find_cuts(film)
    # a table counts microseconds
    at = [Fraction(round(cut * 1_000_000), 1_000_000) for cut in cuts if cut < stems.duration]
    return [Fraction(0), *at, stems.duration]


def _learned_gains(
    film: Clip, stems: Stems, config: HighlightConfig, folder: Path, progress: Progress
) -> list[Span]:
    from foleycli.highlight.learned import LearnedBalance  # torch

    net = LearnedBalance.open(folder)
    motion = read_motion(film.path)
    progress("looking", 0.5)
    return net.spans(stems, motion, config)


def redo(
    recipe: str | Path,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple[Highlighted, bool]:
    """Make a balanced mix again from its recipe.

    Returns:
        what was made, and whether its samples are those of the first time.

    Raises:
        MediaError: the clip or a sound is gone or has changed, or the recipe cannot be read.
    """
    path = Path(recipe)
    made = read_recipe(path)
    film = probe(same_file(path, made.clip, made.clip_hash))
    request = HighlightRequest(mode=made.mode, loudness=made.loudness, overwrite=overwrite)
    _check(made.config, request)
    target = LOUDNESS[made.loudness] if made.loudness else None
    sources = open_stems(film, find_sounds(made, path), Fraction(made.duration))
    place = Path(out) if out else path.with_name(made.out)
    by = find_separator(made.separator) if made.separator else None
    if made.model:
        weights = same_file(path, made.model["weights"], made.model["weights_hash"])
        rows = made.model.get("context")
        context = same_file(path, rows, made.model["context_hash"]) if rows else None
        request = replace(request, weights=weights, context=context)
    _check_outputs(film, place, sources, request, by)
    with scratch_folder() as folder:
        stems = _parted(sources, by, folder, progress)
        if request.weights is not None:
            stems, _ = _remade(sources, folder, made.config, request.weights, request, progress)
        job = _Job(film, place, sources, stems, made.spans, made.config, request, target, by)
        again = _make(job, progress)
    return again, again.waveform_hash == made.waveform_hash


@dataclass(frozen=True, slots=True)
class _Job:
    """All that an output is made from."""

    film: Clip
    out: Path
    sources: Stems  # as they were given
    stems: Stems  # as they are turned: the same, or the parts of a mix
    spans: Sequence[Span]
    config: HighlightConfig
    request: HighlightRequest
    target: LoudnessTarget | None
    by: Separator | None = None  # what took a mix apart


def _open(
    film: Clip, sounds: Mapping[Stem, Sequence[Sound]], request: HighlightRequest
) -> tuple[Stems, Separator | None]:
    """What is balanced, and what takes it apart where it is the clip's own mix alone."""
    if any(sounds.values()):
        return open_stems(film, _with_own(film, sounds, request.mode)), None
    if not film.audio:
        raise MediaError(
            f"{film.path.name} has no sound of its own to balance.",
            "Give --dialogue, --music or --effects.",
        )
    by = None if request.weights else find_separator(request.separator)
    return open_stems(film, {"effects": ["1"]}), by


def _remade(
    mix: Stems,
    folder: Path,
    config: HighlightConfig,
    weights: Path,
    request: HighlightRequest,
    progress: Progress,
) -> tuple[Stems, list[Span]]:
    from foleycli.highlight.remade import remake  # torch

    def told(done: float) -> None:
        progress("looking", done)

    return remake(mix, folder, weights, request.context, config.strength, told)


def _parted(sources: Stems, by: Separator | None, folder: Path, progress: Progress) -> Stems:
    if by is None:
        return sources
    return separate(sources, "effects", folder, by, lambda done: progress("looking", done / 2))


def _make(job: _Job, progress: Progress) -> Highlighted:
    remix = settle(
        Remix.of(job.stems, job.spans),
        job.target,
        told=lambda done: progress("sounding", done / 2),
        exact=job.config.strength == 0 if job.request.weights else None,
    )
    out, request = job.out, job.request
    track: Track | None = None
    with scratch_folder() as folder:
        wav = out if out.suffix.lower() == WAVE else folder / "mix.wav"
        digest = write_broadcast(
            wav,
            ahead(remix.mix(lambda done: progress("sounding", 0.5 + done / 2))),
            job.stems.sample_rate,
            job.stems.channels,
            about=_about(job.film, out.stem, TITLE),
            overwrite=request.overwrite,
        )
        if wav != out:
            progress("muxing", 0.0)
            track = mux_audio(
                job.film,
                wav,
                out,
                mode=request.mode,
                title=TITLE,
                is_mix=True,
                overwrite=request.overwrite,
            )
        files = _write_beside(job, remix)
    recipe = recipe_path(out)
    write_recipe(
        recipe,
        HighlightRecipe.of(
            job.film,
            out,
            job.sources,
            job.spans,
            job.config,
            mode=request.mode,
            loudness=request.loudness,
            separator=job.by.name if job.by else "",
            model=_model(out, request),
            waveform_hash=digest,
        ),
    )
    progress("muxing", 1.0)
    stems, gain_db = job.stems, to_db(remix.gain)
    return Highlighted(
        job.film.path,
        out,
        stems.duration,
        stems.names,
        tuple(job.spans),
        gain_db,
        recipe,
        digest,
        tuple(files),
        track=track,
        sources=job.sources if job.stems is job.sources else None,
    )


def _model(out: Path, request: HighlightRequest) -> dict[str, str]:
    """What a recipe says of the network that gave the mix anew; nothing where none did."""
    if request.weights is None:
        return {}
    files = {"weights": request.weights, "context": request.context}
    said = {"name": "visah"}
    for name, path in files.items():
        if path is not None:
            said |= {name: relative(path, out.parent), f"{name}_hash": content_hash(path)}
    return said


def _write_beside(job: _Job, remix: Remix) -> list[Path]:
    """The stems, the wave and the table that were asked for."""
    out, request, stems = job.out, job.request, remix.stems
    shape = (stems.sample_rate, stems.channels)
    written = []
    for stem, path in _stem_paths(out, stems.names, request).items():
        make_folder(path.parent)
        about = _about(job.film, out.stem, stem.title())
        write_broadcast(path, remix.stem(stem), *shape, about=about, overwrite=request.overwrite)
        written.append(path)
    if request.wav and out.suffix.lower() != WAVE:
        path = out.with_suffix(WAVE)
        about = _about(job.film, out.stem, TITLE)
        write_broadcast(path, remix.mix(), *shape, about=about, overwrite=request.overwrite)
        written.append(path)
    if request.keyframes:
        path, again = request.keyframes, request.overwrite
        write_keyframes(path, job.film, job.sources, job.spans, overwrite=again)
        written.append(path)
    if request.gains and not request.gains.is_file():
        write_gains(request.gains, job.spans)
        written.append(request.gains)
    return written


def _check(config: HighlightConfig, request: HighlightRequest) -> None:
    if not 0 <= config.strength <= 1:
        raise UsageError(f"--strength {config.strength:g} is not from 0 to 1.", "Give 0.5, say.")
    if not 0 <= config.max_gain_db <= 60:
        raise UsageError(f"--max-gain {config.max_gain_db:g} is not from 0 to 60.", "Give 12, say.")
    if config.per not in PER:
        raise UsageError(f"--per {config.per} is not known.", f"Give {' or '.join(PER)}.")
    if request.mode not in MODES:
        raise UsageError(f"Mode {request.mode} is not known.", f"Give {', '.join(MODES)}.")
    if request.loudness is not None and request.loudness not in LOUDNESS:
        raise UsageError(
            f"--loudness {request.loudness} is not known.", f"Give {', '.join(LOUDNESS)}."
        )


def _check_outputs(
    film: Clip, out: Path, stems: Stems, request: HighlightRequest, by: Separator | None
) -> None:
    inputs = tuple(
        {film.path, *(part.path for several in stems.parts.values() for part in several)}
    )
    if out.suffix.lower() == WAVE:
        check_output(out, overwrite=request.overwrite, inputs=inputs)
    else:
        check_output(out, overwrite=request.overwrite, inputs=inputs)
        check_mux(film, out, request.mode, overwrite=request.overwrite)
    check_recipe(out, overwrite=request.overwrite)
    names = by.parts if by else stems.names
    beside = [*_stem_paths(out, names, request).values()]
    if request.wav and out.suffix.lower() != WAVE:
        beside.append(out.with_suffix(WAVE))
    if request.keyframes:
        if by or request.weights:
            raise UsageError(
                "A mix alone has no stems that keyframes could turn.",
                "Leave out --keyframes, or give --dialogue, --music and --effects.",
            )
        check_keyframes(request.keyframes)
        beside.append(request.keyframes)
    for path in beside:
        if path.parent.is_dir():
            check_output(path, overwrite=request.overwrite, inputs=inputs)
    if request.gains and not request.gains.is_file():
        check_output(request.gains)


def _stem_paths(out: Path, names: Sequence[Stem], request: HighlightRequest) -> dict[Stem, Path]:
    if request.stems is None:
        return {}
    return {stem: request.stems / f"{out.stem}_{stem}{WAVE}" for stem in names}


def _with_own(
    film: Clip, sounds: Mapping[Stem, Sequence[Sound]], mode: str
) -> dict[Stem, list[Sound]]:
    asked = {stem: list(several) for stem, several in sounds.items()}
    named = any(isinstance(one, str) and one.isdigit() for many in asked.values() for one in many)
    if mode == "mix" and not named:
        if not film.audio:
            raise MediaError(f"{film.path.name} has no sound of its own.", "Leave out --mix.")
        asked.setdefault("dialogue", []).insert(0, "1")
    return asked


def _followed(gains: Path | None, stems: Stems) -> list[Span]:
    assert gains is not None
    spans = read_gains(gains)
    named = {stem for span in spans for stem in span.gains_db}
    for stem in sorted(named - set(stems.names)):
        LOG.warning("%s turns the %s, of which there is none", gains.name, stem)
    return fill_gaps(spans, stems.duration)


def _about(film: Clip, scene: str, track: str) -> Broadcast:
    if film.timecode is None:
        return Broadcast(scene=scene, track_names=(track,))
    return Broadcast(
        start=film.timecode.seconds,
        frame_rate=film.timecode.rate,
        drop_frame=film.timecode.drop,
        scene=scene,
        track_names=(track,),
    )


def _hashes(stems: Stems) -> dict[Path, str]:
    paths = {part.path for several in stems.parts.values() for part in several}
    return {path: content_hash(path) for path in sorted(paths)}
