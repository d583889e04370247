"""What made an output, in a small JSON file beside it, and enough to make it again."""

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foleycli.clip.media import content_hash, stamp
from foleycli.clip.probe import Clip
from foleycli.config import GenerateConfig
from foleycli.documents import exact_number, is_file, own_path, parse_json
from foleycli.errors import MediaError, OutputExistsError, UsageError
from foleycli.output import atomic_output, check_output, flush
from foleycli.sources.speed import settle
from foleycli.spot.cues import LAYERS, Cue, what_is_wrong
from foleycli.version import VERSION

if TYPE_CHECKING:
    from foleycli.sources.open import Source

PLAYED = "played"  # of a cue in a recipe: the recordings that it is heard with, in words
HEARD = "heard"  # and all their ids
# What was so before recipes said it: one channel, everything near and in no room, every step.
BEFORE = {"channels": "mono", "room": "off", "perspective": 0.0, "speed": "reference"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that an output follows from: clip, options, source of sound and cues."""

    foleycli: str  # version
    clip: str  # path relative to the recipe where that is possible
    clip_hash: str
    out: str  # file name of the video
    source: str
    source_fingerprint: str  # of the weights or recordings
    config: GenerateConfig
    cues: tuple[Cue, ...]
    waveform_hash: str  # BLAKE2b of the 24-bit samples
    licence: str = ""  # of the weights, where it binds what is made with them
    clip_stamp: str = ""  # see `clip.media.stamp`

    @classmethod
    def of(
        cls,
        film: Clip,
        out: Path,
        config: GenerateConfig,
        source: "Source",
        cues: list[Cue],
        waveform_hash: str,
    ) -> "Recipe":
        """The recipe of one take; the cues are written out, so an edited sheet need not be kept."""
        return cls(
            foleycli=VERSION,
            clip=_relative(film.path, out.parent),
            clip_hash=_hash(film.path),
            out=out.name,
            source=source.name,
            source_fingerprint=source.fingerprint,
            config=settle(
                dataclasses.replace(config.unsigned, cues=None, takes=1),
                source.own_speed,
                getattr(source, "few_steps", None),
            ),
            cues=tuple(cues),
            waveform_hash=waveform_hash,
            licence=getattr(source, "licence", ""),
            clip_stamp=stamp(film.path),
        )


def recipe_path(out: Path) -> Path:
    """``shot_sfx.mp4`` -> ``shot_sfx.foley.json``."""
    return out.with_suffix(".foley.json")


def check_recipe(out: Path, *, overwrite: bool) -> None:
    """Keep the recipe of ``shot_sfx.mov`` from that of a ``shot_sfx.mp4`` beside it.

    Raises:
        FoleyError: it cannot be written there.
        OutputExistsError: the recipe's place is another output's, and ``overwrite`` is off.
    """
    path = recipe_path(out)
    check_output(path, overwrite=True)
    if overwrite or not path.exists():
        return
    try:
        owner = path.with_name(parse_json(path.read_text(encoding="utf-8"))["out"])
    except (OSError, ValueError, TypeError, KeyError):
        owner = path  # whatever it is, it is not ours
    if owner.name != out.name and owner.exists():
        raise OutputExistsError(
            f"{path} exists, of {owner.name}.", "Choose another name, or give --overwrite."
        )


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe as JSON, whole or not at all."""
    with recipe_first(path, recipe):
        pass


@contextmanager
def recipe_first(
    path: Path,
    recipe: Recipe,
    played: Sequence[str] = (),
    heard: Sequence[Sequence[str]] = (),
) -> Iterator[None]:
    """Have a recipe on the disk, hidden, while what it describes is written, and show it when that
    ended well: on a disk that fills up there is neither the one nor the other.

    Args:
        played: for each cue what is played for it, in words, for whoever reads the file; it follows
            from the rest, and `read_recipe` passes over it.
        heard: for each cue the ids of those recordings, all of them, for `foley credits`.
    """
    with atomic_output(path, overwrite=True) as beside:
        stated = asdict(recipe)
        for cue, words in zip(stated["cues"], played, strict=False):
            cue |= {PLAYED: words} if words else {}
        for cue, ids in zip(stated["cues"], heard, strict=False):
            cue |= {HEARD: list(ids)}
        text = json.dumps(stated, indent=1, default=_plain, ensure_ascii=False)
        # a byte of a name that is not UTF-8 becomes \udcXX, which JSON reads as it was
        beside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        flush(beside)
        yield


def read_recipe(path: Path) -> Recipe:
    """Read a recipe written by `write_recipe`.

    Raises:
        MediaError: the file is not a recipe.
    """
    try:
        stated: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        stated["config"] = GenerateConfig(**BEFORE | stated["config"])
        stated["cues"] = tuple(cue_of(cue) for cue in stated["cues"])
        recipe = Recipe(**stated)
        _check(recipe)
        return recipe
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
            UsageError) as error:  # fmt: skip
        raise MediaError(
            f"{path} is not a recipe that can be read: {error}.",
            "Give the .foley.json file that stands beside an output.",
        ) from error


def find_clip(recipe: Recipe, path: Path) -> Path:
    """The clip a recipe was made from, checked to be the same bytes.

    Raises:
        MediaError: it is gone or has changed.
    """
    clip = path.parent / recipe.clip
    if not is_file(clip):
        raise MediaError(
            f"The recipe's clip {clip} is not there.", "Put it back, or run foley gen."
        )
    if content_hash(clip) != recipe.clip_hash:
        raise MediaError(
            f"{clip} is not the file the recipe was made from.",
            "Restore that file, or run foley gen on the new one.",
        )
    return clip


def _check(recipe: Recipe) -> None:
    """Whether every field is what it says, for anyone may have written it.

    Raises:
        ValueError: one is not.
    """
    for field in dataclasses.fields(recipe):
        if field.type == "str" or field.type is str:
            value = getattr(recipe, field.name)
            if not isinstance(value, str) or "\0" in value:
                raise ValueError(f"{field.name} is no text")
    if not recipe.out or Path(recipe.out).name != recipe.out:
        raise ValueError(f"out is {recipe.out[:40]!r}, not a file's name")
    if not recipe.clip:
        raise ValueError("it names no clip")


def cue_of(stated: dict[str, Any]) -> Cue:
    """A cue of a JSON object, whose numbers are numbers and whose words are words.

    Raises:
        ValueError: it cannot be.
    """
    stated = {name: value for name, value in stated.items() if name not in (PLAYED, HEARD)}
    stated |= {name: exact_number(str(stated[name])) for name in ("start", "duration")}
    cue = Cue(**stated)
    for field in dataclasses.fields(cue):
        value = getattr(cue, field.name)
        if field.type is str and not isinstance(value, str):
            raise ValueError(f"{field.name} of a cue is no text")
        if field.type is float and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{field.name} of a cue is no number")
    if cue.kind not in ("hit", "bed") or cue.layer not in (*LAYERS, ""):
        raise ValueError(f"a cue of kind {cue.kind}, layer {cue.layer} is unknown")
    if wrong := what_is_wrong(cue):
        raise ValueError(wrong)
    return cue


def _hash(path: Path) -> str:
    try:
        return content_hash(path)
    except OSError as error:
        raise MediaError(
            f"{path.name} cannot be read any more: {error.strerror or error}.",
            "Is its disk or share there? Run again.",
        ) from error


def _relative(path: Path, folder: Path) -> str:
    try:
        return os.path.relpath(own_path(path), own_path(folder))
    except ValueError:  # another drive on Windows
        return str(own_path(path))


def _plain(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value)} has no place in a recipe")
