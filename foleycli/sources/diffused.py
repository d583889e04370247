"""``small`` and models of its family: latent diffusion over the features that cues render to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from foleycli.config import GENERATE, OWN_SPEEDS, GenerateConfig
from foleycli.frames.decode import Picture
from foleycli.latents.sampler import Progress
from foleycli.library.bank import Bank
from foleycli.sources.identity import small_fingerprint
from foleycli.sources.small import SHIPPED, SmallModel
from foleycli.sources.speed import find_speed
from foleycli.sources.timbre import Examples
from foleycli.spot.cues import Cue
from foleycli.spot.encode import Encoder, encode_video
from foleycli.spot.features import Features, row_count
from foleycli.spot.render import render_features
from foleycli.spot.text import embed_text
from foleycli.waveform.join import (
    Share,
    Stretch,
    nobody,
    plan_windows,
    sound_stretches,
    watch_windows,
)

BED_DB = -8.0  # of what sounds on to what is struck, as among the library's recordings (kinds.csv)


class SmallSource:
    """Latent diffusion over the features that the cues render to, shot by shot."""

    looking = 0.4  # measured on 1080p H.264
    own_speed = OWN_SPEEDS["small"]  # it loses nothing: docs/speed.md

    def __init__(
        self,
        folder: Path = SHIPPED,
        device: str = "cpu",
        encoder: str = GENERATE.encoder,
        name: str = "small",
    ) -> None:
        self.name = name
        self.model = SmallModel.load(folder, device)
        self.few_steps = self.model.few_steps
        self._bank = Bank.open(None)
        self.fingerprint = small_fingerprint(folder, self._bank)
        self._encoder = Encoder.open(encoder)

    def encode(self, pictures: Iterable[Picture], words: Sequence[str] = ()) -> Features:
        """What the picture says about its sound, and where what words name moves."""
        return encode_video(pictures, self._encoder, words)

    def render(
        self,
        features: Features,
        cues: list[Cue],
        config: GenerateConfig,
        told: Share = nobody,
    ) -> Iterator[np.ndarray]:
        """Blocks (samples,) float32 at 48 kHz."""
        unwanted = embed_text([config.negative_prompt])[0] if config.negative_prompt else None
        speed = find_speed(config, self.own_speed, self.few_steps)

        def sound_window(rows: np.ndarray, seed: int, progress: Progress) -> np.ndarray:
            return self.model.generate(
                rows, seed, speed.steps, config.guidance, unwanted, progress, speed
            )

        windows = sum(len(plan_windows(row_count(end - start))) for start, end in features.shots())
        watched = watch_windows(sound_window, windows, told)
        examples = Examples(self._bank, self.model.mel, config.seed)
        shots = (_shot(cues, start, end, examples) for start, end in features.shots())
        return sound_stretches(shots, watched, self.model.mel.sample_rate, config.seed)


def _shot(cues: list[Cue], start: Fraction, end: Fraction, examples: Examples) -> Stretch:
    """The rows that the cues of one shot render to, counted from its first frame."""
    inside = [
        replace(
            cue,
            start=max(cue.start, start) - start,
            duration=min(cue.end, end) - max(cue.start, start),
            level_db=cue.level_db + (BED_DB if cue.kind == "bed" else 0),
        )
        for cue in cues
        if cue.start < end and cue.end > start
    ]
    return Stretch(render_features(inside, end - start, timbre=examples).rows, start, start, end)
