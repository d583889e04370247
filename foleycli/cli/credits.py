"""``foley credits``: whose recordings are heard, or were learned from."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.say import say


def credits(
    what: Annotated[
        str,
        typer.Argument(
            metavar="OUT|MODEL",
            help="A video that foley gen wrote, its .foley.json, a timeline that foley timeline "
            "wrote, or a model's name (also ear and sight).",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Text file to write; else stdout.")
    ] = None,
    end_credits: Annotated[
        bool,
        typer.Option("--end-credits", help="Lines for the end of the film: each author once."),
    ] = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """List every recording that is heard, or all that a model learned from: authors, licences."""
    from foleycli.library.credits import credit_lines
    from foleycli.library.credits import end_credits as closing
    from foleycli.output import atomic_output
    from foleycli.timeline.credits import find_credits

    found = find_credits(what)
    if as_json:
        text = json.dumps(asdict(found))
    elif end_credits:
        text = "\n".join(closing(found.credits))
    else:
        about = "learned from" if found.learned else "heard"
        head = f"{found.of}: {found.model}, {len(found.credits)} recordings {about}"
        licence = [f"licence: {found.licence}"] if found.licence else []
        sets = [
            f"{one.part} learned from {one.set}: {one.what}; by {one.author}; {one.licence}"
            + (f"; {one.url}" if one.url else "")
            for one in found.sets
        ]
        text = "\n".join([head, *licence, *sets, *credit_lines(found.credits)])
    if output is None:
        if as_json:
            print(text)
        else:
            say(*text.split("\n"))
        return
    with atomic_output(output, overwrite=overwrite) as beside:
        beside.write_text(text + "\n", encoding="utf-8")
    say(f"{output}  {len(found.credits)} recordings")
