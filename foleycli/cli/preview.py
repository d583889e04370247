"""``foley preview``: takes of one clip, ranked, to look at and to hear."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings, show_progress
from foleycli.cli.say import say
from foleycli.config import EDIT, GenerateConfig


@options.asks("preview")
def preview(
    clip: options.Clip,
    config: GenerateConfig,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for all of it; by default CLIP_takes."),
    ] = None,
    takes: Annotated[
        int,
        typer.Option(min=1, max=9, help="Versions to compare.", rich_help_panel=options.SOUND),
    ] = EDIT.takes,
    keep: options.Keep = "all",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make takes, rank them, and write a picture and a page to choose by.

    Ranked by how well sound follows motion, and by freedom from speech and music. The page
    plays each take beside the film; the command that renders the chosen one stands on it.
    """
    listen_for_warnings(quiet=quiet, verbose=False)
    from foleycli.pages.preview import preview_takes

    config = replace(config, takes=takes, wav=True)
    folder = output or clip.with_name(f"{clip.stem}_takes")
    with show_progress(clip.name, quiet=quiet) as progress:
        made = preview_takes(clip, folder, config, keep_best=keep == "best", progress=progress)
    for take in made.takes:
        if as_json:
            print(json.dumps(asdict(take) | {"unheard": made.unheard}, default=str))
        else:
            score = take.score
            say(
                f"{take.name}  sync {score.sync:.2f}, speech {score.speech:.2f}, "
                f"music {score.music:.2f}"
            )
    if not as_json:
        say(made.page)
