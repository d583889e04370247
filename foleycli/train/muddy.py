"""``foley data muddy``: delivered stems with their balance spoiled, and what would mend it.

Of each piece a folder with ``dialogue.wav``, ``music.wav`` and ``effects.wav`` (spoiled),
``input.wav`` (their sum) and ``target.wav`` (the true mix); all of them in ``muddy.csv``.
"""

import csv
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from foleycli.clip.find import VIDEO_SUFFIXES
from foleycli.config import MuddyConfig
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.highlight.curves import STEMS, Stem
from foleycli.highlight.levels import hear_stems
from foleycli.highlight.muddy import LEVELS, THIRDS, Muddy, muddy_stems
from foleycli.highlight.remix import Remix
from foleycli.highlight.rule import balance, second_edges
from foleycli.highlight.stems import find_stems, stems_of
from foleycli.output import atomic_output, make_folder, scratch_folder
from foleycli.waveform.sound import read_sound

RATE = 44_100  # Hz, as published
SECONDS = 10.0  # of a piece
LEAST = 0.5  # of a piece's length, that the last one of a film may be short
TABLE = "muddy.csv"
COLUMNS = (
    *("name", "clip", "start", "seconds", "loudest", "highlight", "every"),
    *(f"{stem}_{what}" for stem in STEMS for what in ("lufs", "change_db", "gains_db")),
)
Sounds = dict[Stem, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of delivered stems."""

    name: str
    clip: Path | None  # the picture that they belong to
    start: float  # seconds into it
    sounds: Sounds  # 44.1 kHz mono; a stem that is missing is silent


def make_muddy(
    folder: Path,
    out: Path,
    config: MuddyConfig,
    *,
    balanced: bool = False,
    seconds: float = SECONDS,
    told: Callable[[int], None] = lambda done: None,
) -> int:
    """Spoil every piece of the stems in a folder; how many were made.

    Args:
        folder: of stems, or of folders of stems, one a film; a video beside them is their picture.
        balanced: bring the stems to the rule's own balance first, so that the true one is known.

    Raises:
        UsageError: an option is not known, or the folder to write to is not empty.
        MediaError: there are no stems.
    """
    if config.level not in LEVELS:
        raise UsageError(f"--level {config.level} is not known.", f"Give {', '.join(LEVELS)}.")
    if config.third not in THIRDS:
        raise UsageError(f"--third {config.third} is not known.", f"Give {', '.join(THIRDS)}.")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty.", "Give another folder.")
    make_folder(out)
    rows = []
    for piece in find_pieces(folder, seconds):
        sounds = to_rule(piece.sounds) if balanced else piece.sounds
        chance = random.Random(f"{config.seed} {piece.name}")
        spoiled = muddy_stems([sounds[stem] for stem in STEMS], RATE, chance, config)
        write_piece(out / piece.name, sounds, spoiled)
        rows.append(_row(piece, spoiled, config))
        told(len(rows))
    if not rows:
        raise MediaError(f"{folder} holds no stems that sound.", "See docs/highlight.md.")
    with (
        atomic_output(out / TABLE) as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    settings = asdict(config) | {"balanced": balanced, "pieces": seconds}
    (out / "settings.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    return len(rows)


def find_pieces(folder: Path, seconds: float = SECONDS) -> Iterator[Piece]:
    """Pieces of so many seconds of all stems under a folder, in the order of names."""
    if not folder.is_dir():
        raise MediaError(f"{folder} is no folder.", "Give a folder of stems.")
    rooms = sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
    for room in rooms:
        try:
            found = find_stems(room)
        except FoleyError:
            if len(rooms) == 1:
                raise
            continue
        films = sorted(p for p in room.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
        clip = films[0] if films else None
        sounds = {
            stem: _summed([read_sound(path, RATE) for path in found.get(stem, [])])
            for stem in STEMS
        }
        longest = max(map(len, sounds.values()))
        length = round(seconds * RATE)
        for number, first in enumerate(range(0, max(longest, 1), length)):
            size = min(length, longest - first)
            if number and size < LEAST * length:
                break
            parts = {stem: _cut(sound, first, size) for stem, sound in sounds.items()}
            if sum(bool(np.abs(part).max(initial=0) > 1e-4) for part in parts.values()) < 2:
                continue
            name = room.name if longest <= length else f"{room.name}_{number:03d}"
            yield Piece(name, clip, first / RATE, parts)


def to_rule(sounds: Sounds) -> Sounds:
    """Stems at the rule's own balance."""
    with scratch_folder() as folder:
        files = {stem: folder / f"{stem}.wav" for stem in sounds}
        for stem, path in files.items():
            soundfile.write(path, sounds[stem], RATE, "FLOAT")
        stems = stems_of(files)
        remix = Remix.of(stems, balance(hear_stems(stems), second_edges(stems.duration)))
        blocks = list(remix.blocks())
    return {stem: np.concatenate([b[stem][:, 0] for b in blocks]) for stem in STEMS}


def write_piece(folder: Path, sounds: Sounds, spoiled: Muddy) -> None:
    """The waves of a piece."""
    make_folder(folder)
    target = sum(sounds.values())
    assert isinstance(target, np.ndarray)
    for stem, sound in zip(STEMS, spoiled.stems, strict=True):
        soundfile.write(folder / f"{stem}.wav", sound, RATE, "PCM_24")
    soundfile.write(folder / "input.wav", spoiled.mix, RATE, "PCM_24")
    soundfile.write(folder / "target.wav", target, RATE, "FLOAT")  # may pass full scale


def _row(piece: Piece, spoiled: Muddy, config: MuddyConfig) -> dict[str, object]:
    row: dict[str, object] = {
        "name": piece.name,
        "clip": str(piece.clip.resolve()) if piece.clip else "",
        "start": f"{piece.start:.3f}",
        "seconds": f"{len(spoiled.mix) / RATE:.3f}",
        "loudest": STEMS[spoiled.loudest],
        "highlight": STEMS[spoiled.highlight],
        "every": config.vary_every or "",
    }
    for i, stem in enumerate(STEMS):
        row[f"{stem}_lufs"] = f"{spoiled.loudness[i]:.2f}"
        row[f"{stem}_change_db"] = f"{spoiled.change_db[i]:.3f}"
        row[f"{stem}_gains_db"] = " ".join(f"{value:.4f}" for value in spoiled.gains_db[i])
    return row


def _summed(sounds: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    total = np.zeros(max(map(len, sounds), default=0), np.float32)
    for sound in sounds:
        total[: len(sound)] += sound
    return total


def _cut(sound: NDArray[np.float32], first: int, size: int) -> NDArray[np.float32]:
    part = sound[first : first + size]
    return np.pad(part, (0, size - len(part)))
