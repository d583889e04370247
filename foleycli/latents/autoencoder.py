"""Mel spectrograms to latents and back, linearly: principal components of short patches.

A trained network that is not trained for long ruins every sound that passes it; these components
do not (DESIGN.md, section 2), and they cost nothing to run.
"""

import torch
from torch import Tensor, nn

COARSE = 128  # channels that hold what a sound is; see `PatchAutoencoder.fit`
DETAIL = 0.5  # size of the other channels against what the whitening gives them


class PatchAutoencoder(nn.Module):
    """Whitened principal components of patches of a mel spectrogram.

    Args:
        n_mels: bands of the spectrogram.
        patch: frames a patch covers; one patch is one token of the denoiser.
        channels: components kept.
    """

    variances: Tensor  # (channels,) of the latents, where the denoiser may rely on them; else 1
    mean: Tensor  # (n_mels * patch,)
    encoder: Tensor  # (channels, n_mels * patch)
    decoder: Tensor  # (n_mels * patch, channels)

    def __init__(self, n_mels: int, patch: int, channels: int) -> None:
        super().__init__()
        self.n_mels, self.patch, self.channels = n_mels, patch, channels
        size = n_mels * patch
        self.register_buffer("variances", torch.ones(channels))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("encoder", torch.zeros(channels, size))
        self.register_buffer("decoder", torch.zeros(size, channels))

    def encode(self, mel: Tensor) -> Tensor:
        """(batch, n_mels, frames) -> latents (batch, frames / patch, channels)."""
        return (self.patches(mel) - self.mean) @ self.encoder.T

    def decode(self, latents: Tensor) -> Tensor:
        """(batch, tokens, channels) -> mel (batch, n_mels, tokens * patch), clamped to [0, 1]."""
        patches = latents @ self.decoder.T + self.mean
        batch, tokens, _ = patches.shape
        patches = patches.reshape(batch, tokens, self.n_mels, self.patch).transpose(1, 2)
        return patches.reshape(batch, self.n_mels, tokens * self.patch).clamp(0, 1)

    def patches(self, mel: Tensor) -> Tensor:
        """(batch, n_mels, frames) -> (batch, frames / patch, n_mels * patch)."""
        batch, n_mels, frames = mel.shape
        cut = mel.reshape(batch, n_mels, frames // self.patch, self.patch).transpose(1, 2)
        return cut.reshape(batch, frames // self.patch, n_mels * self.patch)

    def fit(self, patches: Tensor, whitening: float = 1.0) -> Tensor:
        """Set the components from example patches (n, n_mels * patch); returns their variances.

        Args:
            whitening: 1 gives every channel the same variance, 0 leaves the principal components
                their own. The mean variance of the first ``COARSE`` channels is 1; the rest is
                detail that adds little to a loss and much to a sound.
        """
        self.mean.copy_(patches.mean(dim=0))
        centred = (patches - self.mean).double()
        variances, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        order = variances.argsort(descending=True)[: self.channels]
        kept, vectors = variances[order], vectors[:, order]
        spread = kept.sqrt() ** (1 - whitening)  # standard deviation of each latent channel
        spread = spread / spread[:COARSE].square().mean().sqrt()
        spread[COARSE:] *= DETAIL
        self.variances.copy_(spread**2)
        self.encoder.copy_((vectors * (spread / kept.sqrt())).T)
        self.decoder.copy_(vectors * (kept.sqrt() / spread))
        return variances.flip(0)
