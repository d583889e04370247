"""The set that is evaluated: a folder of clips with their own sound, and a CSV about them.

Two forms are read. With a header (``file`` is needed; ``id``, ``label`` or ``class``, ``prompt`` or
``description`` or ``label`` are used), or VGGSound's official one without: YouTube id, start in
seconds, label, split. A folder without a CSV is a set without labels.
"""

import csv
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foleycli.clip.find import VIDEO_SUFFIXES, find_clips
from foleycli.errors import MediaError, UsageError

LOG = logging.getLogger("foleycli")
LABELS = ("label", "class", "category")
PROMPTS = ("prompt", "description", "caption", "label", "class")
UNSAFE = re.compile(r"[^\w.-]+")  # what a file's name had better not hold


@dataclass(frozen=True, slots=True)
class Example:
    """One clip of the set."""

    id: str  # of the set's ids none is equal; fit for a file's name
    clip: Path
    label: str = ""  # its category
    prompt: str = ""  # words for what sounds


def read_set(folder: Path, table: Path | None = None, split: str | None = None) -> list[Example]:
    """The examples of a set whose clips are there; those that are not are counted in a warning.

    Args:
        table: the CSV; by default the one that lies in the folder, if there is one.
        split: of VGGSound's two, or of a column ``split``: test, train; all when None.

    Raises:
        UsageError: the CSV names no clip of the folder, or the folder holds several CSVs.
        MediaError: there is no clip.
    """
    table = table or _only_csv(folder)
    if table is None:
        return [Example(safe_name(path.stem), path) for path in find_clips([folder])]
    every = _read_rows(table)
    rows = [row for row in every if split is None or row.get("split") == split]
    files = _files_by_name(folder)
    found = [(row, path) for row in rows if (path := _find(row, folder, files))]
    if not rows:
        if every:
            splits = ", ".join(sorted({row.get("split", "") for row in every} - {""}))
            raise UsageError(f"{table} names no clip of the split {split}.",
                             f"Its splits: {splits or 'none'}.")  # fmt: skip
        raise UsageError(f"{table} names no clip.", "Its header: file,label,prompt.")
    if not found:
        raise UsageError(
            f"None of the {len(rows)} clips of {table} is in {folder}.",
            "Name the folder that the CSV's files are in.",
        )
    if len(found) < len(rows):
        LOG.warning("%d of %d clips of %s are not here.", len(rows) - len(found), len(rows), table)
    return _examples(found)


def _examples(found: list[tuple[dict[str, str], Path]]) -> list[Example]:
    examples = [
        Example(
            safe_name(row.get("id") or path.stem), path, _first(row, LABELS), _first(row, PROMPTS)
        )
        for row, path in found
    ]
    doubled = [name for name, times in Counter(e.id for e in examples).items() if times > 1]
    if doubled:
        raise UsageError(f"Two clips have the id {doubled[0]}.", "Give the CSV a column id.")
    return examples


def _read_rows(table: Path) -> list[dict[str, str]]:
    try:
        lines = list(csv.reader(table.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table} cannot be read: {error}.", "Save it as UTF-8 CSV.") from error
    lines = [line for line in lines if any(line)]
    if lines and "file" in lines[0]:
        return [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]
    return [_vggsound_row(line, table) for line in lines]


def _vggsound_row(line: list[str], table: Path) -> dict[str, str]:
    if len(line) != 4 or not line[1].strip().isdigit():
        raise UsageError(
            f"{table} has no column `file`, and is not VGGSound's list.",
            "Its header should be: file,label,prompt.",
        )
    name, start, label, split = (cell.strip() for cell in line)
    return {"id": f"{name}_{int(start):06d}", "label": label, "split": split, "video": name,
            "start": start}  # fmt: skip


def _find(row: dict[str, str], folder: Path, files: dict[str, Path]) -> Path | None:
    if "file" in row:
        path = folder / row["file"]
        return path if path.is_file() else files.get(Path(row["file"]).stem)
    start = int(row["start"])  # the names that downloaders give
    names = (row["id"], f"{row['video']}_{start}", f"{row['video']}_{start}_{start + 10}",
             f"{row['video']}_{start * 1000}_{(start + 10) * 1000}", row["video"])  # fmt: skip
    return next((files[name] for name in names if name in files), None)


def _files_by_name(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in _videos(folder)}


def _videos(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise MediaError(f"{folder} is not a folder.", "Name the folder of the set's clips.")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith("."):
            yield path


def _only_csv(folder: Path) -> Path | None:
    tables = sorted(folder.glob("*.csv"))
    named = [table for table in tables if table.name == "clips.csv"]
    if len(tables) > 1 and not named:
        raise UsageError(
            f"{folder} holds several CSVs.", "Name one with --list, or --table of foley data."
        )
    return (named or tables or [None])[0]


def _first(row: dict[str, str], columns: tuple[str, ...]) -> str:
    return next((row[column] for column in columns if row.get(column)), "")


def safe_name(name: str) -> str:
    """A name without what a path or a web address could stumble over."""
    return UNSAFE.sub("_", name)
