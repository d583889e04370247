"""Our own listener: what kind of sound is heard, offline, in patches of 0.96 s.

A network of 0.35 M weights, trained on the clean sounds by ``foley train listener``; its weights
ship (``models/ear``, with a card). It names the classes of the sounds' table and gives a vector in
the space of `spot.text`, to compare a sound with words, and with what is seen. Front end:
that of AudioSet (`listeners.yamnet.log_mel`), each patch taken from its own loudest point down.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from foleycli.errors import ModelError
from foleycli.listeners.yamnet import HOP, SAMPLE_RATE, WINDOW, log_mel
from foleycli.models.sessions import open_session

PATCH, PATCH_HOP = 96, 48  # mel frames, 10 ms each
OFFSET = 1e-5  # added to magnitudes before the logarithm
FLOOR = float(np.log(OFFSET))
RANGE = 8.0  # nepers, 70 dB: what lies further under a patch's loudest point is silence
BATCH = 32  # patches at once
SHIPPED = Path(__file__).parent.parent / "models" / "ear"


class Ear:
    """The listener on the CPU, a few milliseconds a patch.

    Raises:
        ModelError: its weights cannot be read.
    """

    name = "ear"
    sample_rate = SAMPLE_RATE

    def __init__(self, weights: Path = SHIPPED / "ear.onnx") -> None:
        try:
            content = weights.read_bytes()
            self._session = open_session(content)
            facts = self._session.get_modelmeta().custom_metadata_map
            self.classes = tuple(json.loads(facts["classes"]))
            self.mean = np.array(json.loads(facts["mean"]), np.float32)  # of the words' vectors
        except Exception as error:  # onnxruntime raises what it likes
            raise ModelError(
                f"The listener's weights cannot be read from {weights}: {error}.",
                "Install foleycli anew, or give the file that foley train listener wrote.",
            ) from error
        self.fingerprint = hashlib.blake2b(content, digest_size=8).hexdigest()

    def __call__(
        self, waveform: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Hear a mono waveform (samples,) at 16 kHz, a patch every 0.48 s.

        Returns:
            (patches, classes) probabilities, and (patches, 384) vectors of words less their mean.
        """
        return self.hear(waveform_patches(waveform))

    def hear(self, patches: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same of patches (n, 96, 64) of log-mel."""
        levelled = level_patches(patches)
        rows = [
            self._session.run(["classes", "words"], {"patches": levelled[i : i + BATCH]})
            for i in range(0, len(levelled), BATCH)
        ]
        logits, words = (np.concatenate([np.asarray(row[k]) for row in rows]) for k in (0, 1))
        return expit(logits).astype(np.float32), words.astype(np.float32)


@lru_cache(maxsize=1)
def ear() -> Ear:
    """The one listener of this process."""
    return Ear()


def frames_of(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """(samples,) at 16 kHz -> log-mel frames (frames, 64), a hundred a second."""
    short = WINDOW - len(waveform)
    padded = np.pad(waveform, (0, short)) if short > 0 else waveform
    return log_mel(padded, OFFSET).astype(np.float32)


def waveform_patches(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """(samples,) at 16 kHz -> (patches, 96, 64), the last one filled with silence."""
    return np.stack(list(cut_patches(frames_of(waveform))))


def cut_patches(frames: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Log-mel frames (frames, 64) -> patches (96, 64) every 48 frames, at least one."""
    count = 1 + max(0, -(-(len(frames) - PATCH) // PATCH_HOP))
    for number in range(count):
        patch = frames[number * PATCH_HOP :][:PATCH]
        yield np.pad(patch, ((0, PATCH - len(patch)), (0, 0)), constant_values=FLOOR)


def level_patches(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-mel patches (n, 96, 64) on one scale: 0.5 the loudest point, -0.5 silence."""
    top = patches.max(axis=(1, 2), keepdims=True)
    return (np.maximum(patches - top, -RANGE) / RANGE + 0.5).astype(np.float32)


def seconds_of(patch: int) -> float:
    """When the middle of a patch is, in seconds."""
    return (patch * PATCH_HOP + PATCH / 2) * HOP / SAMPLE_RATE
