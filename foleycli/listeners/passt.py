"""PaSST-S, the listener of newer papers' KL, FD and IS (arXiv 2110.05069): 527 classes of 10 s.

Modules carry the names and shapes of the public weights (kkoutini/PaSST, release v0.0.1-audioset),
which hear21passt loads. As MMAudio's evaluation (hkchengrex/av-benchmark) uses it: a sound under
10 s is filled with silence, and what is compared are 768 numbers and the logits. Where that one
leaves out what comes after 10 s, here it is heard too, in windows of 10 s.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.listeners.fbank import filters
from foleycli.listeners.heard import Heard
from foleycli.listeners.pulled import load_listener
from foleycli.waveform.sound import cut_windows

NAME = "eval-passt"
SAMPLE_RATE = 32_000  # Hz
WINDOW = 10 * SAMPLE_RATE  # samples, that are heard at once
N_FFT, FRAME, HOP, N_MELS = 1024, 800, 320, 128  # samples, bands
HIGHEST = 15_000.0  # Hz: half the rate, less half the range that training moved it in
PREEMPHASIS = 0.97
OFFSET, MEAN, SCALE = 1e-5, -4.5, 5.0  # added before the logarithm; taken off and divided by after
PATCH, STRIDE, GRID = 16, 10, (12, 99)  # frames and bands; patches of 128 bands and 998 frames
CLASSES = 527


class Attention(nn.Module):
    """Every token looks at every other."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.proj = nn.Linear(size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same shape"""
        split = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(split[0], split[1], split[2])
        return self.proj(seen.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then two layers for each token alone."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size, eps=1e-6)
        self.attn = Attention(size, heads)
        self.norm2 = nn.LayerNorm(size, eps=1e-6)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(size, 4 * size), "fc2": nn.Linear(4 * size, size)}
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same shape"""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))


class Passt(nn.Module):
    """A vision transformer over spectrograms, with positions in frequency and in time.

    Args:
        size: of a token.
        depth: blocks.
        heads: of attention.
    """

    def __init__(self, size: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__()
        bands, frames = GRID
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, size))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, 2, size))  # of those two
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, size, bands, 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, size, 1, frames))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, size, PATCH, STRIDE)})
        self.blocks = nn.Sequential(*(Block(size, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(size, eps=1e-6)
        self.head = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, CLASSES))
        self.head_dist = nn.Linear(size, CLASSES)  # of training; nothing here asks it

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 128, frames), at most 1005 -> embeddings (batch, size), logits (batch, 527)"""
        patches = self.patch_embed["proj"](log_mel[:, None])
        patches = patches + self.freq_new_pos_embed
        patches = patches + self.time_new_pos_embed[..., : patches.shape[3]]
        heads = torch.cat([self.cls_token, self.dist_token], 1) + self.new_pos_embed
        tokens = torch.cat([heads.expand(len(patches), -1, -1), patches.flatten(2).mT], 1)
        embedding = self.norm(self.blocks(tokens))[:, :2].mean(1)
        return embedding, self.head(embedding)


class PasstListener:
    """PaSST-S as it was pulled.

    Args:
        sizes: of a small one, for tests.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    name = "passt"
    sample_rate = SAMPLE_RATE
    levelled = False

    def __init__(self, **sizes: int) -> None:
        self._net, self.fingerprint = load_listener(NAME, lambda: Passt(**sizes))

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,) at 32 kHz: a row for each window of 10 s."""
        windows = passt_mel(cut_windows(waveform, WINDOW))
        heard = [self._net(window) for window in windows.split(1)]  # 200 MB of memory each
        embeddings, logits = (torch.cat(parts).numpy() for parts in zip(*heard, strict=True))
        return Heard(embeddings, logits)


def passt_mel(waveforms: NDArray[np.float32]) -> Tensor:
    """PaSST's input: (windows, samples) at 32 kHz -> (windows, 128, frames), about -1 to 1."""
    samples = torch.from_numpy(waveforms.astype(np.float32))
    spectrogram = torch.stft(
        samples[:, 1:] - PREEMPHASIS * samples[:, :-1], N_FFT, HOP, FRAME,
        torch.hann_window(FRAME, periodic=False), pad_mode="reflect", return_complex=True,
    )  # fmt: skip
    power = torch.view_as_real(spectrogram).square().sum(-1)
    bands = filters(N_MELS, N_FFT, SAMPLE_RATE, 0.0, HIGHEST) @ power
    return ((bands + OFFSET).log() - MEAN) / SCALE
