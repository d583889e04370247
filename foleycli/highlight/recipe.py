"""What made a balanced mix, in a small JSON file beside it, and enough to make it again."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from foleycli.clip.media import content_hash
from foleycli.clip.probe import Clip
from foleycli.config import HighlightConfig
from foleycli.errors import MediaError
from foleycli.highlight.curves import STEMS, Span, Stem
from foleycli.highlight.stems import Stems
from foleycli.output import atomic_output
from foleycli.version import VERSION

MADE_BY = "foley highlight"


@dataclass(frozen=True, slots=True, kw_only=True)
class HighlightRecipe:
    """All that a balanced mix follows from."""

    made_by: str
    foleycli: str  # version
    clip: str  # path relative to the recipe where that is possible
    clip_hash: str
    out: str  # file name
    stems: dict[Stem, list[dict[str, Any]]]  # path, hash and stream of each sound
    duration: str  # seconds
    mode: str
    loudness: str | None
    config: HighlightConfig
    spans: list[Span]  # the gains themselves, so that no rule need be asked again
    waveform_hash: str
    separator: str = ""  # what parted a mix into the stems that the spans turn
    model: dict[str, str] = field(default_factory=dict)  # the network that gave a mix anew

    @classmethod
    def of(
        cls,
        clip: Clip,
        out: Path,
        stems: Stems,
        spans: Sequence[Span],
        config: HighlightConfig,
        *,
        mode: str,
        loudness: str | None,
        separator: str,
        model: dict[str, str],
        waveform_hash: str,
    ) -> "HighlightRecipe":
        """The recipe of one output."""
        sounds = {
            stem: [
                {
                    "path": relative(part.path, out.parent),
                    "hash": content_hash(part.path),
                    "index": part.index,
                }
                for part in stems.parts[stem]
            ]
            for stem in stems.names
        }
        return cls(
            made_by=MADE_BY,
            foleycli=VERSION,
            clip=relative(clip.path, out.parent),
            clip_hash=content_hash(clip.path),
            out=out.name,
            stems=sounds,
            duration=str(stems.duration),
            mode=mode,
            loudness=loudness,
            config=config,
            spans=list(spans),
            separator=separator,
            model=model,
            waveform_hash=waveform_hash,
        )


def is_highlight(path: Path) -> bool:
    """Whether a recipe is one of ours."""
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("made_by") == MADE_BY
    except (OSError, ValueError, AttributeError):
        return False


def write_recipe(path: Path, recipe: HighlightRecipe) -> None:
    """Write a recipe as JSON, whole or not at all."""
    with atomic_output(path, overwrite=True) as beside:
        text = json.dumps(asdict(recipe), indent=1, default=str, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_recipe(path: Path) -> HighlightRecipe:
    """Read a recipe that `write_recipe` wrote.

    Raises:
        MediaError: the file is none.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["config"] = HighlightConfig(**fields["config"])
        fields["spans"] = [_span(span) for span in fields["spans"]]
        recipe = HighlightRecipe(**fields)
        Fraction(recipe.duration)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MediaError(
            f"{path} is not a recipe that can be read: {error}.",
            "Give the .foley.json file that stands beside an output.",
        ) from error
    return recipe


def find_sounds(recipe: HighlightRecipe, path: Path) -> dict[Stem, list[tuple[Path, int]]]:
    """The sounds of a recipe, file and stream, checked to be the same bytes.

    Raises:
        MediaError: one is gone or has changed.
    """
    return {
        stem: [
            (same_file(path, sound["path"], sound["hash"]), int(sound["index"]))
            for sound in recipe.stems[stem]
        ]
        for stem in STEMS
        if stem in recipe.stems
    }


def same_file(recipe: Path, relative: str, digest: str) -> Path:
    """A file that a recipe names, checked to be the same bytes.

    Raises:
        MediaError: it is gone or has changed.
    """
    found = recipe.parent / relative
    if not found.is_file():
        raise MediaError(f"The recipe's {found} is not there.", "Put it back.")
    if content_hash(found) != digest:
        raise MediaError(f"{found} is not the file the recipe was made from.", "Restore that file.")
    return found


def _span(fields: dict[str, Any]) -> Span:
    times = {name: Fraction(fields.pop(name)) for name in ("start", "end")}
    return Span(**times, **fields)


def relative(path: Path, folder: Path) -> str:
    """A path as a recipe in a folder says it."""
    try:
        return os.path.relpath(path.resolve(), folder.resolve())
    except ValueError:  # another drive on Windows
        return str(path.resolve())
