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
from foleycli.highlight.levels import hear_stems
from foleycli.highlight.recipe import (
    HighlightRecipe,
    find_sounds,
    read_recipe,
    same_file,
    write_recipe,
)
from foleycli.highlight.remix import Remix, settle
from foleycli.highlight.rule import balance, second_edges
from foleycli.highlight.stems import Stems, open_stems
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.mux.mux import check_mux, mux_audio
from foleycli.output import check_output, make_folder, scratch_folder
from foleycli.recipe import check_recipe, recipe_path
from foleycli.waveform.loudness import to_db

LOG = logging.getLogger("foleycli")
MODES = ("track", "mix", "replace")
TITLE = "Mix"
WAVE = ".wav"  # an output of this kind is the sound alone
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
    wav: bool = False
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


def highlight(
    clip: str | Path,
    out: str | Path | None,
    sounds: Mapping[Stem, Sequence[str | Path | tuple[Path, int]]],
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
    stems = open_stems(film, _with_own(film, sounds, request.mode))
    _check_outputs(film, place, stems, request)
    before = _hashes(stems)
    followed = request.gains is not None and request.gains.is_file()
    if followed:
        spans = _followed(request.gains, stems)
    else:
        spans = find_gains(film, stems, config, progress)
    made = _make(film, place, stems, spans, config, request, target, progress)
    for path, digest in before.items():
        check_unchanged(path, digest)
    return replace(made, followed=followed)


def find_gains(
    film: Clip, stems: Stems, config: HighlightConfig, progress: Progress = silent
) -> list[Span]:
    """What the rule turns each stem by."""
    levels = hear_stems(stems, told=lambda done: progress("looking", done))
    progress("looking", 1.0)
    return balance(levels, second_edges(stems.duration), config)


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
    stems = open_stems(film, find_sounds(made, path), Fraction(made.duration))
    place = Path(out) if out else path.with_name(made.out)
    _check_outputs(film, place, stems, request)
    again = _make(film, place, stems, made.spans, made.config, request, target, progress)
    return again, again.waveform_hash == made.waveform_hash


def _make(
    film: Clip,
    out: Path,
    stems: Stems,
    spans: Sequence[Span],
    config: HighlightConfig,
    request: HighlightRequest,
    target: LoudnessTarget | None,
    progress: Progress,
) -> Highlighted:
    remix = settle(Remix.of(stems, spans), target, told=lambda done: progress("sounding", done / 2))
    files: list[Path] = []
    with scratch_folder() as folder:
        wav = out if out.suffix.lower() == WAVE else folder / "mix.wav"
        digest = write_broadcast(
            wav,
            remix.mix(lambda done: progress("sounding", 0.5 + done / 2)),
            stems.sample_rate,
            stems.channels,
            about=_about(film, out.stem, "Mix"),
            overwrite=request.overwrite,
        )
        if wav != out:
            progress("muxing", 0.0)
            mux_audio(
                film,
                wav,
                out,
                mode=request.mode,
                title=TITLE,
                is_mix=True,
                overwrite=request.overwrite,
            )
        files += _write_beside(film, out, remix, request, spans)
    recipe = recipe_path(out)
    write_recipe(
        recipe,
        HighlightRecipe.of(
            film,
            out,
            stems,
            spans,
            config,
            mode=request.mode,
            loudness=request.loudness,
            waveform_hash=digest,
        ),
    )
    progress("muxing", 1.0)
    gain_db = to_db(remix.gain)
    return Highlighted(
        film.path,
        out,
        stems.duration,
        stems.names,
        tuple(spans),
        gain_db,
        recipe,
        digest,
        tuple(files),
    )


def _write_beside(
    film: Clip, out: Path, remix: Remix, request: HighlightRequest, spans: Sequence[Span]
) -> list[Path]:
    """The stems, the wave and the table that were asked for."""
    written = []
    rate, channels = remix.stems.sample_rate, remix.stems.channels
    for stem, path in _stem_paths(out, remix.stems, request).items():
        make_folder(path.parent)
        about = _about(film, out.stem, stem.title())
        write_broadcast(
            path, remix.stem(stem), rate, channels, about=about, overwrite=request.overwrite
        )
        written.append(path)
    if request.wav and out.suffix.lower() != WAVE:
        path = out.with_suffix(WAVE)
        about = _about(film, out.stem, "Mix")
        write_broadcast(path, remix.mix(), rate, channels, about=about, overwrite=request.overwrite)
        written.append(path)
    if request.gains and not request.gains.is_file():
        write_gains(request.gains, spans)
        written.append(request.gains)
    return written


def _check(config: HighlightConfig, request: HighlightRequest) -> None:
    if not 0 <= config.strength <= 1:
        raise UsageError(f"--strength {config.strength:g} is not from 0 to 1.", "Give 0.5, say.")
    if not 0 <= config.max_gain_db <= 60:
        raise UsageError(f"--max-gain {config.max_gain_db:g} is not from 0 to 60.", "Give 12, say.")
    if request.mode not in MODES:
        raise UsageError(f"Mode {request.mode} is not known.", f"Give {', '.join(MODES)}.")
    if request.loudness is not None and request.loudness not in LOUDNESS:
        raise UsageError(
            f"--loudness {request.loudness} is not known.", f"Give {', '.join(LOUDNESS)}."
        )


def _check_outputs(film: Clip, out: Path, stems: Stems, request: HighlightRequest) -> None:
    inputs = tuple(
        {film.path, *(part.path for several in stems.parts.values() for part in several)}
    )
    if out.suffix.lower() == WAVE:
        check_output(out, overwrite=request.overwrite, inputs=inputs)
    else:
        check_output(out, overwrite=request.overwrite, inputs=inputs)
        check_mux(film, out, request.mode, overwrite=request.overwrite)
    check_recipe(out, overwrite=request.overwrite)
    beside = [*_stem_paths(out, stems, request).values()]
    if request.wav and out.suffix.lower() != WAVE:
        beside.append(out.with_suffix(WAVE))
    for path in beside:
        if path.parent.is_dir():
            check_output(path, overwrite=request.overwrite, inputs=inputs)
    if request.gains and not request.gains.is_file():
        check_output(request.gains)


def _stem_paths(out: Path, stems: Stems, request: HighlightRequest) -> dict[Stem, Path]:
    if request.stems is None:
        return {}
    return {stem: request.stems / f"{out.stem}_{stem}{WAVE}" for stem in stems.names}


def _with_own(
    film: Clip, sounds: Mapping[Stem, Sequence[str | Path | tuple[Path, int]]], mode: str
) -> dict[Stem, list[str | Path | tuple[Path, int]]]:
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
