"""``foley highlight``: dialogue, music and effects balanced, by gains that can be edited."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings, show_progress
from foleycli.cli.say import say
from foleycli.config import HIGHLIGHT, LOUDNESS
from foleycli.errors import UsageError

Sound = Annotated[
    list[str] | None,
    typer.Option(help="A file, or the number of one of the clip's own tracks; may be repeated."),
]
LOOKING = 0.5  # share of the work that listening is


def highlight(
    clip: options.Clip,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Video to write, or a .wav for the sound alone. By default <name>_mix beside it.",
        ),
    ] = None,
    dialogue: Sound = None,
    music: Sound = None,
    effects: Sound = None,
    stems_from: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="A folder of stems, told apart by their names: DX, music, shot_sfx_hits.",
        ),
    ] = None,
    strength: Annotated[
        float, typer.Option(help="0 leaves all as it is, bit for bit; 1 is all of the rule.")
    ] = HIGHLIGHT.strength,
    max_gain: Annotated[
        float, typer.Option(help="dB that a stem goes up or down, at most.")
    ] = HIGHLIGHT.max_gain_db,
    speech_over_music: Annotated[
        float, typer.Option(help="LU between speech and music.")
    ] = HIGHLIGHT.speech_over_music,
    speech_over_effects: Annotated[
        float, typer.Option(help="LU, at least, between speech and effects while somebody speaks.")
    ] = HIGHLIGHT.speech_over_effects,
    effects_over_music: Annotated[
        float, typer.Option(help="LU between effects and music where nobody speaks.")
    ] = HIGHLIGHT.effects_over_music,
    dip: Annotated[
        float, typer.Option(min=0, help="dB that speech turns the others down, at most.")
    ] = HIGHLIGHT.dip_db,
    per: Annotated[
        str, typer.Option(metavar="second|shot", help="What has one gain a stem.")
    ] = HIGHLIGHT.per,
    seen: Annotated[
        float,
        typer.Option(
            min=0,
            help="dB by which effects that begin as the picture moves go up, and others down.",
        ),
    ] = HIGHLIGHT.seen_db,
    close: Annotated[
        float, typer.Option(min=0, help="dB more where what moves fills the picture.")
    ] = HIGHLIGHT.close_db,
    words: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="dB by which effects go up where their words are seen, and down where they are "
            f"not: {HIGHLIGHT.named_db:g} with --named, else 0, and then words are heard in them.",
            show_default=False,
        ),
    ] = None,
    named: Annotated[
        str,
        typer.Option(help="What the effects are called, such as 'dog barking'; see --words."),
    ] = HIGHLIGHT.named,
    learned: Annotated[
        Path | None,
        typer.Option(exists=True, help="A balance of foley train highlight, in place of the rule."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="visah", help="The public network, on the clip's own mix."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="visah: its .ckpt or .safetensors."),
    ] = None,
    context: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="visah: rows of what is seen, one a second (.npy)."
        ),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(
            metavar="bandit-v2|deepfilter|rnnoise",
            help="What takes a mix apart; by default the best that is installed.",
        ),
    ] = None,
    gains: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="A table of the gains (.csv): written if it is not there, followed if it is.",
        ),
    ] = None,
    stems: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for the balanced stems; they add up."),
    ] = None,
    keyframes: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="A timeline of picture and stems with volume keyframes: .fcpxml, .aaf or .otio.",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="A picture (.png) of known stems' mix before and after."),
    ] = None,
    mix: Annotated[
        bool,
        typer.Option("--mix", help="The clip's own sound is dialogue; the mix is the first track."),
    ] = False,
    replace_: Annotated[bool, typer.Option("--replace", help="The mix is the only track.")] = False,
    wav: Annotated[bool, typer.Option("--wav", help=options.TABLE["wav"].help)] = False,
    loudness: Annotated[
        str | None,
        typer.Option(metavar="|".join(LOUDNESS), help=options.TABLE["loudness"].help),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Balance the dialogue, music and effects of a clip; the picture stays untouched.

    Each stem gets one gain a second: offsets between the stems, and dips under speech. Nothing is
    removed. --gains writes them as a table with the reason of each; edit it and give it back.
    """
    from foleycli.highlight.curves import Stem
    from foleycli.highlight.highlight import HighlightRequest
    from foleycli.highlight.highlight import highlight as balance
    from foleycli.highlight.stems import find_stems

    if mix and replace_:
        raise UsageError("--mix and --replace exclude each other.", "Give one of them.")
    sounds: dict[Stem, list] = dict(find_stems(stems_from)) if stems_from else {}
    for stem, given in (("dialogue", dialogue), ("music", music), ("effects", effects)):
        if given:
            sounds[stem] = list(given)
    if learned and model:
        raise UsageError("--learned and --model exclude each other.", "Give one of them.")
    config = replace(
        HIGHLIGHT,
        per=per,
        seen_db=seen,
        close_db=close,
        words_db=words if words is not None else HIGHLIGHT.named_db if named else 0.0,
        named=named,
        strength=strength,
        max_gain_db=max_gain,
        speech_over_music=speech_over_music,
        speech_over_effects=speech_over_effects,
        effects_over_music=effects_over_music,
        dip_db=dip,
    )
    request = HighlightRequest(
        mode="mix" if mix else "replace" if replace_ else "track",
        loudness=loudness,
        gains=gains,
        stems=stems,
        keyframes=keyframes,
        wav=wav,
        learned=learned,
        weights=weights,
        context=context,
        separator=separator,
        overwrite=overwrite,
    )
    _check_network(model, weights, sounds, request)
    if figure:
        from foleycli.output import check_output

        check_output(figure, overwrite=overwrite)
        if not sounds:
            raise UsageError("--figure is of known stems.", "Give --dialogue, --music, --effects.")
    warnings = listen_for_warnings(quiet=quiet, verbose=verbose)
    with show_progress(clip.name, quiet=quiet, looking=LOOKING) as progress:
        made = balance(clip, output, sounds, config, request, progress)
    if figure and made.sources:
        from foleycli.pages.balance import draw_balance

        draw_balance(figure, made.sources, made.spans, overwrite=overwrite)
    say_highlighted(made, as_json, warnings)


def _check_network(model, weights, sounds, request) -> None:
    if model not in (None, "visah"):
        raise UsageError(f"--model {model} is not known.", "Give visah.")
    if model and not weights:
        raise UsageError(
            "visah has no weights that ship; no licence is stated for the published ones.",
            "Give --weights FILE, if you have them.",
        )
    if weights and (sounds or request.gains or request.stems):
        raise UsageError(
            "visah hears one mix and has no gains: stems and tables are not for it.",
            "Leave out --dialogue, --music, --effects, --stems-from, --stems and --gains.",
        )


def say_highlighted(made, as_json: bool, warnings: list[str]) -> None:
    """Print what was made: a line, or an object."""
    if as_json:
        fields = {
            "clip": str(made.clip),
            "out": str(made.out),
            "duration": float(made.duration),
            "stems": list(made.stems),
            "gains": [
                {"start": float(s.start), "end": float(s.end), **s.gains_db, "reason": s.reason}
                for s in made.spans
            ],
            "gain_db": made.gain_db,
            "recipe": str(made.recipe),
            "waveform_hash": made.waveform_hash,
            "files": [str(path) for path in made.files],
            "gains_followed": made.followed,
            "warnings": list(warnings),
        }
        print(json.dumps(fields), flush=True)
        return
    ranges = []
    for stem in made.stems:
        values = [span.gains_db.get(stem, 0.0) for span in made.spans]
        low, high = min(values), max(values)
        ranges.append(f"{stem} {low:+.1f}" + (f" to {high:+.1f}" if high > low else "") + " dB")
    whole = f", all {made.gain_db:+.1f} dB" if abs(made.gain_db) >= 0.05 else ""
    how = ", as the table says" if made.followed else ""
    say(f"{made.out}  {float(made.duration):.2f} s, {', '.join(ranges)}{whole}{how}")
