"""``foley fill``: what the effects tracks of a reel lack."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import count_progress, listen_for_warnings, show_progress
from foleycli.cli.say import say
from foleycli.config import FILL, GenerateConfig
from foleycli.errors import BatchError


@options.asks("fill")
def fill(
    reel: Annotated[
        Path,
        typer.Argument(
            exists=True,
            metavar="REEL",
            help="A film, a cut of any kind, or what foley timeline wrote.",
        ),
    ],
    config: GenerateConfig,
    effects: Annotated[
        list[str] | None,
        typer.Option(
            help="Effects: a sound file, or the number or name of a track of the reel; may be "
            "repeated. What foley timeline made for the reel counts too.",
            rich_help_panel=options.SOUND,
        ),
    ] = None,
    dialogue: Annotated[
        list[str] | None,
        typer.Option(
            help="Dialogue, given the same way: says where its air leaves a hole.",
            rich_help_panel=options.SOUND,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="List to write: .csv, .xlsx, .pdf or .md."),
    ] = None,
    make: Annotated[
        Path | None,
        typer.Option(
            help="Timeline to write with sounds for what is missing, and nothing else; its stem "
            "is in MAKE_sfx."
        ),
    ] = None,
    near: Annotated[
        float,
        typer.Option(
            min=0.02,
            max=2,
            help="Seconds between an action and its sound.",
            rich_help_panel=options.TIME,
        ),
    ] = FILL.near,
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
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Say, shot by shot, which action that is seen has no sound in the effects tracks, and where
    the air goes away with the dialogue: for an M&E.

    It is the list that is made: that something is missing is no failure.
    """
    from foleycli.output import check_output
    from foleycli.timeline.files import check_written
    from foleycli.timeline.fill.missing import (
        WRITTEN,
        Asked,
        find_missing,
        gap_lines,
        gap_rows,
        gap_table,
        make_missing,
    )
    from foleycli.timeline.model import exact_rate
    from foleycli.timeline.table import check_table, write_table

    listen_for_warnings(quiet=quiet, verbose=verbose)
    if output is not None:
        check_table(output, WRITTEN)
        check_output(output, overwrite=overwrite, inputs=(reel,))
    if make is not None:
        check_written(make)
        check_output(make, overwrite=overwrite, inputs=(reel,))
    asked = Asked(
        effects=effects or (),
        dialogue=dialogue or (),
        roots=media_root or (),
        rate=exact_rate(rate) if rate else None,
        config=replace(FILL, near=near),
    )
    with show_progress(reel.name, quiet=quiet) as progress:
        filling = find_missing(reel, asked, config, progress=progress)
    if output is not None:
        write_table(gap_table(filling), output, WRITTEN, overwrite=overwrite)
    made = None
    if make is not None:
        config = replace(config, overwrite=overwrite)
        count = len({gap.shot.number for gap in filling.gaps})
        with count_progress(make.name, count, quiet=quiet) as counted:
            made = make_missing(reel, filling, make, asked, config, progress=counted)
    if as_json:
        said = {
            "reel": str(reel),
            "effects": filling.effects,
            "dialogue": filling.dialogue,
            "shots": len(filling.shots),
            "actions": filling.actions,
            "missing": len(filling.missing),
            "holes": len(filling.holes) if filling.dialogue else None,
            "gaps": gap_rows(filling),
            "made": str(made.plan.stem) if made else None,
        }
        print(json.dumps(said))
    elif output is None:
        say(*gap_lines(filling))
    else:
        say(f"{output}  {gap_lines(filling)[0]}")
    if made and not as_json:
        say(f"{made.plan.out}  {len(made.sounds)} sounds, stem {made.plan.stem}")
    if made and made.failures:
        lines = (f"shot {f.shot.number} {f.shot.event.name}: {f.error}" for f in made.failures)
        raise BatchError(f"{len(made.failures)} shots stay silent:", "Mend those.", lines)
