"""Does this latent belong to this picture? The classifiers of Diff-Foley.

One guides the sampler ("double guidance"), knowing noisy latents at any time; the other scores
finished sound ("alignment accuracy") and carries its own autoencoder. Same network: the lower half
of a denoiser, averaged to one number.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.unets.unet_2d_blocks import (
    CrossAttnDownBlock2D,
    DownBlock2D,
    UNetMidBlock2DCrossAttn,
)
from torch import Tensor, nn

from foleycli.config import ALIGNMENT, LATENT_DIFFUSION, AlignmentConfig
from foleycli.latents.diff_foley import Conditioner, build_autoencoder


class Alignment(nn.Module):
    """Probability that a latent sounds like the picture it is shown with."""

    def __init__(self, config: AlignmentConfig = ALIGNMENT, scores: bool = False):
        super().__init__()
        self.conditioner = Conditioner(
            config.feature_size, config.context_size, config.feature_rows
        )
        base = config.base_channels
        channels = [base * m for m in config.multipliers]
        self.conv_in = nn.Conv2d(LATENT_DIFFUSION.latent_channels, base, 3, padding=1)
        self.time_sinusoids = Timesteps(base, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(base, 4 * base)
        self.down_blocks = nn.ModuleList(
            _level(before, after, config, attends=i > 0, ends=i == len(channels) - 1)
            for i, (before, after) in enumerate(zip([base, *channels], channels, strict=False))
        )
        self.mid_block = UNetMidBlock2DCrossAttn(
            in_channels=channels[-1],
            temb_channels=4 * base,
            resnet_eps=1e-5,
            cross_attention_dim=config.context_size,
            num_attention_heads=config.heads,
        )
        self.conv_norm_out = nn.GroupNorm(32, channels[-1], eps=1e-5)
        self.conv_out = nn.Conv2d(channels[-1], base, 3, padding=1)
        self.classifier = nn.Linear(base, 1)
        if scores:
            self.autoencoder = build_autoencoder(LATENT_DIFFUSION)

    def forward(self, latent: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """Logit of "belongs together".

        Args:
            latent: (batch, 4, h, w).
            time: timestep of its noise, may be fractional; one for all or (batch,).
            context: (batch, rows, context_size); from `conditioner`, as it was trained.

        Returns:
            (batch,)
        """
        sinusoids = self.time_sinusoids(time.reshape(-1).expand(len(latent)).to(latent.device))
        embedded = self.time_embedding(sinusoids.to(latent.dtype))
        hidden = self.conv_in(latent)
        for level in self.down_blocks:
            hidden = _down(level, hidden, embedded, context)
        hidden = self.mid_block(hidden, embedded, encoder_hidden_states=context)
        hidden = self.conv_out(F.silu(self.conv_norm_out(hidden)))
        return self.classifier(hidden.mean((2, 3))).squeeze(1)

    def log_probability(self, context: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """log p (batch,) of a latent at a time: what `sampler.steer` climbs."""
        return lambda latent, time: F.logsigmoid(self(latent, time, context))


def _level(
    before: int, after: int, config: AlignmentConfig, *, attends: bool, ends: bool
) -> nn.Module:
    sizes = {
        "in_channels": before,
        "out_channels": after,
        "temb_channels": 4 * config.base_channels,
        "num_layers": 1,
        "resnet_eps": 1e-5,
        "add_downsample": not ends,
    }
    if not attends:
        return DownBlock2D(**sizes)
    return CrossAttnDownBlock2D(
        **sizes, cross_attention_dim=config.context_size, num_attention_heads=config.heads
    )


def _down(level: nn.Module, hidden: Tensor, time: Tensor, context: Tensor) -> Tensor:
    if isinstance(level, CrossAttnDownBlock2D):
        return level(hidden, time, encoder_hidden_states=context)[0]
    return level(hidden, time)[0]


def picture_latents(mel: Tensor) -> Tensor:
    """A spectrogram in the shape of latents, without a network: what ``small`` is aligned by.

    Averages of 4 x 4 values, the four of a square as channels:
    (batch, 128, 512) log mel in [0, 1] -> (batch, 4, 16, 64), about unit variance.
    """
    pooled = F.avg_pool2d(mel[:, None], 4)
    return 3 * F.pixel_unshuffle(pooled, 2) - 1


@torch.inference_mode()
def alignment(classifier: Alignment, mel: Tensor, features: Tensor) -> Tensor:
    """Probability that finished sound belongs to the picture; over 0.5 counts as aligned.

    The mean of the autoencoder's posterior is used, so that a score is the same each time.

    Args:
        classifier: the scoring one, with its autoencoder.
        mel: (batch, 128, 512) log mel in [0, 1].
        features: (batch, 32, 512) unit rows.

    Returns:
        (batch,)
    """
    picture = mel[:, None].expand(-1, 3, -1, -1)
    posterior: Any = classifier.autoencoder.encode(picture, return_dict=False)[0]
    latent = posterior.mean * LATENT_DIFFUSION.latent_scale
    time = torch.zeros(len(mel))
    return classifier(latent, time, classifier.conditioner(features)).sigmoid()
