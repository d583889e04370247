"""What a bank of recordings is made of, and its tables.

A bank is a folder::

    recordings.csv          one row a recording, see ``COLUMNS``
    kinds.csv               class, its words, how loud it usually is, how continuous
    embeddings.safetensors  "labels" (n, 384) and "words" (m, 384) float16 text embeddings, in the
                            order of the sorted labels and of the words in kinds.csv
    CREDITS.csv             who made the sounds
    aliases.csv             words -> the labels that answer them, where a search would find others;
                            without a label, the bank has no recording of that
    <class>/<id>.opus       the sounds

The package ships one; a folder of sounds becomes one through `index.index_folder`.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from foleycli.errors import UsageError
from foleycli.library.level import Samples
from foleycli.library.recording import read_sound

Kind = Literal["hit", "bed"]
SHIPPED = Path(__file__).parent / "bank"
RECORDINGS = "recordings.csv"
COLUMNS = (
    *("id", "file", "kind", "class", "label", "start", "onset", "samples", "level_db"),
    *("attack_ms", "spread_db", "typical", "licence", "author", "url", "source", "cut_from"),
)


@dataclass(frozen=True, slots=True)
class Recording:
    """A stretch of a sound file; positions are samples at 48 kHz."""

    id: str
    file: Path
    kind: Kind
    category: str  # its class, a row of kinds.csv
    label: str  # words
    start: int  # in the file
    onset: int  # after start: where the attack is heard
    samples: int
    level_db: float  # hits: loudest 100 ms; beds: all of it; K-weighted
    attack_ms: float = 0.0  # hits: from the onset to the loudest 20 ms
    spread_db: float = 0.0  # beds: standard deviation of their 250 ms levels
    typical: float = 0.5  # 0 to 1: how much it sounds like others of its class

    def read(self) -> Samples:
        """Decode: (samples,) mono float32 at 48 kHz, exactly ``self.samples`` of them."""
        sound = read_sound(self.file, self.start, self.samples)
        return np.pad(sound, (0, self.samples - len(sound)))


@dataclass(frozen=True, slots=True)
class Category:
    """A class of sounds and how loud it usually is in a film's effects track."""

    name: str
    words: tuple[str, ...]  # what it is found by
    hit_db: float  # loudest 100 ms of a hit, LUFS
    bed_db: float  # LUFS
    continuous: float  # 0 to 1: how much such things sound on and on rather than in hits


def read_recordings(folder: Path) -> list[Recording]:
    """The rows of a bank's recordings.csv."""
    with (folder / RECORDINGS).open(newline="", encoding="utf-8") as file:
        return [
            Recording(
                id=row["id"],
                file=folder / row["file"],
                kind="hit" if row["kind"] == "hit" else "bed",
                category=row["class"],
                label=row["label"],
                start=int(row["start"]),
                onset=int(row["onset"]),
                samples=int(row["samples"]),
                level_db=float(row["level_db"]),
                attack_ms=float(row["attack_ms"]),
                spread_db=float(row["spread_db"]),
                typical=float(row["typical"]),
            )
            for row in csv.DictReader(file)
        ]


def read_aliases(folder: Path) -> dict[str, tuple[str, ...]]:
    """The rows of a bank's aliases.csv, if it has one."""
    path = folder / "aliases.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["words"]: tuple(
                label.strip() for label in row["labels"].split(";") if label.strip()
            )
            for row in csv.DictReader(file)
        }


def read_categories(path: Path) -> list[Category]:
    """The rows of a bank's kinds.csv."""
    if not path.is_file():
        raise UsageError(f"{path.parent} has no kinds.csv.", "Build the bank again.")
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Category(
                name=row["class"],
                words=tuple(word.strip() for word in row["words"].split(",")),
                hit_db=float(row["hit_db"]),
                bed_db=float(row["bed_db"]),
                continuous=float(row["continuous"]),
            )
            for row in csv.DictReader(file)
        ]
