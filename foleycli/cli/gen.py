"""``foley gen``: clips in, the same pictures with sound out."""

import json
import os
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.each import each_clip
from foleycli.cli.progress import listen_for_warnings, show_progress
from foleycli.cli.say import say
from foleycli.config import CHANNELS, GenerateConfig
from foleycli.errors import UsageError


@options.asks("gen")
def gen(
    clips: options.Clips,
    config: GenerateConfig,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="<path>",
            help="Video to write, or a folder when there are several clips. "
            "By default <name>_sfx beside each clip.",
        ),
    ] = None,
    keep: options.Keep = "all",
    highlight: Annotated[
        bool,
        typer.Option(
            "--highlight",
            help="Balance the new sound with the clip's own, which counts as dialogue; see "
            "`foley highlight`. The new sound alone is kept as a wave.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Add sound effects that fit what is seen, and when; the picture stays untouched.

    The sound becomes an extra audio track, unless --mix, --duck or --replace is given.
    """
    jobs = _jobs(clips, output)
    warnings = listen_for_warnings(quiet=quiet, verbose=verbose)
    if dry_run:
        _say_plans(jobs, config, as_json)
        return
    best = keep == "best" and (config.takes > 1 or config.budget is not None)
    if highlight:
        _check_highlight(config)
    _run(
        jobs,
        config,
        best=best,
        highlight=highlight,
        as_json=as_json,
        quiet=quiet,
        warnings=warnings,
    )


def _jobs(clips: list[Path], output: str | None) -> list[tuple[Path, Path]]:
    """Each clip with the video to write for it: a name that was given, in a folder, or beside."""
    from foleycli.clip.find import find_clips, is_folder, name_output, tell_apart

    found = find_clips(clips)
    several = len(found) > 1 or any(is_folder(clip) for clip in clips)
    folder = Path(output) if output else None
    if output and folder and not is_folder(folder) and not output.endswith(("/", os.sep)):
        if not several:
            return [(found[0], folder)]
        if folder.suffix:
            raise UsageError(
                f"There are {len(found)} clips, but -o {output} is one file.", "Give -o a folder."
            )
    outs = tell_apart(found, [name_output(clip, folder) for clip in found])
    doubled = {out.name for out in outs if outs.count(out) > 1}
    if doubled:
        raise UsageError(
            f"Several clips would be written to {sorted(doubled)[0]}.",
            "Run them with a folder each.",
        )
    return list(zip(found, outs, strict=True))


def _say_plans(jobs: list[tuple[Path, Path]], config: GenerateConfig, as_json: bool) -> None:
    from foleycli.sources.identity import find_folder, resolve

    model = resolve(config)
    find_folder(model)  # so that what is not installed is known
    clips = [clip for clip, _ in jobs]
    verdict = "would fail, the others would not"
    each_clip(clips, lambda n: _say_plan(*jobs[n], config, model, as_json), as_json, verdict)


def _say_plan(clip: Path, out: Path, config: GenerateConfig, model: str, as_json: bool) -> None:
    from foleycli.clip.probe import probe
    from foleycli.generate import find_span
    from foleycli.spot.cues import read_cues

    film = probe(clip)
    start, end = find_span(film, config)
    if film.duration is not None and start >= film.duration:
        raise UsageError(f"{clip.name} ends before {float(start):g} s.", "Give an earlier --in.")
    if config.cues:
        read_cues(Path(config.cues))
    ends = [time for time in (end, film.duration) if time is not None]
    seconds = float(min(ends) - start) if ends else None
    plan = {
        "clip": str(clip),
        "outputs": [str(path) for path in _planned(film, out, config)],
        "model": model,
        "mode": config.mode,
        "seconds": seconds,
    }
    if as_json:
        print(json.dumps(plan))
        return
    length = "length unknown" if seconds is None else f"{seconds:.2f} s"
    facts = f"{length}, model {model}, {config.mode}"
    say(f"{clip} -> {', '.join(plan['outputs'])} ({facts})")


def _planned(film, out: Path, config: GenerateConfig) -> list[Path]:
    """The outputs of a clip; their folder may still be missing, for the run makes it."""
    from foleycli.generate import plan_outputs
    from foleycli.output import scratch_folder

    if out.parent.is_dir():
        return plan_outputs(film, out, config)
    with scratch_folder() as folder:
        planned = plan_outputs(film, folder / out.name, config)
    return [out.with_name(path.name) for path in planned]


def _run(
    jobs: list[tuple[Path, Path]],
    config: GenerateConfig,
    *,
    best: bool,
    highlight: bool,
    as_json: bool,
    quiet: bool,
    warnings: list[str],
) -> None:
    from foleycli.generate import generate
    from foleycli.output import make_folder
    from foleycli.sources.open import open_source

    opened = cache(open_source)  # once, when the first clip needs it

    def sound(number: int) -> None:
        clip, out = jobs[number]
        warnings.clear()
        asked = replace(config, wav=config.wav or best)  # takes are compared by ear
        if config.budget:
            asked = _fit(clip, asked, quiet=quiet or as_json)
        source = opened(replace(config, model=asked.model, budget=None))
        make_folder(out.parent)
        with show_progress(clip.name, quiet=quiet, looking=source.looking) as progress:
            made = _generate_balanced if highlight else generate
            result = made(clip, out, asked, source, progress)
        if best and len(result.takes) > 1:
            result = _only_best(result, config)
        _say_result(result, as_json, warnings)

    each_clip([clip for clip, _ in jobs], sound, as_json)


def _fit(clip: Path, config: GenerateConfig, *, quiet: bool) -> GenerateConfig:
    """What a budget buys for a clip, said on stderr."""
    from foleycli.clip.probe import probe
    from foleycli.generate import fit_span

    choice = fit_span(probe(clip), config)
    if not quiet:
        say(f"{clip.name}, {config.budget}: {choice}", err=True)
    return choice.config


def _check_highlight(config: GenerateConfig) -> None:
    asked = {
        "--takes": config.takes > 1,
        "--in": config.start is not None,
        "--out": config.end is not None,
        "--duck": config.mode == "duck",
        "--stems": config.stems,
        "--adm": config.adm,
        "--sign": config.sign,
        "--verify": config.verify,
        "--budget": config.budget is not None,
    }
    for flag in (flag for flag, is_asked in asked.items() if is_asked):
        raise UsageError(
            f"{flag} is not for --highlight, which balances the whole clip once.",
            f"Leave out {flag}, or run foley highlight afterwards.",
        )


def _generate_balanced(clip: Path, out: Path, config: GenerateConfig, source, progress):
    """As `generate`, the sound beside the output as a wave, and balanced with the clip's own."""
    import shutil

    from foleycli.clip.probe import probe
    from foleycli.errors import MediaError
    from foleycli.generate import Take, generate
    from foleycli.highlight.highlight import HighlightRequest
    from foleycli.highlight.highlight import highlight as balance
    from foleycli.mux.mux import check_mux
    from foleycli.output import atomic_output, check_output, scratch_folder

    film = probe(clip)
    if not film.audio:
        raise MediaError(f"{clip.name} has no sound to balance with.", "Leave out --highlight.")
    wav = out.with_suffix(".wav")
    channels = CHANNELS[config.channels]
    check_mux(film, out, config.mode, channels=channels, overwrite=config.overwrite)
    check_output(wav, overwrite=config.overwrite, inputs=(clip,))
    with scratch_folder() as folder:
        alone = replace(config, mode="track", wav=True, loudness=None)
        result = generate(clip, folder / out.name, alone, source, progress)
        made = result.takes[0].wav
        assert made is not None
        with atomic_output(wav, overwrite=config.overwrite) as beside:
            shutil.copyfile(made, beside)
    request = HighlightRequest(
        mode=config.mode, loudness=config.loudness, overwrite=config.overwrite
    )
    mixed = balance(clip, out, {"dialogue": ["1"], "effects": [wav]}, request=request)
    assert mixed.track is not None
    take = Take(mixed.out, wav, mixed.recipe, config.seed, mixed.waveform_hash, mixed.track)
    return replace(result, takes=(take,))


def _only_best(result, config: GenerateConfig):
    from foleycli.clip.probe import probe
    from foleycli.evaluate.rank import keep_best
    from foleycli.generate import find_span

    start, _ = find_span(probe(result.clip), config)
    keep_wav = config.wav or config.stems
    take, _ = keep_best(result.clip, result.takes, keep_wav=keep_wav, start=start)
    return replace(result, takes=(take,))


def _say_result(result, as_json: bool, warnings: list[str]) -> None:
    if as_json:
        cues = len(result.cues) if result.follows_cues else None
        fields = asdict(result) | {"warnings": list(warnings), "cues": cues}
        print(json.dumps(fields, default=_plain), flush=True)
        return
    for take in result.takes:
        sounds = f"{len(result.cues)} sounds in " if result.follows_cues else ""
        sounds += f"{float(result.duration):.2f} s"
        proof = f", {_proved(take.proof)} proved the same" if take.proof else ""
        say(
            f"{take.out}  {sounds}, model {result.model}, seed {take.seed}{proof}, "
            f'audio track {take.track.number}, "{take.track.title}"'
        )


def _proved(proof) -> str:
    return f"{proof.packets} {'pictures' if proof.decoded else 'picture packets'}"


def _plain(value: object) -> str | float:
    return str(value) if isinstance(value, Path) else float(value)  # type: ignore[arg-type]
