"""Tables and settings beside a data set: what stands in it, what could not, how it was made."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from foleycli.errors import UsageError
from foleycli.output import atomic_output, clear_leftovers, make_folder

BAD = "bad.csv"
BAD_COLUMNS = ("id", "file", "problem")
SETTINGS = "settings.json"


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV whole, in place of one that is there."""
    with (
        atomic_output(path, overwrite=True) as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV, none if it is not there; a last line that was cut off is not a row."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))


def keep_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder of a data set, and note how it is made; what a killed run left is cleared.

    Raises:
        UsageError: it was begun with other settings.
        FoleyError: it cannot be written to.
    """
    make_folder(folder)
    clear_leftovers(folder)
    path, wanted = folder / SETTINGS, json.loads(json.dumps(settings))
    if path.is_file():
        kept = json.loads(path.read_text())
        differing = sorted(
            name for name in kept.keys() | wanted.keys() if kept.get(name) != wanted.get(name)
        )
        if differing:
            was = ", ".join(f"{name} {kept.get(name)!r}" for name in differing)
            raise UsageError(
                f"{folder} was made with other settings: {was}.",
                "Give another folder, or the same options again.",
            )
        return
    with atomic_output(path) as beside:
        beside.write_text(json.dumps(wanted, indent=1) + "\n")
