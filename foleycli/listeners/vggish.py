"""VGGish, the listener of published FAD: 128 numbers for each 0.96 s (arXiv 1609.09430).

Modules carry the names and shapes of torchvggish's weights. As the evaluations use it that print
FAD (haoheliu/audioldm_eval, gudgud96/frechet-audio-distance): no PCA, no last ReLU.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.listeners.heard import Heard
from foleycli.listeners.pulled import load_listener
from foleycli.listeners.yamnet import HOP, PATCH, SAMPLE_RATE, WINDOW, log_mel

NAME = "eval-vggish"
OFFSET = 0.01  # added to magnitudes before the logarithm
LAYERS = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool")
WIDTH = 4096


class Vggish(nn.Module):
    """Six convolutions, three linear layers.

    Args:
        narrow: divides all widths, for tests.
    """

    def __init__(self, narrow: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for layer in LAYERS:
            if isinstance(layer, str):
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(inputs, layer // narrow, 3, padding=1), nn.ReLU()]
            inputs = layer // narrow
        self.features = nn.Sequential(*layers)
        width = WIDTH // narrow
        self.embeddings = nn.Sequential(
            nn.Linear(inputs * 6 * 4, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 128),
        )  # fmt: skip

    def forward(self, log_mel: Tensor) -> Tensor:
        """(patches, 96, 64) -> (patches, 128)"""
        maps = self.features(log_mel[:, None])
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # channels last, as TensorFlow


class VggishListener:
    """VGGish as it was pulled.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    name = "vggish"
    sample_rate = SAMPLE_RATE
    levelled = False

    def __init__(self, narrow: int = 1) -> None:
        self._net, self.fingerprint = load_listener(NAME, lambda: Vggish(narrow))

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,) at 16 kHz."""
        patches = torch.from_numpy(vggish_patches(waveform))
        return Heard(torch.cat([self._net(batch) for batch in patches.split(16)]).numpy())


def vggish_patches(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """VGGish's input: (samples,) at 16 kHz -> (patches, 96, 64), side by side.

    A rest shorter than a patch is left out, as published; a sound shorter than one, for which the
    published code has no row at all, is filled up with silence.
    """
    shortest = (PATCH - 1) * HOP + WINDOW
    frames = log_mel(np.pad(waveform, (0, max(0, shortest - len(waveform)))), OFFSET)
    patches = len(frames) // PATCH
    return frames[: patches * PATCH].reshape(patches, PATCH, -1).astype(np.float32)
