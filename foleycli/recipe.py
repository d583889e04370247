"""What made an output, in a small JSON file beside it, and enough to make it again."""

import dataclasses
import json
import os
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foleycli import __version__
from foleycli.clip.media import content_hash
from foleycli.clip.probe import Clip
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, OutputExistsError, UsageError
from foleycli.output import atomic_output, check_output
from foleycli.spot.cues import Cue

if TYPE_CHECKING:
    from foleycli.sources.open import Source


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
            foleycli=__version__,
            clip=_relative(film.path, out.parent),
            clip_hash=content_hash(film.path),
            out=out.name,
            source=source.name,
            source_fingerprint=source.fingerprint,
            config=dataclasses.replace(config, cues=None, takes=1),
            cues=tuple(cues),
            waveform_hash=waveform_hash,
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
        owner = path.with_name(json.loads(path.read_text(encoding="utf-8"))["out"])
    except (OSError, ValueError, TypeError, KeyError):
        owner = path  # whatever it is, it is not ours
    if owner.name != out.name and owner.exists():
        raise OutputExistsError(
            f"{path} exists, of {owner.name}.", "Choose another name, or give --overwrite."
        )


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe as JSON, whole or not at all."""
    with atomic_output(path, overwrite=True) as beside:
        text = json.dumps(asdict(recipe), indent=1, default=_plain, ensure_ascii=False)
        # a byte of a name that is not UTF-8 becomes \udcXX, which JSON reads as it was
        beside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe written by `write_recipe`.

    Raises:
        MediaError: the file is not a recipe.
    """
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields["config"] = GenerateConfig(**fields["config"])
        fields["cues"] = tuple(_cue(cue) for cue in fields["cues"])
        return Recipe(**fields)
    except (OSError, ValueError, TypeError, KeyError, UsageError) as error:
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
    if not clip.is_file():
        raise MediaError(
            f"The recipe's clip {clip} is not there.", "Put it back, or run foley gen."
        )
    if content_hash(clip) != recipe.clip_hash:
        raise MediaError(
            f"{clip} is not the file the recipe was made from.",
            "Restore that file, or run foley gen on the new one.",
        )
    return clip


def _cue(fields: dict[str, Any]) -> Cue:
    times = {name: Fraction(fields.pop(name)) for name in ("start", "duration")}
    return Cue(**times, **fields)


def _relative(path: Path, folder: Path) -> str:
    try:
        return os.path.relpath(path.resolve(), folder.resolve())
    except ValueError:  # another drive on Windows
        return str(path.resolve())


def _plain(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value)} has no place in a recipe")
