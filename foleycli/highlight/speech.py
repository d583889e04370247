"""Where somebody speaks: Silero VAD (snakers4/silero-vad, MIT), its 16 kHz ONNX file, which ships.

The network hears 512 samples at a time with the 64 before them and keeps a state, so a sound of
any length passes in one go.
"""

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from foleycli.models.sessions import open_session

WEIGHTS = Path(__file__).with_name("silero_vad.onnx")
SAMPLE_RATE = 16_000  # Hz
WINDOW, CONTEXT = 512, 64  # samples
RATE = SAMPLE_RATE / WINDOW  # probabilities a second: 31.25
SILENT = 5e-4  # amplitude under which a window is not looked at: -66 dBFS
SURE = 0.5  # probability from which it is speech, as its authors have it


def to_mono(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels of a block (samples, channels)."""
    channels = block.shape[1]
    return block @ np.full(channels, 1 / channels, np.float32)


class SpeechReader:
    """Hears blocks of a sound and says how probable speech is, 31.25 times a second.

    Args:
        sample_rate: Hz of the blocks.
    """

    def __init__(self, sample_rate: int) -> None:
        self._session = open_session(WEIGHTS)
        self._resampler = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32")
        self._state = np.zeros((2, 1, 128), np.float32)
        self._rest = np.zeros(CONTEXT, np.float32)  # context, then what fills no window yet
        self._probabilities: list[float] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """Hear the next block, (samples,) or (samples, channels)."""
        mono = block if block.ndim == 1 else to_mono(block)
        self._hear(self._resampler.resample_chunk(np.asarray(mono, np.float32)))

    def probabilities(self) -> NDArray[np.float32]:
        """Of all that was heard, (windows,); the last window is filled with silence."""
        self._hear(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        left = len(self._rest) - CONTEXT
        if left:
            self._hear(np.zeros(WINDOW - left, np.float32))
        return np.array(self._probabilities, np.float32)

    def _hear(self, samples: NDArray[np.float32]) -> None:
        samples = np.concatenate([self._rest, samples])
        start = 0
        while start + CONTEXT + WINDOW <= len(samples):
            window = samples[None, start : start + CONTEXT + WINDOW]
            start += WINDOW
            if np.abs(window).max() < SILENT:  # nothing to hear, and no need to compute that
                self._state[:] = 0
                self._probabilities.append(0.0)
                continue
            feed = {"input": window, "state": self._state, "sr": np.array(SAMPLE_RATE, np.int64)}
            said, state = self._session.run(None, feed)
            self._state = np.array(state)
            self._probabilities.append(float(np.asarray(said)[0, 0]))
        self._rest = samples[start:]
