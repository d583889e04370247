"""Train the autoencoder of the full-size model: a network over mel pictures.

    foley train autoencoder --preset paper --sounds SOUNDS --out runs/autoencoder

SOUNDS is a folder with ``sounds.csv`` (see `train.data`). Loss: L1 between pictures, and a little
of the latent's distance from a normal distribution. The published model kept Stable Diffusion's
autoencoder, which this recipe is for those who cannot or will not.

Source: Rombach et al. 2022, arXiv 2112.10752, without its losses for photographs.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from foleycli.config import AutoencoderTraining
from foleycli.latents.diff_foley import build_autoencoder
from foleycli.output import atomic_output
from foleycli.sources.small import write_tensors
from foleycli.train.run import Run, RunOptions
from foleycli.train.waves import WaveSet
from foleycli.waveform.mel import log_mel

HELD_OUT = 32  # pieces the network is looked at with


def train(
    sounds: Path,
    table: Path,
    cache: Path,
    out: Path,
    config: AutoencoderTraining,
    options: RunOptions,
) -> Path:
    """Train, or go on; the path of ``autoencoder_kl.safetensors``, its latents of variance 1."""
    with Run(out, "autoencoder", config, options) as run:
        # what is learned from
        with run.first_alone():
            waves = WaveSet(sounds, table, cache, config.mel.sample_rate)
        samples = config.mel_frames * config.mel.hop_length
        held_out = log_mel(waves.held_out_pieces(HELD_OUT, samples), config.mel)

        # what learns
        autoencoder = build_autoencoder(config.sizes)
        autoencoder.to(run.device)  # type: ignore[arg-type]
        average = run.average_of(autoencoder)
        optimizer = torch.optim.AdamW(
            autoencoder.parameters(), config.rate, (0.5, 0.9), weight_decay=config.weight_decay
        )
        pieces, noise = np.random.default_rng(run.seed), run.generator()
        run.begin(
            {"autoencoder": autoencoder, "average": average},
            {"optimizer": optimizer},
            {"pieces": pieces, "noise": noise},
        )

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                mels = log_mel(waves.draw(run.share, samples, pieces), config.mel)
                run.backward(reconstruction_loss(autoencoder, mels, noise, run))
            run.step(optimizer)
            run.follow(average, autoencoder)
            run.end_update()
            if run.is_due() and len(held_out):
                with torch.no_grad():
                    same = torch.Generator().manual_seed(0)
                    run.validated(loss=reconstruction_loss(average, held_out, same, run))

        path = out / "autoencoder_kl.safetensors"
        if run.rank == 0:
            scale = latent_scale(average, log_mel(waves.draw(16, samples, pieces), config.mel), run)
            facts = {**asdict(config.sizes), "latent_scale": scale}
            with atomic_output(path, overwrite=True) as beside:
                write_tensors(beside, average.state_dict(), facts)
        return path


def reconstruction_loss(
    autoencoder: AutoencoderKL,
    mels: Tensor,
    random: torch.Generator,
    run: Run[AutoencoderTraining],
) -> Tensor:
    """L1 of (batch, n_mels, frames) sent there and back, and what keeps latents near normal."""
    pictures = mels[:, None].expand(-1, 3, -1, -1).to(run.device)
    with run.autocast():
        posterior: Any = autoencoder.encode(pictures, return_dict=False)[0]
        noise = torch.randn(posterior.mean.shape, generator=random).to(run.device)
        latents: Any = posterior.mean + posterior.std * noise
        back = autoencoder.decode(latents, return_dict=False)[0]
    distance = (back.float() - pictures).abs().mean()
    mean, log_variance = posterior.mean.float(), posterior.logvar.float()
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum((1, 2, 3))
    return distance + run.config.kl * divergence.mean()


@torch.no_grad()
def latent_scale(autoencoder: AutoencoderKL, mels: Tensor, run: Run[AutoencoderTraining]) -> float:
    """What latents are multiplied with to have variance 1."""
    pictures = mels[:, None].expand(-1, 3, -1, -1).to(run.device)
    return 1 / float(autoencoder.encode(pictures, return_dict=False)[0].mean.std())
