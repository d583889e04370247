"""``foley redo``: make an output again from its recipe."""

from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings, show_progress


def redo(
    recipe: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The .foley.json of an output.")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Video to write; by default the same.")
    ] = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an output again from its recipe, and say whether the sound is the same."""
    from foleycli.generate import redo as redo_recipe

    listen_for_warnings(quiet=quiet, verbose=False)
    with show_progress(recipe.name, quiet=quiet) as progress:
        take, same = redo_recipe(recipe, output, overwrite=overwrite, progress=progress)
    print(f"{take.out}  {'the same sound, bit for bit' if same else 'the sound differs'}")
