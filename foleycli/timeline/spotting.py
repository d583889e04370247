"""The spotting sheet of a reel that was sounded: every event with its timecode; and back.

A row is known again by its id, which holds for as long as nobody changed that event elsewhere.
"""

import csv
import zlib
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from foleycli.clip.timecode import Timecode
from foleycli.errors import FoleyError, MediaError
from foleycli.library.catid import catid_of
from foleycli.library.place import CHANCE
from foleycli.spot.cues import Cue, parse_cue, write_cues
from foleycli.timeline.journal import Journal, ReelShot
from foleycli.timeline.lanes import said, show
from foleycli.timeline.model import Timeline
from foleycli.timeline.reconform import open_old
from foleycli.timeline.table import Table, check_table, write_table

WRITTEN = (".csv", ".xlsx", ".pdf")
WIDTHS = {"id": 13, "clip": 20, "what": 26, "recording": 24, "note": 44, "surface": 12}  # letters
PAGE = {  # millimetres of the columns of a page; 277 in all
    "picture": 27, "shot": 9, "clip": 30, "first": 19, "last": 19, "layer": 14, "what": 33,
    "surface": 18, "catid": 18, "level_db": 11, "recording": 30, "confidence": 11, "note": 38,
}  # fmt: skip
HEADS = {"first": "in", "last": "out", "level_db": "dB", "confidence": "sure", "what": "words",
         "catid": "UCS"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An event as the sheet says it."""

    id: str
    reel: str
    shot: int
    clip: str
    first: str  # timecode
    last: str
    layer: str
    kind: str
    what: str
    surface: str
    catid: str  # of UCS; informs, and is not read back
    level_db: str
    recording: str  # what is asked for; in brackets what is heard
    confidence: str
    note: str  # what was seen


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True, slots=True)
class Spotting:
    """A reel's rows, and where the film of each is."""

    folder: Path  # of its sounds and sheets
    journal: Journal
    timeline: Timeline
    rows: tuple[Row, ...]
    cues: tuple[Cue, ...]  # of each row
    films: tuple[tuple[str, Fraction], ...]  # of each row: path, seconds


def spotting_of(reel: Path, timeline: Timeline, folder: Path | None = None) -> Spotting:
    """The spotting sheet of a timeline that was sounded.

    Args:
        reel: what ``foley timeline`` or ``foley reconform`` wrote, or read.
        timeline: that of the file, for its clock.
        folder: of the sounds; beside the reel when None.

    Raises:
        MediaError: it was not sounded.
    """
    there, journal = open_old(reel, folder)
    rows, cues, films = [], [], []
    for shot in journal.shots:
        lane, seen = journal.lane(shot.lane), Counter[str]()
        for one in show(lane, shot.window, shot.seed):
            code = f"{shot.number}-{zlib.crc32(repr(said(one.cue)).encode()):08x}"
            seen[code] += 1
            name = code if seen[code] == 1 else f"{code}-{seen[code]}"
            heard = ", ".join(one.event.heard)
            rows.append(_row(name, timeline, shot, one.cue, heard))
            cues.append(one.cue)
            first = max(one.cue.start, shot.head)
            at = shot.window.at(first) if lane.still is None else lane.still
            films.append((lane.path, max(at, Fraction(0))))
    return Spotting(there, journal, timeline, tuple(rows), tuple(cues), tuple(films))


def _row(name: str, timeline: Timeline, shot: ReelShot, cue: Cue, heard: str) -> Row:
    first, last = _labels(timeline, shot, cue)
    return Row(
        id=name,
        reel=timeline.name,
        shot=shot.number,
        clip=shot.clip,
        first=first,
        last=last,
        layer=cue.layer,
        kind=cue.kind,
        what=cue.what,
        surface=cue.surface,
        catid=catid_of(cue.what, (cue.recording, *heard.split(", "))),
        level_db=f"{cue.level_db:.1f}",
        recording=cue.recording or (f"({heard})" if heard else ""),
        confidence=f"{cue.confidence:.2f}",
        note=cue.evidence,
    )


def _labels(timeline: Timeline, shot: ReelShot, cue: Cue) -> tuple[str, str]:
    """Timecode in and out: the frame it begins in, and the one after its last, between the cuts; a
    hit in a handle lies where it is."""
    low, high = shot.place + cue.start, shot.place + cue.end
    end = shot.cut + shot.seen.duration
    if cue.kind == "bed":
        low = max(low, shot.cut)
    if low < end:
        high = min(high, end)
    return _label(timeline, low), _label(timeline, max(high, low))


def _label(timeline: Timeline, clock: Fraction) -> str:
    return str(timeline.timecode(max(clock, Fraction(0)) - timeline.start_seconds))


def write_spotting(sheet: Spotting, path: Path, *, overwrite: bool = False) -> None:
    """Write a sheet as ``.csv``, ``.xlsx`` or ``.pdf``, the latter two with pictures.

    Raises:
        UsageError: another suffix, or a package that is not there.
    """
    table = Table(
        name=sheet.timeline.name,
        head=f"{len(sheet.rows)} events in {len(sheet.journal.shots)} shots",
        columns=COLUMNS,
        rows=[asdict(row) for row in sheet.rows],
        pictures=sheet.films,
        widths=WIDTHS,
        page=PAGE,
        heads=HEADS,
        short={"recording": lambda said: said.partition(CHANCE)[0]},
    )
    write_table(table, path, WRITTEN, overwrite=overwrite)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a ``.csv`` or ``.xlsx`` sheet as they are now.

    Raises:
        MediaError: it cannot be read, or has no ids.
    """
    try:
        if path.suffix.lower() == ".xlsx":
            check_table(path, (".xlsx",))
            from openpyxl import load_workbook  # pyright: ignore[reportMissingModuleSource]

            page: Any = load_workbook(str(path), data_only=True).active
            values = [["" if v is None else str(v) for v in row] for row in page.values]
            rows = [dict(zip(values[0], row, strict=False)) for row in values[1:]]
        else:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [{k: v or "" for k, v in row.items()} for row in csv.DictReader(file)]
    except FoleyError:
        raise
    except Exception as error:  # whatever a broken file makes its reader raise
        raise MediaError(f"{path.name} cannot be read: {error}.", "Save it again.") from error
    if rows and not {"id", "shot", "first", "what"} <= set(rows[0]):
        raise MediaError(
            f"{path.name} is no spotting sheet: it needs id, shot, first and what.",
            "foley cues REEL -o spotting.csv writes one.",
        )
    return [row for row in rows if any(value.strip() for value in row.values())]


def take_back(sheet: Spotting, path: Path) -> tuple[int, int, int]:
    """Write what was changed in a spotting sheet into the cue sheets of the reel's folder.

    Rows are known by their ids. A row that is gone takes its event with it; one without an id is a
    new event of its shot. Times that nobody changed stay exact.

    Returns:
        events changed, new, gone.

    Raises:
        MediaError: an id that the reel does not have (it was changed since), or a wrong value.
    """
    known = {row.id: (row, cue) for row, cue in zip(sheet.rows, sheet.cues, strict=True)}
    shots = {shot.number: shot for shot in sheet.journal.shots}
    left: dict[int, list[Cue]] = {number: [] for number in shots}
    changed = new = 0
    met: set[str] = set()
    for line, told in enumerate(read_rows(path), 2):
        name = told["id"].strip()
        where = f"{path.name}, line {line}"
        if name and (name not in known or name in met):
            raise MediaError(
                f"{where}: the reel has no event {name}" + (" twice." if name in met else "."),
                "Clear the id to add an event, or write the sheet anew.",
            )
        met.add(name)
        row, cue = known.get(name, (None, None))
        number = row.shot if row else _number(told["shot"], where)
        if number not in shots:
            raise MediaError(f"{where}: the reel has no shot {number}.", "Correct the line.")
        after = _told(sheet.timeline, shots[number], told, row, cue, where)
        changed += cue is not None and after != cue
        new += cue is None
        left[number].append(after)
    gone = [name for name in known if name not in met]
    for number, cues in left.items():
        there = [cue for row, cue in zip(sheet.rows, sheet.cues, strict=True) if row.shot == number]
        if sorted(cues, key=said) != sorted(there, key=said):
            write_cues(sheet.folder / f"{shots[number].name}.csv",
                       sorted(cues, key=lambda cue: cue.start), overwrite=True)  # fmt: skip
    return changed, new, len(gone)


def _number(text: str, where: str) -> int:
    try:
        return int(float(text))
    except ValueError as error:
        raise MediaError(f"{where}: shot {text!r} is no number.", "Correct the line.") from error


def _told(
    timeline: Timeline,
    shot: ReelShot,
    told: dict[str, str],
    row: Row | None,
    cue: Cue | None,
    where: str,
) -> Cue:
    """The cue that a line says, exact where the line says what it was given."""
    was: dict[str, str] = {k: str(v) for k, v in asdict(row).items()} if row else {}
    asked = {
        name: told.get(name, "").strip()
        for name in ("layer", "kind", "what", "surface", "level_db", "recording", "confidence")
    }
    asked["evidence"] = told.get("note", "").strip()
    first, last = told["first"].strip(), told.get("last", "").strip()
    start = cue.start if cue and first == was["first"] else _time(timeline, shot, first)
    duration = cue.duration if cue else Fraction(1)
    if last and (cue is None or last != was["last"]):
        duration = _time(timeline, shot, last) - start
    given = {name: value for name, value in asked.items() if value}
    times = {"start": str(start), "duration": str(duration)}
    try:
        said_cue = parse_cue({**given, **times})
    except FoleyError as error:
        raise MediaError(f"{where}: {error.problem}", error.remedy) from error
    if cue is None:
        return said_cue
    words = {"evidence": "note"}
    kept = {
        name: getattr(cue, name)
        for name in asked
        if told.get(words.get(name, name), "").strip() == was[words.get(name, name)]
    }
    return replace(said_cue, pan=cue.pan, distance=cue.distance, **kept)


def _time(timeline: Timeline, shot: ReelShot, label: str) -> Fraction:
    """Seconds from the beginning of a shot's sound at a timecode."""
    code = Timecode.parse(label, timeline.rate, timeline.drop or None)
    return max(Fraction(0), code.frames / timeline.rate - shot.place)
