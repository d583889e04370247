"""A study of two systems by ear: one page that asks which sound fits (Table 2 of the paper).

The page holds everything, so that it opens from disk without a network. Which clip comes when, and
on which side the systems stand, is drawn anew for every person and clip; the page calls them a and
b, and only the key file beside it knows their names.
"""

import csv
import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from foleycli.clip.find import VIDEO_SUFFIXES, find_clips
from foleycli.clip.media import content_hash
from foleycli.config import CINEMATIC, CinematicConfig
from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.clipset import Example, safe_name
from foleycli.evaluate.contestants import FULL, SOUND_SUFFIXES
from foleycli.evaluate.plan import read_plan, write_json
from foleycli.output import atomic_output, check_output
from foleycli.pages.media import encode64, join, seen_film, small_picture, small_sound


@dataclass(frozen=True, slots=True)
class Pair:
    """One question: a film and two sounds for it."""

    example: Example
    a: Path
    b: Path
    variant: str = FULL
    cinematic: CinematicConfig = CINEMATIC
    words: str = ""  # shown with it, to ask whether a sound fits them


def with_words(pairs: Sequence[Pair], table: Path) -> list[Pair]:
    """Pairs with the words that a table has for their clips; those without are left out.

    Args:
        table: CSV of ``file`` (or ``file_name``) and ``label`` (or ``prompt``, ``description``), as
            `foley data pairs` writes it.

    Raises:
        UsageError: it has words for none.
    """
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    words = {
        Path(name).stem: row.get("label") or row.get("prompt") or row.get("description") or ""
        for row in rows
        if (name := row.get("file") or row.get("file_name"))
    }
    found = [replace(p, words=words.get(p.example.clip.stem, "")) for p in pairs]
    return _some([pair for pair in found if pair.words], f"{table} and the study")


def pairs_of_run(run: Path, a: str, b: str, variant: str = FULL) -> list[Pair]:
    """The first takes of two models of a run.

    Raises:
        UsageError: the run has no such model or variant, or no clip has both.
    """
    plan = read_plan(run)
    plan.check_variant(variant)
    models = plan.contestant(a), plan.contestant(b)
    pairs = []
    for example in plan.examples:
        try:
            sound_a, sound_b = (plan.sounds(model, variant, example)[0] for model in models)
        except MediaError:  # a folder without this clip
            continue
        if sound_a.is_file() and sound_b.is_file():
            pairs.append(Pair(example, sound_a, sound_b, variant, plan.cinematic))
    return _some(pairs, f"{a} and {b} of {run}")


def pairs_in_folders(a: Path, b: Path, clips: Path | None = None) -> list[Pair]:
    """Files of the same name in two folders.

    Args:
        clips: films of the same names, where the folders hold sounds; else the films are a's.

    Raises:
        UsageError: no folder, or nothing in common, or no pictures.
    """
    for folder in (a, b):
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder.", "Or name a run with --run.")
    films = {path.stem: path for path in find_clips([clips or a])}
    sounds_a, sounds_b = sounds_in(a), sounds_in(b)
    pairs = [
        Pair(Example(safe_name(stem), film), sounds_a[stem], sounds_b[stem])
        for stem, film in films.items()
        if stem in sounds_a and stem in sounds_b
    ]
    return _some(pairs, f"{a}, {b} and {clips or a}")


def write_study(
    page: Path,
    pairs: Sequence[Pair],
    names: tuple[str, str],
    *,
    question: str,
    level: bool = True,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Write the page, and the key beside it.

    Args:
        names: of system a and of system b, for the key.
        level: make all sounds equally loud.

    Returns:
        the key.
    """
    key = page.with_suffix(".key.json")
    for path in (page, key):
        check_output(path, overwrite=overwrite)
    clips = []
    with tempfile.TemporaryDirectory(prefix="foley-") as folder:
        for number, pair in enumerate(pairs):
            clips.append(_embedded(pair, Path(folder), level=level))
            progress(number + 1)
    study = _name(pairs, names, question, level=level)
    content = {"study": study, "question": question, "clips": clips}
    write_questions(page, "study.html", question, content, overwrite=overwrite)
    write_json(key, {"study": study, "a": names[0], "b": names[1], "clips": len(pairs)})
    return key


def write_questions(
    page: Path, template: str, question: str, content: dict[str, Any], *, overwrite: bool
) -> None:
    """Write a page that holds all it asks about.

    Args:
        template: a file of this folder, with places for the question and for the study.
        content: the study, ready for JSON.
    """
    text = (files("foleycli.pages") / template).read_text(encoding="utf-8")
    # with "<" escaped the data can end no script and begin no tag
    data = json.dumps(content).replace("<", "\\u003c")
    with atomic_output(page, overwrite=overwrite) as beside:
        beside.write_text(
            text.replace("{{question}}", escape(question)).replace("{{study}}", data),
            encoding="utf-8",
        )


def _name(pairs: Sequence[Pair], names: tuple[str, str], question: str, *, level: bool) -> str:
    """The same for the same study: answers to other pictures or sounds are never counted with
    these, and exporting again keeps the answers that are out."""
    shown = [
        [pair.example.id, pair.variant, str(pair.cinematic)]
        + ([pair.words] if pair.words else [])
        + [content_hash(path) for path in (pair.example.clip, pair.a, pair.b)]
        for pair in pairs
    ]
    told = json.dumps([shown, names, question, level])
    return hashlib.blake2b(told.encode(), digest_size=6).hexdigest()


def _embedded(pair: Pair, folder: Path, *, level: bool) -> dict[str, str]:
    film = seen_film(pair.example, pair.variant, pair.cinematic, folder / "seen")
    small = folder / "picture.mp4"
    small_picture(film, small)
    embedded = {"id": pair.example.id} | ({"words": pair.words} if pair.words else {})
    for side, sound in (("a", pair.a), ("b", pair.b)):
        small_sound(sound, folder / "sound.m4a", level=level)
        join(small, folder / "sound.m4a", folder / "both.mp4")
        embedded[side] = encode64(folder / "both.mp4")
    return embedded


def sounds_in(folder: Path) -> dict[str, Path]:
    """The sounds and videos of a folder, by the clip that they are of."""
    known = {*SOUND_SUFFIXES, *VIDEO_SUFFIXES}
    paths = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in known)
    return {path.stem.removesuffix("_s00"): path for path in paths}


def _some(pairs: list[Pair], where: str) -> list[Pair]:
    if not pairs:
        raise UsageError(
            f"{where} have no clip in common.", "Their files must have the same names."
        )
    return pairs
