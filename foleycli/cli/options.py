"""Options that several commands share, each written once."""

from pathlib import Path
from typing import Annotated

import typer

from foleycli.config import GENERATE

Clips = Annotated[
    list[Path],
    typer.Argument(exists=True, help="Video clips, or folders of them.", show_default=False),
]
Clip = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A video clip.", show_default=False)
]
Start = Annotated[
    str | None,
    typer.Option("--in", help="Sound from here on: timecode, seconds, or frames such as 300f."),
]
End = Annotated[str | None, typer.Option("--out", help="Sound up to here.")]
Prompt = Annotated[
    str | None,
    typer.Option(
        help="Words for what sounds, in place of what is seen: 'boots on gravel'.",
        envvar="FOLEY_PROMPT",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a clip on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Model = Annotated[
    str,
    typer.Option(
        help="auto, library, small, or a bundle's folder; see `foley models list`.",
        envvar="FOLEY_MODEL",
    ),
]
Library = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="A folder of your own recordings to use instead of the shipped ones.",
        envvar="FOLEY_LIBRARY",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", envvar="FOLEY_DEVICE")]
DEFAULTS = GENERATE
