"""``foley preview``: takes of one clip, ranked, to look at and to hear."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.options import DEFAULTS
from foleycli.cli.progress import listen_for_warnings, show_progress
from foleycli.errors import UsageError


def preview(
    clip: options.Clip,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for all of it; by default CLIP_takes."),
    ] = None,
    takes: Annotated[int, typer.Option(min=1, max=9, help="Versions to compare.")] = 3,
    keep: Annotated[
        str, typer.Option(help="all, or best: only the best-ranked take stays.")
    ] = "all",
    model: options.Model = DEFAULTS.model,
    prompt: options.Prompt = DEFAULTS.prompt,
    library: options.Library = None,
    seed: Annotated[int, typer.Option(help="Seed of the first take.")] = DEFAULTS.seed,
    start: options.Start = DEFAULTS.start,
    end: options.End = DEFAULTS.end,
    overwrite: options.Overwrite = DEFAULTS.overwrite,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make takes, rank them, and write a picture and a page to choose by.

    Ranked by how well sound follows motion, and by freedom from speech and music. The page
    plays each take beside the film; the command that renders the chosen one stands on it.
    """
    if keep not in ("all", "best"):
        raise UsageError(f"--keep {keep} is not known.", "Give all or best.")
    listen_for_warnings(quiet=quiet, verbose=False)
    from foleycli.pages.preview import preview_takes

    config = options.sound_options(
        library,
        model=model,
        prompt=prompt,
        seed=seed,
        takes=takes,
        start=start,
        end=end,
        wav=True,
        overwrite=overwrite,
    )
    folder = output or clip.with_name(f"{clip.stem}_takes")
    with show_progress(clip.name, quiet=quiet) as progress:
        made = preview_takes(clip, folder, config, keep_best=keep == "best", progress=progress)
    for take in made.takes:
        if as_json:
            print(json.dumps(asdict(take), default=str))
        else:
            score = take.score
            print(
                f"{take.name}  sync {score.sync:.2f}, speech {score.speech:.2f}, "
                f"music {score.music:.2f}"
            )
    if not as_json:
        print(f"{made.page}")
