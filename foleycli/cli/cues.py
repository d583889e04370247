"""``foley cues``: the cue sheet of a clip."""

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings, show_progress


def cues(
    clip: options.Clip,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="CSV to write; by default to stdout.")
    ] = None,
    prompt: options.Prompt = None,
    start: options.Start = None,
    end: options.End = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write what sounds when, as a sheet to edit and give back with `foley gen --cues`."""
    from foleycli.features.cues import sheet_rows, write_cues
    from foleycli.generate import look

    listen_for_warnings(quiet=quiet, verbose=False)
    with show_progress(clip.name, quiet=quiet) as progress:
        found = look(clip, prompt=prompt, start=start, end=end, progress=progress)
    if output is None:
        csv.writer(sys.stdout).writerows(sheet_rows(found))
        return
    write_cues(output, found, overwrite=overwrite)
    print(f"{output}  {len(found)} cues")
