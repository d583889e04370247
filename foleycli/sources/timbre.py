"""Examples to sound like: how the recordings sound that a cue's words find."""

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from foleycli.config import FEATURES, MelConfig
from foleycli.library.bank import Bank
from foleycli.library.level import SAMPLE_RATE
from foleycli.spot.cues import Cue
from foleycli.waveform.mel import log_mel
from foleycli.waveform.timbre import at_usual_level, find_timbre

CHOICE = 3  # takes alternate between this many of the nearest recordings


class Examples:
    """How things sound, by their words, as the recordings of a bank have it.

    After Re-AudioLDM (arXiv 2309.08051): a generator that is shown what it should sound like
    needs to know less by heart.

    Args:
        mel: of the model that is shown the examples.
        take: which of the nearest recordings is the example.
    """

    def __init__(self, bank: Bank, mel: MelConfig, take: int = 0) -> None:
        self.bank, self.mel, self.take = bank, mel, take
        self._known: dict[tuple[str, str], NDArray[np.float32]] = {}

    def __call__(self, cue: Cue) -> NDArray[np.float32]:
        """(timbre_size,) of the example for one cue; zeros where no recording is of it."""
        key = cue.what, cue.kind
        if key not in self._known:
            self._known[key] = self._find(cue)
        return self._known[key]

    def _find(self, cue: Cue) -> NDArray[np.float32]:
        matches = self.bank.find(cue.what, cue.kind, most=CHOICE)
        if not matches:
            return np.zeros(FEATURES.timbre_size, np.float32)
        recording = matches[self.take % len(matches)].recording
        samples = soxr.resample(recording.read(), SAMPLE_RATE, self.mel.sample_rate)
        mel = log_mel(torch.from_numpy(np.ascontiguousarray(samples)), self.mel).T.numpy()
        return find_timbre(at_usual_level(mel))
