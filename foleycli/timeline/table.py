"""A table of a reel as a file that people print, edit or paste: ``.csv``, ``.xlsx``, ``.pdf``,
``.md``; the two in the middle with the picture that is on screen."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foleycli.clip.probe import probe
from foleycli.errors import FoleyError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.install import get_packages
from foleycli.output import atomic_output

HEIGHT = 54  # pixels of a row's picture
Shown = tuple[str, Fraction]  # a film's path, and seconds of it


@dataclass(frozen=True, slots=True)
class Table:
    """What is written.

    Attributes:
        name: of the reel.
        head: a line above a printed table.
        columns: of rows, in their order.
        rows: what each says, by column.
        pictures: of each row, what is on screen.
        widths: of a workbook's columns, in letters, where they are not 12.
        page: millimetres of the columns that are printed; 277 in all. "picture" is the picture.
        heads: what columns are called in print, where they have another name.
        short: how a column is said in print, where it is longer than a page likes.
    """

    name: str
    head: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, str | int]]
    pictures: Sequence[Shown]
    widths: Mapping[str, int]
    page: Mapping[str, int]
    heads: Mapping[str, str]
    short: Mapping[str, Callable[[str], str]]


def write_table(
    table: Table, path: Path, suffixes: Sequence[str], *, overwrite: bool = False
) -> None:
    """Write a table in the form that the suffix names.

    Args:
        suffixes: those that are taken.

    Raises:
        UsageError: another suffix, or a package that is not there.
    """
    check_table(path, suffixes)
    suffix = path.suffix.lower()
    write = {".csv": _write_csv, ".md": _write_md, ".xlsx": _write_xlsx, ".pdf": _write_pdf}[suffix]
    with atomic_output(path, overwrite=overwrite) as beside:
        write(table, beside)


def check_table(path: Path, suffixes: Sequence[str]) -> None:
    """Say at once if a table cannot be written under a name.

    Raises:
        UsageError: another suffix, or a package that is not there.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise UsageError(f"{path.name} names no sheet.", f"Name it {', '.join(suffixes)}.")
    package = {".xlsx": "openpyxl", ".pdf": "reportlab"}.get(suffix)
    if package is None:
        return
    try:
        __import__(package)
    except ImportError as error:
        raise UsageError(
            f"A {suffix} needs the package {package}.", f"{get_packages(package)}, or write .csv."
        ) from error


def _write_csv(table: Table, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, table.columns)
        written.writeheader()
        written.writerows(table.rows)


def _write_md(table: Table, path: Path) -> None:
    columns = [column for column in table.page if column != "picture"]

    def line(words: Sequence[str]) -> str:
        plain = (" ".join(word.replace("|", "\\|").split()) for word in words)
        return f"| {' | '.join(plain)} |"

    lines = [f"# {table.name}", "", table.head, ""]
    lines += [line([table.heads.get(c, c) for c in columns]), "|" + "---|" * len(columns)]
    lines += [line([_printed(table, row, column) for column in columns]) for row in table.rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _printed(table: Table, row: Mapping[str, str | int], column: str) -> str:
    said = str(row[column])
    return table.short[column](said) if column in table.short else said


def _drawn(table: Table) -> Iterator[Image.Image | None]:
    """What is on screen where each row begins; None where its film is gone."""
    known: dict[Shown, Image.Image | None] = {}
    for key in table.pictures:
        if key not in known:
            known[key] = _picture(*key)
        yield known[key]


def _picture(path: str, at: Fraction) -> Image.Image | None:
    if not path:
        return None
    try:
        film = probe(Path(path))
        shown = next(decode_pictures(film, at, at + 1 / (film.frame_rate or Fraction(25))))
        if shown.larger is None:
            return None
        image = Image.fromarray(np.asarray(shown.larger()))
    except (FoleyError, OSError, StopIteration):
        return None
    return image.resize((round(image.width * HEIGHT / image.height), HEIGHT))


def _write_xlsx(table: Table, path: Path) -> None:
    from openpyxl import Workbook  # pyright: ignore[reportMissingModuleSource]
    from openpyxl.drawing.image import Image as Drawn  # pyright: ignore[reportMissingModuleSource]
    from openpyxl.styles import Alignment, Font  # pyright: ignore[reportMissingModuleSource]
    from openpyxl.utils import get_column_letter  # pyright: ignore[reportMissingModuleSource]

    book = Workbook()
    page: Any = book.active
    page.title = "Spotting"
    page.append([*table.columns, "picture"])
    for cell in page[1]:
        cell.font = Font(bold=True)
    for place, column in enumerate(table.columns, 1):
        page.column_dimensions[get_column_letter(place)].width = table.widths.get(column, 12)
    last = get_column_letter(len(table.columns) + 1)
    page.column_dimensions[last].width = 15
    page.freeze_panes = "A2"
    for number, (row, image) in enumerate(zip(table.rows, _drawn(table), strict=True), 2):
        page.append([row[column] for column in table.columns])
        page.row_dimensions[number].height = HEIGHT * 0.78  # points
        for cell in page[number]:
            cell.alignment = Alignment(vertical="top", wrap_text=True)
            if isinstance(cell.value, str) and cell.value.startswith("="):
                cell.data_type = "s"  # words, no formula
        if image is not None:
            held = io.BytesIO()
            image.save(held, "png")
            page.add_image(Drawn(held), f"{last}{number}")
    book.save(str(path))


def _write_pdf(table: Table, path: Path) -> None:
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

    columns = [column for column in table.page if column != "picture"]
    heads = ["picture", *(table.heads.get(column, column) for column in columns)]
    lines: list[list[Any]] = [[Paragraph(head, bold) for head in heads]]
    for row, image in zip(table.rows, _drawn(table), strict=True):
        drawn: Any = ""
        if image is not None:
            held = io.BytesIO()
            image.convert("RGB").save(held, "jpeg", quality=85)
            high = min(14.0, 25.0 * image.height / image.width)
            drawn = Drawn(held, high * mm * image.width / image.height, high * mm)
        lines.append([drawn, *(words(_printed(table, row, column)) for column in columns)])
    wide = [width * mm for width in table.page.values()]
    printed = LongTable(lines, colWidths=wide, repeatRows=1)
    printed.setStyle(
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
        canvas.drawRightString(287 * mm, 6 * mm, f"{table.name}  {document.page}")

    document = SimpleDocTemplate(
        str(path),
        pagesize=landscape(A4),
        leftMargin=10 * mm,
        rightMargin=10 * mm,
        topMargin=10 * mm,
        bottomMargin=12 * mm,
        title=f"{table.name} spotting",
    )
    head = Paragraph(f"{escape(table.name)}: {escape(table.head)}", title)
    document.build([head, printed], onFirstPage=number, onLaterPages=number)
