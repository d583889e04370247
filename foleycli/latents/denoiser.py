"""The denoiser of ``small``: a transformer over the tokens of one window.

A 1-D diffusion transformer (Peebles and Xie, arXiv 2212.09748): what sounds and when are added to
every token from the feature rows and points it covers; the timestep and the window's mean "what"
set scale, shift and gate of every layer. It predicts v = alpha noise - sigma latent
(Salimans and Ho, arXiv 2202.00512).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foleycli.config import FEATURES
from foleycli.latents.schedule import NoiseSchedule

TIMBRE_GAIN = 4.0  # brings its spread, about a quarter, to one
SPREAD = 5.0  # a number's variance is between e^-5 and e^5 of its channel's


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserConfig:
    """Sizes of a denoiser; stored in the bundle."""

    channels: int = 64  # of a latent token
    patch: int = 8  # points of the feature curves that a token covers
    width: int = 384
    depth: int = 8
    heads: int = 6
    timbre: int = 0  # columns of a feature row that give an example to sound like
    local: bool = False  # the variance of every number is predicted, not only known by channel


class Attention(nn.Module):
    """Self-attention over tokens with normalised queries and keys and rotary positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.query_norm = nn.RMSNorm(width // heads)
        self.key_norm = nn.RMSNorm(width // heads)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(batch, tokens, width) -> the same shape."""
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)  # (batch, heads, tokens, width / heads)
        query = rotate(self.query_norm(query), cos, sin).to(value.dtype)
        key = rotate(self.key_norm(key), cos, sin).to(value.dtype)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class Block(nn.Module):
    """Attention, then two linear layers, each scaled, shifted and gated by the conditioning."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.modulation = nn.Parameter(torch.zeros(6, width))  # added to the shared one

    def forward(self, x: Tensor, shared: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Tokens (batch, tokens, width), shared modulation (batch, 6, width)."""
        m = (shared + self.modulation).unsqueeze(2).unbind(1)  # six of (batch, 1, width)
        x = x + m[2] * self.attention(modulate(x, m[0], m[1]), cos, sin)
        hidden = F.gelu(self.widen(modulate(x, m[3], m[4])), approximate="tanh")
        return x + m[5] * self.narrow(hidden)


class Denoiser(nn.Module):
    """Predicts v of a noisy latent (batch, tokens, channels), given features."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width, points = config.width, 2 * config.patch
        self.config = config
        self.tokens_in = nn.Linear(config.channels, width)
        self.what_in = nn.Linear(FEATURES.what_size, width)
        self.when_in = nn.Sequential(nn.Linear(points, width), nn.GELU(), nn.Linear(width, width))
        self.timbre_in = nn.Linear(config.timbre, width) if config.timbre else None
        self.no_what = nn.Parameter(torch.zeros(width))
        self.no_when = nn.Parameter(torch.zeros(width))
        self.time_in = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.window_in = nn.Linear(width, width)
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.depth))
        self.out_modulation = nn.Linear(width, 2 * width)
        self.tokens_out = nn.Linear(width, config.channels)
        self.spread_out = nn.Linear(width, config.channels) if config.local else None
        self._start_as_zero()

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        features: Tensor,
        with_what: Tensor,
        with_when: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Predict v, less `expected_v`, and the variances that `expected_v` should go by.

        Args:
            latents: (batch, tokens, channels), noisy.
            timesteps: (batch,), 0 to 999, fractions allowed.
            features: (batch, rows, 512); a row covers ``FEATURES.bins / patch`` tokens.
            with_what, with_when: (batch,) bool, False where that half of the features is withheld.

        Returns:
            (batch, tokens, channels) twice; the second is a factor to the channel's variance: where
            it is quiet detail hardly differs from the mean, in a loud hiss it differs much.
        """
        what, when = self._split(features)
        what = self.what_in(what)
        if self.timbre_in is not None:
            timbre = features[..., -self.config.timbre :]
            what = what + self.timbre_in(TIMBRE_GAIN * timbre)
        what = torch.where(with_what[:, None, None], what, self.no_what)
        when = torch.where(with_when[:, None, None], self.when_in(when), self.no_when)
        repeats = FEATURES.bins // self.config.patch
        x = self.tokens_in(latents) + when + what.repeat_interleave(repeats, dim=1)
        condition = self.time_in(wave_embedding(timesteps)) + self.window_in(what.mean(dim=1))
        condition = F.silu(condition)
        shared = self.modulation(condition).unflatten(1, (6, -1))
        cos, sin = rotations(latents.shape[1], self.config.width // self.config.heads)
        for block in self.blocks:
            x = block(x, shared, cos.to(x.device), sin.to(x.device))
        shift, scale = self.out_modulation(condition).unsqueeze(1).chunk(2, dim=-1)
        x = modulate(x, shift, scale)
        v = self.tokens_out(x)
        if self.spread_out is None:
            return v, torch.ones_like(v)
        return v, torch.exp(SPREAD * torch.tanh(self.spread_out(x).float() / SPREAD))

    def _split(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What (batch, rows, 384) as unit-variance numbers, when (batch, tokens, 2 * patch)."""
        size, bins, patch = FEATURES.what_size, FEATURES.bins, self.config.patch
        what = features[..., :size] * math.sqrt(size)
        curves = features[..., size : size + 2 * bins].clamp(min=0).sqrt()  # faint is not nothing
        batch, rows, _ = curves.shape
        curves = curves.reshape(batch, rows, 2, bins // patch, patch).transpose(2, 3)
        return what, curves.reshape(batch, rows * bins // patch, 2 * patch)

    def _start_as_zero(self) -> None:
        """Blocks begin as the identity and the output as zero, as in the DiT paper."""
        for layer in (self.modulation, self.out_modulation, self.tokens_out, self.spread_out):
            if layer is not None:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)


def expected_v(latents: Tensor, alpha: Tensor, sigma: Tensor, variances: Tensor) -> Tensor:
    """The best guess of v for normal numbers of known variances and mean 0.

    `Denoiser` learns what is missing to it, so that hundreds of nearly independent detail channels
    need not pass through its width. A number of variance 1 has the guess 0.

    Args:
        variances: of the channels (channels,), or of every number, shaped like the latents.
    """
    gain = alpha * sigma * (1 - variances) / (alpha**2 * variances + sigma**2)
    return gain * latents


def predict_turns(
    net: Denoiser,
    latents: Tensor,
    numbers: Tensor,
    features: Tensor,
    variances: Tensor,
    schedule: NoiseSchedule,
    steps: int,
) -> Tensor:
    """v of whole steps of a student (`sampler.sample_turns`), everything asked for.

    As `expected_v` does for a moment, the guess for a whole step is exact for normal numbers of
    known variances: the turn by it brings them from their size at its beginning to that at its end.
    What the network adds to the guess is what is not normal.

    Args:
        numbers: (batch,) of the steps, 0 first, on the device of the latents.
        variances: (channels,) of the autoencoder.
    """
    device = latents.device
    times = schedule.sampling_times(steps)
    power, noise = (part.square().float().to(device) for part in schedule.signal_and_noise(times))
    timesteps = schedule.model_time(times).to(device)[numbers]
    asked = torch.ones(len(latents), dtype=torch.bool, device=device)
    v, spread = net(latents, timesteps, features, asked, asked)
    known = variances * spread.float()
    begun, ended = (
        power[n][:, None, None] * known + noise[n][:, None, None] for n in (numbers, numbers + 1)
    )
    cosines, sines = (
        part.float().to(device)[numbers][:, None, None] for part in schedule.turns(steps)
    )
    return v.float() + (cosines - (ended / begun).sqrt()) / sines * latents


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalise (batch, tokens, width), then scale and shift by (batch, 1, width)."""
    return F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


def wave_embedding(timesteps: Tensor, size: int = 256) -> Tensor:
    """Cosines and sines of (batch,) timesteps at frequencies from 1 to 1 / 10000: (batch, size)."""
    half = size // 2
    frequencies = torch.exp(-math.log(10_000) / half * torch.arange(half, device=timesteps.device))
    angles = timesteps[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def rotations(tokens: int, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines (tokens, size / 2) of rotary positions (Su et al., arXiv 2104.09864)."""
    frequencies = 1000.0 ** (-torch.arange(size // 2) / (size // 2))
    angles = torch.arange(tokens)[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of numbers of (batch, heads, tokens, size) by its token's angles."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)
