"""The spotting sheet of a reel that was sounded: every event with its timecode; and back.

A row is known again by its id, which holds for as long as nobody changed that event elsewhere.
"""

import csv
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foleycli.clip.probe import probe
from foleycli.clip.timecode import Timecode
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.install import get_packages
from foleycli.library.place import CHANCE
from foleycli.output import atomic_output
from foleycli.spot.cues import Cue, parse_cue, write_cues
from foleycli.timeline.journal import Journal, ReelShot
from foleycli.timeline.lanes import said, show
from foleycli.timeline.model import Timeline
from foleycli.timeline.reconform import open_old

WRITTEN = (".csv", ".xlsx", ".pdf")
HEIGHT = 54  # pixels of a row's picture
WIDTHS = {"id": 13, "clip": 20, "what": 26, "recording": 24, "note": 44, "surface": 12}  # letters
PAGE = {  # millimetres of the columns of a page; 277 in all
    "picture": 27, "shot": 9, "clip": 32, "first": 19, "last": 19, "layer": 14, "what": 36,
    "surface": 18, "level_db": 11, "recording": 30, "confidence": 11, "note": 51,
}  # fmt: skip
HEADS = {"first": "in", "last": "out", "level_db": "dB", "confidence": "sure", "what": "words"}


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
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise UsageError(f"{path.name} names no spotting sheet.", f"Name it {', '.join(WRITTEN)}.")
    if suffix == ".csv":
        with (
            atomic_output(path, overwrite=overwrite) as beside,
            beside.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(asdict(row) for row in sheet.rows)
        return
    write = _load_writer(suffix)
    with atomic_output(path, overwrite=overwrite) as beside:
        write(sheet, beside)


def _load_writer(suffix: str) -> Any:
    package = {".xlsx": "openpyxl", ".pdf": "reportlab"}[suffix]
    try:
        __import__(package)
    except ImportError as error:
        raise UsageError(
            f"A {suffix} needs the package {package}.", f"{get_packages(package)}, or write .csv."
        ) from error
    return {".xlsx": _write_xlsx, ".pdf": _write_pdf}[suffix]


def _pictures(sheet: Spotting) -> Iterator[Image.Image | None]:
    """What is on screen where each row begins; None where its film is gone."""
    known: dict[tuple[str, Fraction], Image.Image | None] = {}
    for key in sheet.films:
        if key not in known:
            known[key] = _picture(*key)
        yield known[key]


def _picture(path: str, at: Fraction) -> Image.Image | None:
    try:
        film = probe(Path(path))
        shown = next(decode_pictures(film, at, at + 1 / (film.frame_rate or Fraction(25))))
        if shown.larger is None:
            return None
        image = Image.fromarray(np.asarray(shown.larger()))
    except (FoleyError, OSError, StopIteration):
        return None
    return image.resize((round(image.width * HEIGHT / image.height), HEIGHT))


def _write_xlsx(sheet: Spotting, path: Path) -> None:
    from openpyxl import Workbook  # pyright: ignore[reportMissingModuleSource]
    from openpyxl.drawing.image import Image as Drawn  # pyright: ignore[reportMissingModuleSource]
    from openpyxl.styles import Alignment, Font  # pyright: ignore[reportMissingModuleSource]
    from openpyxl.utils import get_column_letter  # pyright: ignore[reportMissingModuleSource]

    book = Workbook()
    page: Any = book.active
    page.title = "Spotting"
    page.append([*COLUMNS, "picture"])
    for cell in page[1]:
        cell.font = Font(bold=True)
    for place, column in enumerate(COLUMNS, 1):
        page.column_dimensions[get_column_letter(place)].width = WIDTHS.get(column, 12)
    page.column_dimensions[get_column_letter(len(COLUMNS) + 1)].width = 15
    page.freeze_panes = "A2"
    for number, (row, image) in enumerate(zip(sheet.rows, _pictures(sheet), strict=True), 2):
        page.append([*asdict(row).values()])
        page.row_dimensions[number].height = HEIGHT * 0.78  # points
        for cell in page[number]:
            cell.alignment = Alignment(vertical="top", wrap_text=True)
            if isinstance(cell.value, str) and cell.value.startswith("="):
                cell.data_type = "s"  # words, no formula
        if image is not None:
            held = io.BytesIO()
            image.save(held, "png")
            page.add_image(Drawn(held), f"{get_column_letter(len(COLUMNS) + 1)}{number}")
    book.save(str(path))


def _write_pdf(sheet: Spotting, path: Path) -> None:
    from reportlab.lib import colors  # pyright: ignore[reportMissingModuleSource]
    from reportlab.lib.pagesizes import A4, landscape  # pyright: ignore[reportMissingModuleSource]
    from reportlab.lib.styles import ParagraphStyle  # pyright: ignore[reportMissingModuleSource]
    from reportlab.lib.units import mm  # pyright: ignore[reportMissingModuleSource]
    from reportlab.platypus import Image as Drawn  # pyright: ignore[reportMissingModuleSource]
    from reportlab.platypus import (  # pyright: ignore[reportMissingModuleSource]
        LongTable,
        Paragraph,
        SimpleDocTemplate,
        TableStyle,
    )

    small = ParagraphStyle("small", fontName="Helvetica", fontSize=6.5, leading=7.5)
    bold = ParagraphStyle("bold", parent=small, fontName="Helvetica-Bold")
    title = ParagraphStyle("title", parent=bold, fontSize=11, leading=16)

    def words(text: str) -> Any:
        plain = text.encode("cp1252", "replace").decode("cp1252")  # what Helvetica has
        return Paragraph(escape(plain), small)

    lines: list[list[Any]] = [[Paragraph(HEADS.get(column, column), bold) for column in PAGE]]
    for row, image in zip(sheet.rows, _pictures(sheet), strict=True):
        drawn: Any = ""
        if image is not None:
            held = io.BytesIO()
            image.convert("RGB").save(held, "jpeg", quality=85)
            high = min(14.0, 25.0 * image.height / image.width)
            drawn = Drawn(held, high * mm * image.width / image.height, high * mm)
        said_row = {name: str(value) for name, value in asdict(row).items()}
        said_row["recording"] = row.recording.partition(CHANCE)[0]
        lines.append([drawn, *(words(said_row[column]) for column in list(PAGE)[1:])])
    table = LongTable(lines, colWidths=[width * mm for width in PAGE.values()], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.grey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                ("LEFTPADDING", (0, 0), (-1, -1), 2),
                ("RIGHTPADDING", (0, 0), (-1, -1), 2),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ]
        )
    )

    def number(canvas: Any, document: Any) -> None:
        canvas.setFont("Helvetica", 7)
        canvas.drawRightString(287 * mm, 6 * mm, f"{sheet.timeline.name}  {document.page}")

    head = f"{escape(sheet.timeline.name)}: {len(sheet.rows)} events in "
    head += f"{len(sheet.journal.shots)} shots"
    document = SimpleDocTemplate(
        str(path),
        pagesize=landscape(A4),
        leftMargin=10 * mm,
        rightMargin=10 * mm,
        topMargin=10 * mm,
        bottomMargin=12 * mm,
        title=f"{sheet.timeline.name} spotting",
    )
    document.build([Paragraph(head, title), table], onFirstPage=number, onLaterPages=number)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a ``.csv`` or ``.xlsx`` sheet as they are now.

    Raises:
        MediaError: it cannot be read, or has no ids.
    """
    try:
        if path.suffix.lower() == ".xlsx":
            _load_writer(".xlsx")
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
