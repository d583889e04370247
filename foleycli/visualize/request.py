"""What every way from sound to picture shares: what is asked for, and how a film is finished."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from foleycli.config import VISUALIZE
from foleycli.output import atomic_output, scratch_folder
from foleycli.version import VERSION
from foleycli.visualize.film import join_sound, write_film
from foleycli.visualize.sound import Sound

# (stage, how much of it is done, 0 to 1)
Progress = Callable[[str, float], None]


def silent(stage: str, done: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for."""

    way: str = "sheet"
    material: Path | None = None  # folder of rushes or stills
    index: Path | None = None  # folder that keeps what was seen in rushes
    frame_rate: Fraction | None = None  # None: what the broadcast wave says, else 24
    width: int = VISUALIZE.width
    height: int = VISUALIZE.height
    start: str | None = None
    end: str | None = None
    prompt: str | None = None
    takes: int = VISUALIZE.takes
    seed: int = VISUALIZE.seed
    burn: bool = True  # time, source and words along the lower edge of rushes and stills
    lists: tuple[str, ...] = ("edl", "otio")  # the choice of rushes, also as these
    overwrite: bool = False
    model: dict[str, Any] = field(default_factory=dict)  # of tempotokens


@dataclass(frozen=True, slots=True)
class Take:
    """One finished film."""

    out: Path
    lists: tuple[Path, ...]  # the choice as edit lists
    facts: dict[str, Any]  # what was chosen


def finish(frames, sound: Sound, out: Path, rate: Fraction, request: Request, **options) -> None:
    """Encode frames, join the sound, and let the film appear whole or not at all."""
    size = request.width, request.height
    with (
        atomic_output(out, overwrite=request.overwrite, inputs=(sound.path,)) as hidden,
        scratch_folder(hidden.parent) as folder,
    ):
        picture = folder / "picture.mp4"
        write_film(picture, frames, size, rate, **options)
        join_sound(picture, sound, hidden, sound.timecode(rate))


def write_facts(out: Path, sound: Sound, request: Request, facts: dict[str, Any]) -> Path:
    """What made a film, beside it as ``<name>.visualize.json``."""
    path = out.with_suffix(".visualize.json")
    asked = {
        "foleycli": VERSION,
        "sound": sound.path.name,
        "way": request.way,
        "prompt": request.prompt,
        "size": f"{request.width}x{request.height}",
        "seed": request.seed,
    }
    with atomic_output(path, overwrite=True) as beside:
        text = json.dumps(asked | facts, indent=1, ensure_ascii=False, default=str)
        beside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return path
