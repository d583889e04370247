"""Principal components of patches: exact when all are kept, best when some are."""

import torch

from foleycli.latents.autoencoder import PatchAutoencoder


def fitted(channels: int, mels: torch.Tensor) -> PatchAutoencoder:
    autoencoder = PatchAutoencoder(mels.shape[1], 4, channels)
    autoencoder.fit(autoencoder.patches(mels).flatten(0, 1), whitening=0.5)
    return autoencoder


def test_all_components_give_back_the_mel():
    mels = torch.rand(40, 3, 64, generator=torch.Generator().manual_seed(0))
    autoencoder = fitted(12, mels)
    latents = autoencoder.encode(mels)
    assert latents.shape == (40, 16, 12)
    torch.testing.assert_close(autoencoder.decode(latents), mels, atol=1e-4, rtol=0)


def test_more_components_lose_less():
    mels = torch.rand(40, 3, 64, generator=torch.Generator().manual_seed(0)).sort(dim=1).values
    losses = []
    for channels in (2, 6, 10):
        autoencoder = fitted(channels, mels)
        back = autoencoder.decode(autoencoder.encode(mels))
        losses.append(float((back - mels).square().mean()))
    assert losses == sorted(losses, reverse=True)


def test_latents_have_the_variances_that_are_told():
    mels = torch.rand(200, 3, 64, generator=torch.Generator().manual_seed(0)).sort(dim=1).values
    autoencoder = fitted(6, mels)
    latents = autoencoder.encode(mels).flatten(0, 1)
    torch.testing.assert_close(latents.square().mean(0), autoencoder.variances, rtol=1e-3, atol=0)
    torch.testing.assert_close(autoencoder.variances.mean(), torch.tensor(1.0))


def test_decoded_mels_stay_in_range():
    autoencoder = fitted(6, torch.rand(40, 3, 64))
    mel = autoencoder.decode(10 * torch.randn(2, 5, 6))
    assert mel.shape == (2, 3, 20)
    assert 0 <= float(mel.min()) <= float(mel.max()) <= 1
