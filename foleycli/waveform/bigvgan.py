"""Mel to waveform with BigVGAN (Lee et al., arXiv 2206.04658): 16 kHz, and version 2 at 44.1 kHz.

Stages of transposed convolutions, each followed by the mean of three blocks whose bends are
periodic and run at twice the rate, so that they do not alias (Karras et al., arXiv 2106.12423).
Modules carry the public names, with weight norm folded in by `fold`.
"""

import math
from collections.abc import Mapping
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import BIGVGAN, BigvganConfig

KERNELS = (3, 7, 11)  # of a stage's three blocks
DILATIONS = (1, 3, 5)
TAPS = 12  # of the filters of twice the rate
EDGE = 7  # width of the first and of the last convolution
EPS = 1e-9
BLOCK = 64  # samples that one row of a filter's matrix makes
CHUNK = 1 << 18  # samples that pass the bend at once: they stay in the processor's cache
# What a length and a direction are called: in the files, and as torch renames them.
PAIRS = (
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
)


def fold(public: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The public file's tensors with lengths multiplied into directions: g v / |v| (weight norm,
    arXiv 1602.07868), over all axes but the first; filters, which are constants, are left out."""
    folded = {}
    for name, tensor in public.items():
        for length, direction in PAIRS:
            if name.endswith(direction):
                stem = name.removesuffix(direction)
                folded[f"{stem}.weight"] = unfold_norm(public[stem + length], tensor)
                break
            if name.endswith(length):
                break
        else:
            if not name.endswith(".filter"):
                folded[name] = tensor
    return folded


def unfold_norm(length: Tensor, direction: Tensor) -> Tensor:
    """A weight (out, in, width) of its lengths (out, 1, 1) and directions."""
    direction = direction.float()
    norms = direction.flatten(1).norm(dim=1).view(-1, *[1] * (direction.ndim - 1))
    return length.float() * direction / norms


@lru_cache(maxsize=1)
@torch.inference_mode(False)
def lowpass() -> Tensor:
    """(12,) a Kaiser-windowed sinc that passes the lower half: cutoff 1/4, transition 3/10."""
    attenuation = 2.285 * (TAPS / 2 - 1) * math.pi * 1.2 + 7.95
    window = torch.kaiser_window(
        TAPS, periodic=False, beta=0.1102 * (attenuation - 8.7), dtype=torch.float64
    )
    times = torch.arange(TAPS, dtype=torch.float64) - (TAPS - 1) / 2
    taps = 0.5 * torch.sinc(0.5 * times) * window
    return (taps / taps.sum()).float()


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def filters(device: torch.device) -> tuple[Tensor, Tensor]:
    """The two filters as matrices: blocks to twice the rate, and back.

    Row i of the first, (BLOCK + 10, 2 BLOCK), is where input sample i of a block and its
    neighbours goes; the second is (2 BLOCK + 10, BLOCK). As products of matrices they run at many
    times the speed of convolutions of one channel.
    """
    taps = lowpass()
    up, down = torch.zeros(BLOCK + 10, 2 * BLOCK), torch.zeros(2 * BLOCK + 10, BLOCK)
    for j in range(BLOCK):
        for i in range(TAPS):
            down[2 * j + i, j] = taps[i]
            # 15 samples of the transposed convolution's output are cut: odd taps make even ones
            up[j + 7 - (i - 1) // 2 if i % 2 else j + 8 - i // 2, 2 * j + (1 - i % 2)] = 2 * taps[i]
    return up.to(device), down.to(device)


def pass_filter(rows: Tensor, matrix: Tensor, step: int, left: int) -> Tensor:
    """Rows (n, samples), their ends repeated, through a filter's matrix: (n, blocks * columns).

    Args:
        step: input samples of a block.
        left: samples repeated before the first.
    """
    width, samples = len(matrix), rows.shape[1]
    blocks = -(-samples // step)
    right = (blocks - 1) * step + width - left - samples
    padded = F.pad(rows[:, None], (left, right), mode="replicate")[:, 0]
    return (padded.unfold(1, width, step) @ matrix).flatten(1)


class Snake(nn.Module):
    """x + sin^2(a x) / b with a, b a channel (arXiv 2006.08195), stored as logarithms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))


class Bend(nn.Module):
    """The snake at twice the rate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = Snake(channels)

    def forward(self, sound: Tensor) -> Tensor:
        """(batch, channels, samples) -> the same, in its type"""
        with torch.autocast(sound.device.type, enabled=False):
            return self._bend(sound)

    def _bend(self, sound: Tensor) -> Tensor:
        batch, channels, samples = sound.shape
        rows, up, down = sound.flatten(0, 1), *filters(sound.device)
        speed = self.act.alpha.float().exp().repeat(batch)[:, None]
        depth = (1 / (self.act.beta.float().exp() + EPS)).repeat(batch)[:, None]
        bent = torch.empty_like(rows)
        many = max(1, CHUNK // samples) if sound.device.type == "cpu" else len(rows)
        for first in range(0, len(rows), many):
            part = slice(first, first + many)
            fine = pass_filter(rows[part].float(), up, BLOCK, 5)[:, : 2 * samples]
            wave = (fine * speed[part]).sin_().square_().mul_(depth[part])
            fine = wave.add_(fine)
            bent[part] = pass_filter(fine, down, 2 * BLOCK, 5)[:, :samples]
        return bent.unflatten(0, (batch, channels))


class AmpBlock(nn.Module):
    """Three times a bend and a dilated convolution, a bend and a plain one, beside a shortcut."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()

        def convs(dilations: tuple[int, ...]) -> nn.ModuleList:
            return nn.ModuleList(
                nn.Conv1d(channels, channels, kernel, padding=kernel // 2 * d, dilation=d)
                for d in dilations
            )

        self.convs1 = convs(DILATIONS)
        self.convs2 = convs((1,) * len(DILATIONS))
        self.activations = nn.ModuleList(Bend(channels) for _ in range(2 * len(DILATIONS)))

    def forward(self, sound: Tensor) -> Tensor:
        """(batch, channels, samples) -> the same"""
        for i in range(len(DILATIONS)):
            more = self.convs1[i](self.activations[2 * i](sound))
            sound = sound + self.convs2[i](self.activations[2 * i + 1](more))
        return sound


class BigVgan(nn.Module):
    """Log mel -> waveform."""

    def __init__(self, config: BigvganConfig = BIGVGAN) -> None:
        super().__init__()
        self.config = config
        sizes = [config.size >> i for i in range(len(config.rates) + 1)]
        self.conv_pre = nn.Conv1d(config.n_mels, sizes[0], EDGE, padding=EDGE // 2)
        self.ups = nn.ModuleList(
            nn.ModuleList([nn.ConvTranspose1d(sizes[i], sizes[i + 1], k, r, (k - r) // 2)])
            for i, (r, k) in enumerate(zip(config.rates, config.kernels, strict=True))
        )
        self.resblocks = nn.ModuleList(
            AmpBlock(size, kernel) for size in sizes[1:] for kernel in KERNELS
        )
        self.activation_post = Bend(sizes[-1])
        self.conv_post = nn.Conv1d(
            sizes[-1], 1, EDGE, padding=EDGE // 2, bias=not config.second_version
        )

    def unbounded(self, mel: Tensor) -> Tensor:
        """The waveform (batch, 1, samples) before its end is bounded, float32."""
        sound = self.conv_pre(mel)
        for i, up in enumerate(self.ups):
            assert isinstance(up, nn.ModuleList)
            sound = up[0](sound)
            blocks = self.resblocks[i * len(KERNELS) : (i + 1) * len(KERNELS)]
            total = None
            for block in blocks:
                more = block(sound)
                total = more if total is None else total + more
            assert total is not None
            sound = total / len(KERNELS)
        return self.conv_post(self.activation_post(sound)).float()

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, n_mels, frames) -> (batch, 1, frames * product of rates), in [-1, 1]"""
        sound = self.unbounded(mel)
        return sound.clamp(-1, 1) if self.config.second_version else sound.tanh()
