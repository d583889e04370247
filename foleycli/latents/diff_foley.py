"""The full-size model: conditioner, denoiser and autoencoder of Diff-Foley (arXiv 2306.17203).

Denoiser and autoencoder have the shapes of Stable Diffusion 1, so diffusers builds them; the
picture they see is a log-mel spectrogram. ``sources/convert.py`` renames the public checkpoint.
"""

from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from foleycli.config import LATENT_DIFFUSION, LatentDiffusionConfig
from foleycli.latents.schedule import NoiseSchedule


class Conditioner(nn.Module):
    """Feature rows to the rows the denoiser attends to: a linear map, and where each row stands."""

    def __init__(self, feature_size: int = 512, context_size: int = 768, rows: int = 40):
        super().__init__()
        self.embedder = nn.Sequential(nn.Linear(feature_size, context_size))
        self.pos_emb = nn.Embedding(rows, context_size)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, time, feature_size) of unit rows -> (batch, time, context_size)."""
        weight = self.pos_emb.weight
        return self.embedder(features.to(weight.dtype)) + weight[: features.shape[1]]


class DiffFoley(nn.Module):
    """Features and noise to latents, latents to mel spectrograms and back."""

    def __init__(self, config: LatentDiffusionConfig = LATENT_DIFFUSION):
        super().__init__()
        self.config = config
        self.conditioner = Conditioner(
            config.feature_size, config.context_size, config.feature_rows
        )
        self.denoiser = build_denoiser(config)
        self.autoencoder = build_autoencoder(config)

    def embed(self, features: Tensor) -> Tensor:
        """(batch, time, 512) unit rows -> (batch, time, context_size) for `predict_noise`."""
        return self.conditioner(features)

    def nothing(self, context: Tensor) -> Tensor:
        """What stands for "nothing asked": zeros in place of the embedded rows, as the published
        figures were made. (Training dropped the raw features instead, before the embedder.)
        """
        return torch.zeros_like(context)

    def predict_noise(self, latent: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """Noise in a latent, whatever the precision of the weights.

        Args:
            latent: (batch, 4, 16, 64) for 8.192 s.
            time: timestep, may be fractional.
            context: (batch, rows, context_size) from `embed`.
        """
        dtype = self.denoiser.dtype
        latent = latent.contiguous(memory_format=torch.channels_last)
        noise = self.denoiser(
            latent.to(dtype), time.to(latent.device), context.to(dtype), return_dict=False
        )[0]
        return noise.float()

    def keeping_depth(self, below: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """`predict_noise` for one run of a sampler, in which, late, every other step takes what the
        step before found in the depth of the U-Net, and computes its outermost level only.

        Args:
            below: timestep under which it is late. Earlier the depth changes too much:
                benchmarks/speed.py shows it on `small`.

        Source: Ma et al., DeepCache, arXiv 2312.00858.
        """
        depth: list[Tensor] = []  # of the step before, if that one was whole

        def keep(module: nn.Module, args: tuple, inputs: dict[str, Any]) -> None:
            depth[:] = [inputs["hidden_states"]]

        def predict(latent: Tensor, time: Tensor, context: Tensor) -> Tensor:
            if float(time) < below and depth and len(depth[0]) >= len(latent):
                return self._predict_outermost(latent, time, context, depth.pop()[-len(latent) :])
            last = self.denoiser.up_blocks[-1]
            hook = last.register_forward_pre_hook(keep, with_kwargs=True)
            try:
                return self.predict_noise(latent, time, context)
            finally:
                hook.remove()

        return predict

    def _predict_outermost(
        self, latent: Tensor, time: Tensor, context: Tensor, depth: Tensor
    ) -> Tensor:
        """As `predict_noise`, with what its last level is given from below taken as it is."""
        net: Any = self.denoiser
        latent = latent.contiguous(memory_format=torch.channels_last).to(net.dtype)
        context = context.to(net.dtype)
        waves = net.get_time_embed(sample=latent, timestep=time.to(latent.device))
        moment = net.time_embedding(waves)
        down = net.down_blocks[0]
        rows = net.conv_in(latent)
        beside = [rows]
        for resnet, attention in zip(down.resnets, down.attentions, strict=True):
            rows = resnet(rows, moment)
            rows = attention(rows, encoder_hidden_states=context, return_dict=False)[0]
            beside.append(rows)
        rows = net.up_blocks[-1](
            hidden_states=depth,
            temb=moment,
            res_hidden_states_tuple=tuple(beside),
            encoder_hidden_states=context,
        )
        return net.conv_out(net.conv_act(net.conv_norm_out(rows))).float()

    def predict_turns(
        self,
        latents: Tensor,
        numbers: Tensor,
        context: Tensor,
        schedule: NoiseSchedule,
        steps: int,
    ) -> Tensor:
        """v of whole steps of a student (`sampler.sample_turns`), by the noise it predicts.

        Args:
            numbers: (batch,) of the steps, 0 first, on the device of the latents.
        """
        times = schedule.sampling_times(steps)
        alpha, sigma = (
            part.float().to(latents.device)[numbers][:, None, None, None]
            for part in schedule.signal_and_noise(times)
        )
        timesteps = schedule.model_time(times).to(latents.device)[numbers]
        noise = self.predict_noise(latents, timesteps, context)
        return (noise - sigma * latents) / alpha

    def decode(self, latent: Tensor) -> Tensor:
        """(batch, 4, h, w) -> log mel (batch, 8 h, 8 w), about in [0, 1] and not clamped."""
        latent = (latent / self.config.latent_scale).to(self.autoencoder.dtype)
        latent = latent.contiguous(memory_format=torch.channels_last)
        picture: Any = self.autoencoder.decode(latent, return_dict=False)  # type: ignore[arg-type]
        return picture[0][:, 0].float()  # three equal channels were trained; the first is used

    def encode(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log mel (batch, h, w) in [0, 1] -> mean and log variance of its latent, scaled.

        Both are (batch, 4, h / 8, w / 8); the mean is what a latent of the sampler compares with.
        """
        picture = mel[:, None].expand(-1, 3, -1, -1).to(self.autoencoder.dtype)
        posterior: Any = self.autoencoder.encode(picture, return_dict=False)[0]
        scale = torch.tensor(self.config.latent_scale)
        return posterior.mean.float() * scale, posterior.logvar.float() + 2 * scale.log()


def build_denoiser(config: LatentDiffusionConfig) -> UNet2DConditionModel:
    """The U-Net of Stable Diffusion 1 at the sizes of ``config``."""
    return UNet2DConditionModel(
        in_channels=config.latent_channels,
        out_channels=config.latent_channels,
        block_out_channels=channels_of(config),
        layers_per_block=2,
        cross_attention_dim=config.context_size,
        attention_head_dim=config.heads,  # diffusers' name for the number of heads here
    )


def build_autoencoder(config: LatentDiffusionConfig) -> AutoencoderKL:
    """The autoencoder of Stable Diffusion 1 at the sizes of ``config``."""
    channels = tuple(config.autoencoder_channels * m for m in config.multipliers)
    sizes: dict[str, Any] = {
        "block_out_channels": channels,
        "down_block_types": ("DownEncoderBlock2D",) * len(channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(channels),
        "layers_per_block": 2,
        "latent_channels": config.latent_channels,
        "scaling_factor": config.latent_scale,
    }
    return AutoencoderKL(in_channels=3, out_channels=3, **sizes)


def channels_of(config: LatentDiffusionConfig) -> tuple[int, ...]:
    """Channels of each level of the denoiser."""
    return tuple(config.base_channels * m for m in config.multipliers)
