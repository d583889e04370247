"""``foley shots``: where the cuts are inside a file."""

import csv
import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings, show_progress
from foleycli.cli.say import say, say_rows


def shots(
    clip: options.Clip,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Timeline to write, cut at the shots (.edl, .fcpxml, .xml, .otio), or a .csv.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the cuts inside a clip: print its shots, or export them as a timeline.

    The exported timeline is one that `foley timeline` sounds shot by shot.
    """
    from foleycli.clip.probe import probe
    from foleycli.timeline.cuts import find_cuts
    from foleycli.timeline.files import check_written, write_timeline
    from foleycli.timeline.markers import clip_timeline

    listen_for_warnings(quiet=quiet, verbose=False)
    film = probe(clip)
    as_table = output is None or output.suffix.lower() == ".csv"
    if output is not None and not as_table:
        check_written(output)
        clip_timeline(film)
    with show_progress(clip.name, quiet=quiet) as progress:
        cuts, end = find_cuts(film, progress)
    spans = list(pairwise([Fraction(0), *cuts, end]))
    if output is not None and not as_table:
        write_timeline(clip_timeline(film, cuts), output, overwrite=overwrite)
        say(f"{output}  {len(spans)} shots")
        return
    rows = [_row(film, number, *span) for number, span in enumerate(spans, 1)]
    if output is not None:
        _write(output, rows, overwrite)
        say(f"{output}  {len(spans)} shots")
    elif as_json:
        print("\n".join(json.dumps(row) for row in rows))
    else:
        say_rows([list(rows[0]), *(list(row.values()) for row in rows)])


def _row(film, number: int, start: Fraction, end: Fraction) -> dict[str, object]:
    row: dict[str, object] = {
        "shot": number,
        "start": f"{float(start):.6f}",
        "end": f"{float(end):.6f}",
    }
    if film.frame_rate:
        row |= {name: round(at * film.frame_rate) for name, at in (("first_frame", start),
                                                                   ("end_frame", end))}  # fmt: skip
    if film.timecode and film.frame_rate:
        row["timecode"] = str(film.timecode + round(start * film.timecode.rate))
    return row


def _write(path: Path, rows: list[dict[str, object]], overwrite: bool) -> None:
    from foleycli.output import atomic_output

    with (
        atomic_output(path, overwrite=overwrite) as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
