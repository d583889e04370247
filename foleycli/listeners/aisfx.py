"""aiSFX, a listener for sound effects: 512 numbers for every two seconds, one second apart.

Ma and Lerch 2022 (ISMIR, "Representation Learning for the Automatic Indexing of Sound Effects
Libraries"). The weights come in the package ``aisfx`` (MIT), of which only that file is used. Its
front end is Essentia's: 96 mel bands of a power spectrum, Hann windows of 2048 samples every 1024
at 44.1 kHz, each band's weights summing to 1, log10(10000 x + 1), divided by the largest value of
the training data.
"""

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.errors import ModelError
from foleycli.install import get_packages
from foleycli.listeners.conv_block import ConvBlock
from foleycli.listeners.heard import Heard
from foleycli.models.unpickle import unpickle

SAMPLE_RATE = 44_100  # Hz
N_FFT, HOP, N_MELS = 2048, 1024, 96
PATCH, PATCH_HOP = 100, 50  # frames
LARGEST = 9.457798957824707  # of the spectrograms it was trained on
PACKAGE = "aisfx"


class Aisfx(nn.Module):
    """Four blocks of convolutions, the mean over bands, the maximum over time.

    Raises:
        ModelError: the package with the weights is not installed.
    """

    name = "aisfx"
    sample_rate = SAMPLE_RATE
    levelled = True

    def __init__(self, path: Path) -> None:
        super().__init__()
        inputs = 1
        for i in range(4):
            block = ConvBlock(inputs, 64 * 2**i, (1, 1))
            self.add_module(f"conv_block{i + 1}", block)
            inputs = 64 * 2**i
        self.fingerprint = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
        weights, _ = unpickle(path)
        prefix = "embedding_net."
        self.load_state_dict(
            {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        )
        self.eval()

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, 100, 96) -> (batch, 512)"""
        hidden = mel[:, None]
        for i in range(4):
            hidden = self.get_submodule(f"conv_block{i + 1}")(hidden)
            if i < 3:
                hidden = F.max_pool2d(hidden, 2)
        return hidden.mean(3).amax(2)

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,) at 44.1 kHz; the last patch is filled with silence."""
        patches = torch.from_numpy(mel_patches(waveform))
        rows = [self.forward(batch) for batch in patches.split(8)]
        return Heard(torch.cat(rows).numpy())


@lru_cache(maxsize=1)
def open_aisfx() -> Aisfx:
    """The one aiSFX of this process."""
    spec = importlib.util.find_spec(PACKAGE)  # found, not imported: its modules want librosa
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "aiSFX, which hears sound effects, is not installed.",
            get_packages(PACKAGE, options="--no-deps"),
        )
    return Aisfx(Path(spec.submodule_search_locations[0]) / "models" / "checkpoint.pth")


def mel_patches(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """(samples,) at 44.1 kHz -> (patches, 100, 96)"""
    frames = max(1, -(-len(waveform) // HOP))
    padded = np.pad(waveform, (N_FFT // 2, N_FFT // 2 + frames * HOP - len(waveform)))
    rows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP][:frames]
    power = np.abs(np.fft.rfft(rows * np.hanning(N_FFT))) ** 2
    mel = np.log10(power @ _mel_matrix() * 1e4 + 1) / LARGEST
    patches = 1 + max(0, -(-(frames - PATCH) // PATCH_HOP))
    mel = np.pad(mel, ((0, (patches - 1) * PATCH_HOP + PATCH - frames), (0, 0)))
    return np.stack([mel[i * PATCH_HOP :][:PATCH] for i in range(patches)]).astype(np.float32)


@lru_cache(maxsize=1)
def _mel_matrix() -> NDArray[np.float64]:
    """Triangles straight in HTK's mel from 0 to 22,050 Hz, each summing to 1, (1025, 96)."""
    bins = 1127 * np.log1p(np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1) / 700)[:, None]
    edges = np.linspace(0, bins[-1, 0], N_MELS + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(0, np.minimum(rising, falling))
    return matrix / matrix.sum(axis=0)
