"""PANNs Cnn14 at 16 kHz, the listener of published FD, KID, KL and IS (arXiv 1912.10211).

Modules carry the names and shapes of the public weights (zenodo.org/record/3987831). As AudioLDM's
evaluation (haoheliu/audioldm_eval) uses it: the sound's mean is taken off, one under 2 s is filled
with silence, and all of it is heard at once: 2048 numbers and 527 classes a sound.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.config import MelConfig
from foleycli.listeners.conv_block import ConvBlock
from foleycli.listeners.heard import Heard
from foleycli.listeners.pulled import load_listener
from foleycli.waveform.mel import hann, mel_filters

NAME = "eval-panns"
MEL = MelConfig(sample_rate=16_000, n_fft=512, hop_length=160, n_mels=64, f_min=50.0, f_max=8000.0)
POOLS = (2, 2, 2, 2, 2, 1)
CLASSES = 527
SHORTEST = 32_000  # samples


class Cnn14(nn.Module):
    """Six blocks of convolutions, the mean over bands, maximum and mean over time.

    Args:
        base_channels: of the first block; each next one has twice as many.
    """

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(MEL.n_mels)
        inputs = 1
        for i, pool in enumerate(POOLS):
            outputs = base_channels * 2**i
            self.add_module(f"conv_block{i + 1}", ConvBlock(inputs, outputs, (pool, pool)))
            inputs = outputs
        self.fc1 = nn.Linear(inputs, inputs)
        self.fc_audioset = nn.Linear(inputs, CLASSES)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 64, time) in dB -> embeddings (batch, size), logits (batch, 527)"""
        maps = self.bn0(log_mel.unsqueeze(3)).permute(0, 3, 2, 1)  # (batch, 1, time, 64)
        for i in range(len(POOLS)):
            maps = self.get_submodule(f"conv_block{i + 1}")(maps)
        steps = maps.mean(3)
        embedding = F.relu(self.fc1(steps.amax(2) + steps.mean(2)))
        return embedding, self.fc_audioset(embedding)


class PannsListener:
    """Cnn14 as it was pulled.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    name = "panns"
    sample_rate = MEL.sample_rate
    levelled = False

    def __init__(self, base_channels: int = 64) -> None:
        self._net, self.fingerprint = load_listener(NAME, lambda: Cnn14(base_channels))

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,) at 16 kHz."""
        embedding, logits = self._net(panns_mel(waveform)[None])
        return Heard(embedding.numpy(), logits.numpy())


def panns_mel(waveform: NDArray[np.float32]) -> Tensor:
    """Cnn14's input: (samples,) at 16 kHz -> (64, frames) in dB."""
    samples = torch.from_numpy(waveform.astype(np.float32))
    samples = F.pad(samples - samples.mean(), (0, max(0, SHORTEST - len(samples))))
    spectrogram = torch.stft(
        samples, MEL.n_fft, MEL.hop_length, window=hann(MEL.n_fft), pad_mode="reflect",
        return_complex=True,
    )  # fmt: skip
    return 10 * (mel_filters(MEL) @ spectrogram.abs().square()).clamp(min=1e-10).log10()
