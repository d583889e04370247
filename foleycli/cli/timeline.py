"""``foley timeline``: a cut in, the same cut with a sound for every shot out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import count_progress, listen_for_warnings
from foleycli.cli.say import say
from foleycli.config import NAMING, SESSION, GenerateConfig
from foleycli.errors import BatchError


@options.asks("timeline")
def timeline(
    path: Annotated[
        Path,
        typer.Argument(
            exists=True,
            metavar="TIMELINE",
            help="EDL (CMX3600), FCPXML, FCP7 XML, OTIO or AAF; or a film, whose cuts are found.",
        ),
    ],
    config: GenerateConfig,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Timeline to write: .edl, .fcpxml, .xml (FCP7), .otio, .aaf or .rpp (REAPER).",
        ),
    ],
    media_root: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder the films are in; can be repeated.",
            rich_help_panel=options.TIME,
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            help="Frames a second of an EDL; else what its first film runs at.",
            rich_help_panel=options.TIME,
        ),
    ] = None,
    handles: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1000,
            help="Frames of sound beyond each shot's ends; by default none, and in a session "
            f"(.aaf, .rpp) {SESSION.handles} seconds.",
            rich_help_panel=options.TIME,
            show_default=False,
        ),
    ] = None,
    embed: options.Embed = None,
    template: options.TemplateFile = None,
    add_tracks: options.AddTracks = False,
    sounds: Annotated[
        Path | None,
        typer.Option(help="Folder for waves, stem and cue sheets; by default OUTPUT_sfx."),
    ] = None,
    cues: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="Edited cues: a folder of sheets named as the sounds, or markers (.edl, .csv, "
            ".fcpxml) as OUTPUT_sfx holds them.",
            rich_help_panel=options.SOUND,
        ),
    ] = None,
    naming: Annotated[
        str,
        typer.Option(
            help="plain, ucs, netflix, or a template of {title} {reel} {version} {number} {clip} "
            "{timecode} {rate} {channels}."
        ),
    ] = NAMING.template,
    title: Annotated[str, typer.Option(help="Title in names; by default the timeline's.")] = "",
    reel: Annotated[str, typer.Option(help="Reel or episode in names.")] = NAMING.reel,
    version: Annotated[str, typer.Option(help="Version in names.")] = NAMING.version,
    two_pop: Annotated[
        bool, typer.Option("--two-pop", help="A pop two seconds before and after the stems.")
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(
            help="'ray' for a cluster here, or the address of one: auto, ray://host.",
            rich_help_panel=options.BEHAVIOUR,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="List the shots and films; make nothing.",
            rich_help_panel=options.BEHAVIOUR,
        ),
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Sound every shot of a timeline: a broadcast wave each, a stem, and the timeline with them.

    Sounds that are there already, made of the same things, are kept.
    """
    from foleycli.clip.find import is_film
    from foleycli.clip.probe import probe
    from foleycli.timeline.film_reel import film_timeline
    from foleycli.timeline.model import exact_rate
    from foleycli.timeline.naming import Naming
    from foleycli.timeline.reel import plan_reel, sound_reel
    from foleycli.timeline.template import read_template

    listen_for_warnings(quiet=quiet, verbose=verbose)
    plan = plan_reel(
        path,
        output,
        roots=media_root or (),
        rate=exact_rate(rate) if rate else None,
        handles=handles,
        folder=sounds,
        naming=Naming(
            template=naming, title=title, reel=reel, version=version, channels=config.channels
        ),
        stems=config.stems,
        room=not config.is_dry,
        two_pop=two_pop,
        adm=config.adm,
        overwrite=config.overwrite,
        timeline=film_timeline(probe(path)) if is_film(path) else None,
        template=read_template(template, adds=add_tracks) if template else None,
    )
    if dry_run:
        _say_plan(plan, as_json)
        return
    doing = None
    if on is not None:
        from foleycli.timeline.cluster import shots_on_ray

        doing = shots_on_ray(None if on in ("ray", "local") else on)
    asked = replace(config, stems=False)
    with count_progress(path.name, len(plan.shots), quiet=quiet) as progress:
        result = sound_reel(plan, asked, sheets=cues, progress=progress, doing=doing, embed=embed)
    _say_result(result, as_json)


def _say_plan(plan, as_json: bool) -> None:
    for shot, name in zip(plan.shots, plan.names, strict=True):
        row = {
            "shot": shot.number,
            "start": str(plan.timeline.timecode(shot.event.start)),
            "end": str(plan.timeline.timecode(shot.event.end)),
            "film": str(shot.film.path),
            "from": f"{float(shot.span[0]):.3f}",
            "to": f"{float(shot.span[1]):.3f}",
            "speed": str(shot.speed),
            "wav": str(plan.folder / f"{name}.wav"),
        }
        if as_json:
            print(json.dumps(row))
        else:
            speed = "" if shot.speed == 1 else f", speed {float(shot.speed):g}"
            say(
                f"{row['shot']:4} {row['start']} {row['end']}  {row['film']} "
                f"{row['from']}-{row['to']} s{speed}"
            )


def _say_result(result, as_json: bool) -> None:
    plan, kept = result.plan, sum(sound.kept for sound in result.sounds)
    if as_json:
        summary = {
            "timeline": str(plan.out),
            "stem": str(plan.stem),
            "stem_hash": result.stem_hash,
            "adm": str(plan.adm) if plan.adm else None,
            "sounds": [str(sound.wav) for sound in result.sounds],
            "kept": kept,
            "failures": {str(f.shot.number): f.error.problem for f in result.failures},
        }
        print(json.dumps(summary))
    else:
        made = f"{len(result.sounds)} sounds" + (f" ({kept} kept)" if kept else "")
        say(f"{plan.out}  {made}, stem {plan.stem}")
    if result.failures:
        lines = (f"shot {f.shot.number} {f.shot.event.name}: {f.error}" for f in result.failures)
        raise BatchError(
            f"{len(result.failures)} of {len(plan.shots)} shots stay silent:",
            "Mend those and run the same command with --overwrite; the others are kept.",
            lines,
        )
