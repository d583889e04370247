"""What stands beside a video that we write, and how it is called."""

import re
from collections.abc import Sequence
from pathlib import Path

from foleycli.config import CHANNELS, GenerateConfig
from foleycli.errors import UsageError
from foleycli.spot.cues import LAYERS
from foleycli.spot.features import Features
from foleycli.waveform.space import ROOM, SPEAKERS


def stem_path(wav: Path, stem: str) -> Path:
    """``shot_sfx.wav`` -> ``shot_sfx_feet.wav``, or ``shot_sfx_01_dog-barking.wav``."""
    return wav.with_name(f"{wav.stem}_{stem}.wav")


def channel_path(wav: Path, speaker: str) -> Path:
    """``shot_sfx.wav`` -> ``shot_sfx.Ls.wav``, as Pro Tools calls files of one channel each."""
    return wav.with_name(f"{wav.stem}.{speaker}.wav")


def adm_path(wav: Path) -> Path:
    """``shot_sfx.wav`` -> ``shot_sfx_adm.wav``: bed and objects."""
    return stem_path(wav, "adm")


def stem_names(config: GenerateConfig) -> tuple[str, ...]:
    """What the sound may fall apart into: its sources where they are named, else layers; and the
    return of the room."""
    room = () if config.is_dry else (ROOM,)
    if not config.source:
        return (*LAYERS, *room)
    plain = (re.sub(r"\W+", "-", words.lower()).strip("-")[:40] for words in config.source)
    return (*(f"{i:02}_{name or 'source'}" for i, name in enumerate(plain, 1)), *room)


def name_parts(parts: Sequence[str], config: GenerateConfig) -> tuple[str, ...]:
    """The stems to write of a sound's parts, by their names; none where none are asked for, or
    nothing sounds."""
    if not config.stems or not parts[0]:
        return ()
    return stem_names(config)[: len(parts)] if config.source else tuple(parts)


def check_stems(features: Features, model: str, flag: str = "--stems") -> None:
    """Refuse stems or objects of a model that makes its sound of the picture, without cues.

    Raises:
        UsageError: it is such a model.
    """
    if not features.says_what:
        raise UsageError(
            f"{model} makes one sound, in which layers are not told apart.",
            f"Leave out {flag}, or take --model library or small.",
        )


def take_paths(out: Path, takes: int) -> list[Path]:
    """The video of each take: ``out.mp4``, ``out_take2.mp4`` ..."""
    further = (f"{out.stem}_take{number}{out.suffix}" for number in range(2, takes + 1))
    return [out, *(out.with_name(name) for name in further)]


def sound_paths(out: Path, config: GenerateConfig) -> list[Path]:
    """The waves asked for beside a video: the sound alone, then its stems, one a layer, and of
    each its channels alone where they are split; last the bed and objects."""
    wav = out.with_suffix(".wav")
    stems = [stem_path(wav, stem) for stem in stem_names(config) if config.stems]
    waves = [wav, *stems] if config.wav or config.split or stems else []
    speakers = SPEAKERS[CHANNELS[config.channels]] if config.split else ()
    split = (channel_path(wave, speaker) for wave in waves for speaker in speakers)
    return [*waves, *split, *([adm_path(wav)] if config.adm else [])]
