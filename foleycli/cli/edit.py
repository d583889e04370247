"""``foley edit``: the film, its events and the mouse."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings
from foleycli.cli.say import say
from foleycli.config import GenerateConfig


@options.asks("edit")
def edit(
    film: Annotated[
        Path,
        typer.Argument(
            readable=False,
            help="A video clip, a cue sheet (.csv), a recipe (.foley.json), or a timeline.",
            show_default=False,
        ),
    ],
    config: GenerateConfig,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Video, or timeline, that Render writes; by default <name>_sfx beside it.",
        ),
    ] = None,
    media_root: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder a timeline's films are in; can be repeated.",
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
    gains: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A table of gains (foley highlight --gains), whose curves are seen in a lane.",
        ),
    ] = None,
    takes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=9,
            help="Open with so many takes side by side, each with the next seed.",
            rich_help_panel=options.SOUND,
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Of the page; 0 takes one.", rich_help_panel=options.BEHAVIOUR
        ),
    ] = 0,
    no_open: Annotated[
        bool,
        typer.Option("--no-open", help="Open no browser.", rich_help_panel=options.BEHAVIOUR),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the address as JSON, and open no browser.",
            rich_help_panel=options.BEHAVIOUR,
        ),
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Edit the cues of a film on a page of this machine: see, hear, move, choose, render.

    Every change is in the cue sheet at once (<name>_cues.csv), with a journal beside it to undo.
    Render makes what `foley gen --cues` makes of the sheet.
    """
    from foleycli.highlight.curves import read_gains
    from foleycli.pages.edit.project import open_project
    from foleycli.pages.edit.server import Server
    from foleycli.timeline.model import exact_rate

    listen_for_warnings(quiet=quiet, verbose=verbose)
    exact: Fraction | None = exact_rate(rate) if rate else None
    if gains:
        read_gains(gains)  # what is wrong with it is said before the film is opened
    project = open_project(film, config, output, roots=tuple(media_root or ()), rate=exact)
    project.gains = gains
    if takes:
        project.show_takes, project.most_takes = True, takes

    def tell(address: str) -> None:
        sheet = str(project.desks[0].sheet)
        said = {"address": address, "sheet": sheet, "out": str(project.out)}
        if as_json:
            print(json.dumps(said), flush=True)
        else:
            say(address, "  Ctrl-C ends it")

    Server(project, port).run(show=not (no_open or as_json), told=tell)
