"""``foley redo``: make an output again from its recipe."""

from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings, show_progress
from foleycli.cli.say import say


def redo(
    recipe: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="The .foley.json of an output, or a choice saved on a page of `foley preview`.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Video to write; by default the same.")
    ] = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an output again from its recipe, and say whether the sound is the same."""
    from foleycli.highlight.recipe import is_highlight
    from foleycli.pages.audition import read_choice

    listen_for_warnings(quiet=quiet, verbose=False)
    if choice := read_choice(recipe):
        recipe, output = choice[0], output or choice[1]
    if is_highlight(recipe):
        from foleycli.highlight.highlight import redo as redo_recipe
    else:
        from foleycli.generate import redo as redo_recipe
    with show_progress(recipe.name, quiet=quiet) as progress:
        take, same = redo_recipe(recipe, output, overwrite=overwrite, progress=progress)
    say(f"{take.out}  {'the same sound, bit for bit' if same else 'the sound differs'}")
