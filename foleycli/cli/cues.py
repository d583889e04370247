"""``foley cues``: the cue sheet of a clip."""

import json
import logging
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings, show_progress
from foleycli.cli.say import say, say_rows
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError

if TYPE_CHECKING:
    from foleycli.generate import Spotted
    from foleycli.spot.cues import Cue

LOG = logging.getLogger("foleycli")


@options.asks("cues")
def cues(
    clip: options.Clip,
    config: GenerateConfig,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Sheet to write (.csv), or markers (.edl, .fcpxml, .xml, .otio, and with "
            "--resolve a .csv); by default a sheet to stdout. Of a reel: .csv, .xlsx or .pdf.",
        ),
    ] = None,
    markers: Annotated[
        Path | None,
        typer.Option(
            "--from",
            exists=True,
            help="Markers to make the sheet of, in place of the picture; of a reel, its edited "
            "spotting sheet.",
            rich_help_panel=options.SOUND,
        ),
    ] = None,
    resolve: Annotated[
        bool, typer.Option("--resolve", help="Write a .csv as DaVinci Resolve's edit index.")
    ] = False,
    offset: Annotated[
        str | None,
        typer.Option(
            "--offset",
            help="Timecode at which the clip begins on the markers' timeline, such as 01:00:00:00; "
            "by default the clip's own.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write what sounds when and why, as a sheet to edit and give back with `foley gen --cues`.

    Of a timeline that was sounded, the reel's spotting sheet (.csv, .xlsx, .pdf with pictures);
    edited, it is taken back with --from.

    The recording that will be played stands in brackets; without them it is kept whatever else
    changes. "no recording of that": nothing is played for the cue.
    """
    from foleycli.spot.cues import sheet_rows, write_cues
    from foleycli.timeline.files import SUFFIXES

    if clip.suffix.lower() in SUFFIXES:
        _spotting(clip, output, markers, overwrite)
        return
    warnings = listen_for_warnings(quiet=quiet, verbose=False)
    as_markers = output is not None and (resolve or output.suffix.lower() != ".csv")
    if markers is None:
        from foleycli.generate import spot

        with show_progress(clip.name, quiet=quiet) as progress:
            spotted = spot(clip, config, progress)
        found, remarks = list(spotted.cues), spotted.remarks
    else:
        spotted, remarks, found = None, None, _read(clip, markers, config.start, offset)
    if as_markers and output is not None:
        _write(clip, output, found, config.start, offset, overwrite)
    elif output is not None:
        write_cues(output, found, remarks=remarks, overwrite=overwrite)
    if as_json:
        about = _described(clip, found, spotted)
        print(json.dumps(about | {"output": output, "warnings": list(warnings)}, default=str))
    elif output is None:
        say_rows(sheet_rows(found, remarks))
    else:
        say(f"{output}  {len(found)} cues")


def _spotting(reel: Path, output: Path | None, edited: Path | None, overwrite: bool) -> None:
    """The spotting sheet of a reel, or what was changed in one."""
    from foleycli.errors import UsageError
    from foleycli.timeline.files import read_timeline
    from foleycli.timeline.spotting import spotting_of, take_back, write_spotting

    sheet = spotting_of(reel, read_timeline(reel))
    if edited is not None:
        changed, new, gone = take_back(sheet, edited)
        say(f"{sheet.folder}  {changed} events changed, {new} new, {gone} gone")
        say(f"render them: the same foley timeline, with --overwrite --cues {sheet.folder}")
    elif output is None:
        raise UsageError("A reel's sheet needs a name.", "Give -o spotting.csv, .xlsx or .pdf.")
    else:
        write_spotting(sheet, output, overwrite=overwrite)
        say(f"{output}  {len(sheet.rows)} events in {len(sheet.journal.shots)} shots")


def _described(clip: Path, found: list["Cue"], spotted: "Spotted | None") -> dict[str, Any]:
    """Cues as JSON: times are seconds; ``played`` lists the recordings of each, empty where there
    is none of that, and is left out where the model makes its sounds itself."""
    cues = [
        {**asdict(cue), "start": float(cue.start), "duration": float(cue.duration)} for cue in found
    ]
    if spotted is None:
        return {"clip": clip, "cues": cues}
    for cue, played in zip(cues, spotted.played or [], strict=False):
        cue["played"] = [{"id": one.id, "label": one.label} for one in played or ()]
    for cue, remark in zip(cues, spotted.remarks, strict=True):
        cue["remark"] = remark
    return {
        "clip": clip,
        "model": spotted.model,
        "duration": float(spotted.duration),
        "cues": cues,
        "unheard": spotted.unheard,
    }


def _read(clip: Path, markers: Path, start: str | None, offset: str | None) -> list["Cue"]:
    from foleycli.timeline.markers import marker_cues, read_markers

    timeline, origin, begins = _clock(clip, start, offset)
    marked = read_markers(markers, timeline, begins)
    found = marker_cues(marked, timeline.rate, origin)
    inside = [cue for cue in found if cue.start < timeline.duration - origin]
    if not inside:
        first, last = timeline.timecode(Fraction(0)), timeline.timecode(timeline.duration)
        earliest = timeline.timecode(min(marker.start for marker in marked))
        raise MediaError(
            f"No marker of {markers.name} lies in {clip.name}, from {first} to {last}: the first "
            f"is at {earliest}.",
            "Say where the clip begins on their timeline, such as --offset 01:00:00:00.",
        )
    if len(inside) < len(found):
        LOG.warning(
            "%d markers lie beyond the clip's end and are left out", len(found) - len(inside)
        )
    return inside


def _write(
    clip: Path,
    output: Path,
    found: list["Cue"],
    start: str | None,
    offset: str | None,
    overwrite: bool,
) -> None:
    from foleycli.timeline.markers import cue_markers, write_markers

    timeline, origin, _ = _clock(clip, start, offset)
    made = cue_markers(found, timeline.rate, origin)
    write_markers(timeline, made, output, overwrite=overwrite)


def _clock(clip: Path, start: str | None, offset: str | None):
    """The clip as a timeline, where on it the cues' time 0 lies, and the label it begins at if one
    was given."""
    from foleycli.clip.moment import parse_time
    from foleycli.clip.probe import probe
    from foleycli.clip.timecode import Timecode
    from foleycli.timeline.markers import clip_timeline

    film = probe(clip)
    timeline, begins = clip_timeline(film), None
    if offset:
        begins = Timecode.parse(offset, timeline.rate, timeline.drop or None)
        timeline = replace(timeline, start=begins.frames, drop=begins.drop)
    return timeline, parse_time(start, film) if start else Fraction(0), begins
