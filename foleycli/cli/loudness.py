"""``foley loudness``: measure waves, and set them to a delivery's level."""

import json
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.say import say
from foleycli.config import LOUDNESS
from foleycli.errors import UsageError


def loudness(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="Sound files; the mix before its stems."),
    ],
    to: Annotated[
        str | None, typer.Option("--to", help=f"Compare with a preset: {', '.join(LOUDNESS)}.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for copies set to the preset by one gain."),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Report integrated loudness, range and true peak; with --to and -o write files that fit.

    One linear gain for all files brings the first one to the preset, as far as no true peak passes
    the ceiling. The presets are for whole programmes; netflix is of the dialogue in it.
    """
    from foleycli.mux.loudness import gain_to, measure_loudness, write_at_gain

    if to is not None and to not in LOUDNESS:
        raise UsageError(f"--to {to} is not known.", f"Give {', '.join(LOUDNESS)}.")
    if output is not None and to is None:
        raise UsageError("-o needs a preset.", f"Give --to {' or '.join(LOUDNESS)}.")
    measured = [measure_loudness(path) for path in files]
    if to is not None and output is not None:
        gain = gain_to(measured, LOUDNESS[to])
        outs = write_at_gain(files, output, gain, overwrite=overwrite)
        measured = [measure_loudness(path) for path in outs]
        if not as_json:
            say(f"{gain:+.2f} dB")
    for one in measured:
        misses = one.misses(LOUDNESS[to]) if to else []
        if as_json:
            said = {k: None if v == -inf else v for k, v in asdict(one).items()}  # JSON has no -inf
            print(json.dumps(said | {"misses": misses}, default=str))
            continue
        verdict = f"  {'; '.join(misses) or 'fits ' + to}" if to else ""
        say(
            f"{one.path}  {one.integrated:.1f} LUFS, range {one.range:.1f} LU, "
            f"{one.true_peak_db:.1f} dBTP{verdict}"
        )
