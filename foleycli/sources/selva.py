"""``selva``: the public model that sounds what words name, from pictures to a waveform."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from foleycli.config import MelConfig
from foleycli.latents.flow import Velocity
from foleycli.latents.flow_transformer import Conditions, FlowTransformer
from foleycli.sight.motionformer import FRAME_RATE, MOMENTS, SEGMENT, STEP

PICTURE_RATE = 8  # empty picture rows a second


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many of everything a window of so many seconds has."""

    frames: int  # of film, 25 a second
    segments: int
    latent: int  # rows of sound
    pictures: int  # empty rows that stand for pictures
    samples: int

    @classmethod
    def of(cls, seconds: Fraction, mel: MelConfig, *, in_floats: bool = False) -> "Lengths":
        """Counted in whole numbers.

        Args:
            in_floats: as the published code counts, which loses a frame at 1.16, 8.04 and 9.28 s.
        """
        frames = int(FRAME_RATE * (float(seconds) if in_floats else seconds))
        mels = seconds * mel.sample_rate / mel.hop_length
        latent = math.ceil(mels / 2)
        return cls(
            frames=frames,
            segments=max(0, (frames - SEGMENT) // STEP + 1),
            latent=latent,
            pictures=int(seconds * PICTURE_RATE),
            samples=latent * 2 * mel.hop_length,
        )

    @property
    def sync(self) -> int:
        """Rows of motion."""
        return self.segments * MOMENTS


def guided_velocity(
    net: Callable[[Tensor, Tensor, Conditions], Tensor] | FlowTransformer,
    led: Conditions,
    empty: Conditions,
    guidance: float,
) -> Velocity:
    """w v(led) + (1 - w) v(empty), both in one batch (Ho & Salimans, arXiv 2207.12598); below 1
    ``led`` alone, as the public model does."""
    if guidance < 1:
        return lambda latent, time: net(latent, time, led)
    both = join(led, empty)

    def velocity(latent: Tensor, time: Tensor) -> Tensor:
        pair = net(torch.cat([latent, latent]), torch.cat([time, time]), both)
        with_, without = pair.chunk(2)
        return guidance * with_ + (1 - guidance) * without

    return velocity


def join(one: Conditions, other: Conditions) -> Conditions:
    """Two batches of conditions of the same lengths as one."""
    return Conditions(
        torch.cat([one.sync, other.sync]),
        torch.cat([one.picture, other.picture]),
        torch.cat([one.words, other.words]),
        torch.cat([one.whole, other.whole]),
        one.sound_turns,
        one.picture_turns,
    )
