"""Which recordings made a sound, and whose they are."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credit:
    """Whose a recording is."""

    id: str
    label: str
    licence: str = ""
    author: str = ""
    url: str = ""
    source: str = ""  # the collection it came with


def read_credits(folder: Path) -> dict[str, Credit]:
    """What a bank's recordings.csv says about each recording, by its id; nothing of a folder of
    sounds without one."""
    table = folder / "recordings.csv"
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        return {
            row["id"]: Credit(
                row["id"],
                row.get("label", ""),
                row.get("licence", ""),
                row.get("author", ""),
                row.get("url", ""),
                row.get("source", ""),
            )
            for row in csv.DictReader(file)
        }


def by_author(credits: Iterable[Credit]) -> dict[tuple[str, str, str], list[Credit]]:
    """Recordings of the same author, licence and collection, in the order of those."""
    dealt: dict[tuple[str, str, str], list[Credit]] = {}
    for credit in sorted(credits, key=lambda c: (c.author.casefold(), c.licence, c.source, c.id)):
        dealt.setdefault((credit.author, credit.licence, credit.source), []).append(credit)
    return dealt
