"""Whose the recordings are that made a sound, or that a model learned from."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from foleycli.documents import is_file
from foleycli.library.table import RECORDINGS, SHIPPED

UNKNOWN = "unknown author"


@dataclass(frozen=True, slots=True)
class Credit:
    """Whose a recording is."""

    id: str
    label: str
    licence: str = ""
    author: str = ""
    url: str = ""
    source: str = ""  # the collection it came with

    @property
    def is_free(self) -> bool:
        """Whether its licence asks for no credit; one from a data set under a licence of its own
        asks for that."""
        said = self.licence.lower()
        unsure = any(word in said for word in ("dataset", "mostly"))
        return said.startswith(("cc0", "public domain")) and not unsure


def read_credits(table: Path) -> dict[str, Credit]:
    """What a table of recordings says of each, by its id, or its file's name where it has no id; a
    row of an author with several names how many."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [{name: value or "" for name, value in row.items()} for row in csv.DictReader(file)]
    found = {}
    for number, row in enumerate(rows, 1):
        name = row.get("id") or row.get("file") or f"{number}"
        if row.get("sounds"):
            row["label"] = f"{row['sounds']} recording{'s' if row['sounds'] != '1' else ''}"
        if row.get("author", "").startswith("["):  # what is left of a page's link
            row["author"] = ""
        found[name] = Credit(name, *(row.get(column, "") for column in
                                     ("label", "licence", "author", "url", "source")))  # fmt: skip
    return found


def credits_of(ids: Iterable[str], library: str | None) -> tuple[Credit, ...]:
    """Whose the recordings of those ids are, each once; of a folder of one's own, by their names.

    Args:
        library: the folder; None for what ships.
    """
    folder = Path(library) if library else SHIPPED
    table = folder / RECORDINGS
    known = read_credits(table) if is_file(table) else {}
    wanted = sorted(dict.fromkeys(ids))
    return tuple(known.get(one, Credit(one, "", source=folder.name)) for one in wanted)


def end_credits(credits: Iterable[Credit]) -> list[str]:
    """Lines for the end of a film: each author once for a licence, with the collection where that
    is all that is known; those whose licence asks for no credit are left out."""
    named = [credit for credit in credits if not credit.is_free]
    lines = {
        f"{credit.author or UNKNOWN}" + (f" / {credit.source}" if credit.source else "")
        + (f" ({credit.licence})" if credit.licence else "")
        for credit in named
    }  # fmt: skip
    return sorted(lines, key=str.casefold)


def credit_lines(credits: Sequence[Credit]) -> list[str]:
    """A line for each recording: id, words, author, licence, where it is from."""
    return [
        "  ".join(
            filter(
                None,
                (
                    *(one.id, one.label, f"by {one.author or UNKNOWN}"),
                    *(one.licence or "licence not stated", one.source, one.url),
                ),
            )
        )
        for one in credits
    ]
