"""Who is compared: models that sound the set's clips now, and folders of sounds made elsewhere."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from foleycli.clip.find import VIDEO_SUFFIXES
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.clipset import Example
from foleycli.frames.windows import KINDS

FULL = "full"  # all of a clip is seen
VARIANTS = (FULL, *KINDS)  # how it is seen
ENCODERS = ("student", "teacher")
PROMPT = "prompt"  # follows a model that is told in words what sounds
NAME = re.compile(r"[\w.+-]+")
SOUND_SUFFIXES = (".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a", *sorted(VIDEO_SUFFIXES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One row of the tables: a model with its options, or a folder of finished sounds."""

    name: str
    config: GenerateConfig | None = None  # how a model of ours sounds
    prompt: bool = False  # it is told in words what sounds
    folder: Path | None = None  # where the sounds of another system are

    @property
    def options(self) -> GenerateConfig:
        """How it sounds, of one that is no folder."""
        if self.config is None:
            raise ValueError(f"{self.name} is a folder of sounds")
        return self.config


def parse_contestant(text: str, config: GenerateConfig, *, prompt: bool = False) -> Contestant:
    """Read what follows ``--models``.

    A model may be followed by an encoder and by ``prompt``: ``small``, ``small+teacher``,
    ``library+student+prompt``, ``small+ENCODER_FOLDER``. ``mine=BUNDLE`` or ``mine=small+teacher``
    gives it another name in the tables; ``theirs=FOLDER`` is a folder of sounds named after clips.

    Args:
        config: what holds for all models: seed, steps, guidance, device.
        prompt: as if ``+prompt`` were added to every model.

    Raises:
        UsageError: nothing of that name, or a name that cannot be a file's.
    """
    name, _, what = text.rpartition("=")
    name = name or what
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a row of a table.",
            "Write NAME=MODEL or NAME=FOLDER, the name of letters, digits, '-', '_' and '+'.",
        )
    path = Path(what)
    if path.is_dir() and not (path / "config.json").is_file():
        return Contestant(name=name, folder=path.resolve())
    model, *additions = what.split("+")
    told = prompt or PROMPT in additions
    encoders = [addition for addition in additions if addition != PROMPT]
    if not model or len(encoders) > 1:
        raise UsageError(f"{text!r} cannot be read.", "Write MODEL[+ENCODER][+prompt].")
    for encoder in encoders:
        config = replace(config, encoder=_encoder(encoder))
    model = str(Path(model).resolve()) if Path(model).is_dir() else model
    return Contestant(name=name, config=replace(config, model=model), prompt=told)


def _encoder(name: str) -> str:
    if name in ENCODERS:
        return name
    if not name or not Path(name).is_dir():
        raise UsageError(
            f"{name!r} is no encoder.", f"Known: {', '.join(ENCODERS)}, a folder, or +{PROMPT}."
        )
    return str(Path(name).resolve())


def parse_variants(text: str) -> tuple[str, ...]:
    """Read ``full,cu,cm``.

    Raises:
        UsageError: there is no such variant.
    """
    asked = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [variant for variant in asked if variant not in VARIANTS]
    if unknown or not asked:
        raise UsageError(f"--variants {text} is not known.", f"Give some of {', '.join(VARIANTS)}.")
    return asked


def check_names(contestants: Sequence[Contestant]) -> None:
    """Raises: UsageError: there is nobody, or two rows of a table would have one name."""
    if not contestants:
        raise UsageError("No model is named.", "Give --models library,small, or NAME=FOLDER.")
    names = [contestant.name for contestant in contestants]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"Two models are called {name}.", "Write one as NAME=MODEL.")


def find_sounds(folder: Path, example: Example, variant: str, takes: int) -> list[Path]:
    """The sounds of a clip in a folder of another system: ``<id>_s00`` and on, or ``<id>``, with
    any suffix of sound or video, or so after the clip's own name; those of close-ups and moves in
    folders ``cu`` and ``cm``.

    Raises:
        MediaError: there is none.
    """
    folders = [folder / variant, folder] if variant == FULL else [folder / variant]
    for place, name in product(folders, dict.fromkeys((example.id, example.clip.stem))):
        names = [f"{name}_s{take:02d}" for take in range(takes)]
        if found := [path for each in names if (path := _with_suffix(place, each))]:
            return found
        if single := _with_suffix(place, name):
            return [single]
    raise MediaError(
        f"{folder} has no sound for {example.id}{'' if variant == 'full' else f' in {variant}/'}.",
        f"Name it {example.id}.wav, or {example.id}_s00.wav and on.",
    )


def check_folder(
    contestant: Contestant, examples: Sequence[Example], variants: Sequence[str]
) -> None:
    """Raises: UsageError: its folder has not one sound for these clips."""
    folder = contestant.folder
    if folder is None:
        return
    for example, variant in product(examples, variants):
        with suppress(MediaError):
            find_sounds(folder, example, variant, 1)
            return
    held = sorted(path.name for path in folder.iterdir())[:3]
    raise UsageError(
        f"{folder} has no sound for any clip; it holds {', '.join(held) or 'nothing'}.",
        f"Name them after the clips' ids: {examples[0].id}.wav, or {examples[0].id}_s00.wav and "
        "on; those of close-ups in cu/, of camera moves in cm/.",
    )


def _with_suffix(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}{suffix}" for suffix in SOUND_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)
