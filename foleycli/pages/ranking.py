"""A study of several systems by ear: one page on which people put their sounds in order.

As the supplement of arXiv 2505.12154 asks (its Figure 9): the input, a baseline, ours and the
original, from the best to the worst. The page holds everything; which clip comes when, and where
the systems stand, is drawn anew for every person and clip. Only the key knows their names.
"""

import hashlib
import json
import string
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foleycli.clip.find import find_clips
from foleycli.clip.media import content_hash
from foleycli.errors import UsageError
from foleycli.evaluate.clipset import safe_name
from foleycli.evaluate.plan import write_json
from foleycli.output import check_output
from foleycli.pages.media import encode64, join, small_picture, small_sound
from foleycli.pages.study import sounds_in, write_questions

FEWEST, MOST = 3, 6  # systems; two are `foley eval study export`'s


@dataclass(frozen=True, slots=True)
class Choice:
    """One question: a film and a sound of each system, in the systems' order."""

    id: str
    film: Path
    sounds: tuple[Path, ...]


def find_choices(folders: Mapping[str, Path], clips: Path) -> list[Choice]:
    """Films for which every system has a sound of the same name.

    Args:
        folders: of sounds or videos, by the systems' names.
        clips: the films, a folder.

    Raises:
        UsageError: too few or too many systems, no folder, or nothing in common.
    """
    if not FEWEST <= len(folders) <= MOST:
        raise UsageError(
            f"{len(folders)} systems cannot be ranked here.",
            f"Give --of NAME=FOLDER {FEWEST} to {MOST} times; two are foley eval study export's.",
        )
    for name, folder in folders.items():
        if not folder.is_dir():
            raise UsageError(f"{folder}, of {name}, is no folder.", "Give --of NAME=FOLDER.")
    sounds = [sounds_in(folder) for folder in folders.values()]
    choices = [
        Choice(safe_name(film.stem), film, tuple(mine[film.stem] for mine in sounds))
        for film in find_clips([clips])
        if all(film.stem in mine for mine in sounds)
    ]
    if not choices:
        raise UsageError(
            f"{', '.join(folders)} and {clips} have no clip in common.",
            "Their files must have the same names.",
        )
    return choices


def write_ranking(
    page: Path,
    choices: Sequence[Choice],
    names: Sequence[str],
    *,
    question: str,
    level: bool = True,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Write the page, and the key beside it.

    Args:
        names: of the systems, for the key.
        level: make all sounds equally loud.

    Returns:
        the key.
    """
    key, letters = page.with_suffix(".key.json"), string.ascii_lowercase[: len(names)]
    for path in (page, key):
        check_output(path, overwrite=overwrite)
    clips = []
    with tempfile.TemporaryDirectory(prefix="foley-") as folder:
        for number, choice in enumerate(choices, 1):
            clips.append(_embedded(choice, letters, Path(folder), level=level))
            progress(number)
    shown = [[c.id, *(content_hash(p) for p in (c.film, *c.sounds))] for c in choices]
    told = json.dumps([shown, list(names), question, level])
    study = hashlib.blake2b(told.encode(), digest_size=6).hexdigest()
    content = {"study": study, "systems": list(letters), "clips": clips}
    write_questions(page, "ranking.html", question, content, overwrite=overwrite)
    write_json(key, {"study": study, **dict(zip(letters, names, strict=True)), "clips": len(clips)})
    return key


def _embedded(choice: Choice, letters: str, folder: Path, *, level: bool) -> dict[str, str]:
    small = folder / "picture.mp4"
    small_picture(choice.film, small)
    embedded = {"id": choice.id}
    for letter, sound in zip(letters, choice.sounds, strict=True):
        small_sound(sound, folder / "sound.m4a", level=level)
        join(small, folder / "sound.m4a", folder / "both.mp4")
        embedded[letter] = encode64(folder / "both.mp4")
    return embedded
