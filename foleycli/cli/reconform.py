"""``foley reconform``: the next cut of what was sounded, with the sounds it had."""

import json
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import count_progress, listen_for_warnings
from foleycli.cli.say import say
from foleycli.config import GenerateConfig
from foleycli.errors import BatchError


@options.asks("reconform")
def reconform(
    old: Annotated[
        Path,
        typer.Argument(
            exists=True,
            metavar="OLD",
            help="The cut that foley timeline sounded, or what it wrote; or a film that foley gen "
            "wrote, with its recipe.",
        ),
    ],
    new: Annotated[
        Path,
        typer.Argument(
            exists=True, metavar="NEW", help="The next cut: a timeline of any kind, or a film."
        ),
    ],
    config: GenerateConfig,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Timeline to write: the new cut with its sounds and markers; of a film, also a "
            "film, with a timeline beside it.",
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
            help="Frames of sound beyond each shot's ends; by default as in the old cut.",
            rich_help_panel=options.TIME,
            show_default=False,
        ),
    ] = None,
    embed: options.Embed = None,
    template: options.TemplateFile = None,
    add_tracks: options.AddTracks = False,
    old_sounds: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder of the old sounds, if not OLD_sfx."
        ),
    ] = None,
    sounds: Annotated[
        Path | None, typer.Option(help="Folder for the new ones; by default OUTPUT_sfx.")
    ] = None,
    two_pop: Annotated[
        bool, typer.Option("--two-pop", help="A pop two seconds before and after the stems.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the change list; make nothing.",
            rich_help_panel=options.BEHAVIOUR,
        ),
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Bring the sounds of a cut into the next one, and print what changed.

    What moved keeps its sounds to the sample, what was trimmed is trimmed, what is new is spotted,
    what went is kept aside; cues that were edited stay edited. Only changed shots are rendered.
    Shots whose film and timecode say nothing are known by their pictures.
    """
    from foleycli.clip.find import is_film
    from foleycli.clip.probe import probe
    from foleycli.mux.mux import check_mux
    from foleycli.timeline.model import exact_rate
    from foleycli.timeline.reconform import (
        join_film,
        make_recut,
        plan_recut,
        result_changes,
        timeline_of,
    )
    from foleycli.timeline.template import read_template

    listen_for_warnings(quiet=quiet, verbose=verbose)
    written = timeline_of(output, new)
    if is_film(output):
        check_mux(probe(new), output, "track", overwrite=config.overwrite)
    plan = plan_recut(
        old,
        new,
        written,
        config,
        roots=media_root or (),
        rate=exact_rate(rate) if rate else None,
        handles=handles,
        old_folder=old_sounds,
        folder=sounds,
        two_pop=two_pop,
        template=read_template(template, adds=add_tracks) if template else None,
    )
    if dry_run:
        _say(plan.changes, plan.reel, as_json)
        return
    with count_progress(new.name, len(plan.shots), quiet=quiet) as progress:
        result = make_recut(plan, progress=progress, embed=embed)
    if is_film(output):
        join_film(result, output, overwrite=config.overwrite)
    _say(result_changes(result), plan.reel, as_json, result)
    if failures := result.reel.failures:
        lines = (f"shot {f.shot.number} {f.shot.event.name}: {f.error}" for f in failures)
        raise BatchError(
            f"{len(failures)} of {len(plan.shots)} shots stay silent:",
            "Mend those and run the same command with --overwrite.",
            lines,
        )


def _say(changes, reel, as_json: bool, result=None) -> None:
    from foleycli.timeline.changes import change_lines, change_rows

    if as_json:
        said = {
            "timeline": str(reel.out),
            "changes": change_rows(changes, reel.timeline),
            "made": result is not None,
        }
        if result is not None:
            said |= {"stem": str(reel.stem), "stem_hash": result.reel.stem_hash,
                     "reused": result.reused}  # fmt: skip
        print(json.dumps(said))
        return
    say(*change_lines(changes, reel.timeline))
    if result is not None:
        made = len(result.reel.sounds)
        say("", f"{reel.out}  {made} sounds ({result.reused} as they were), stem {reel.stem}")
