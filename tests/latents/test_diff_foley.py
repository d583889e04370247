"""Denoiser, autoencoder, conditioner and classifiers against the public implementation run on the
same filled weights (fixture: a small latent diffusion model and the full-size classifier)."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from foleycli.config import LatentDiffusionConfig
from foleycli.latents.align import Alignment, alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.latents.sampler import guide, sample_ddim, sample_latents, steer
from foleycli.latents.schedule import NoiseSchedule
from foleycli.models.filled import filled
from foleycli.sources.convert import from_public, to_public

GOLDEN = np.load(Path(__file__).parent / "ldm_tiny.npz")
TINY = LatentDiffusionConfig(base_channels=32, context_size=64, autoencoder_channels=32)
SCHEDULE = NoiseSchedule.scaled_linear()


def normal(name: str, *shape: int) -> Tensor:
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


NOISE = normal("z_T", 1, 4, 16, 64)
FEATURES = nn.functional.normalize(normal("video_feat", 1, 32, 512), dim=-1)


def fill(module: nn.Module) -> nn.Module:
    """Fill under the public names, as the reference was filled."""
    state, extra = from_public(module, filled(to_public(module)))
    assert not extra
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def tiny() -> DiffFoley:
    return fill(DiffFoley(TINY))


@pytest.fixture(scope="module")
def classifier() -> Alignment:
    return fill(Alignment())


def predictor(model: DiffFoley):
    context = model.embed(FEATURES)
    return guide(model.predict_noise, context, model.nothing(context), 4.5)


def test_conditioner(tiny):
    np.testing.assert_allclose(tiny.embed(FEATURES), GOLDEN["cond_emb"], atol=1e-6)


def test_denoiser_at_whole_and_fractional_times(tiny):
    context = tiny.embed(FEATURES)
    for time, asked, name in (
        (500.0, context, "eps_cond"),
        (500.0, tiny.nothing(context), "eps_uncond"),
        (123.456, context, "eps_cond_t123_456"),
    ):
        noise = tiny.predict_noise(NOISE, torch.tensor(time), asked)
        np.testing.assert_allclose(noise, GOLDEN[name], atol=2e-5)


def test_autoencoder_both_ways(tiny):
    decoded = tiny.decode(normal("latent", 1, 4, 16, 64))
    np.testing.assert_allclose(decoded, GOLDEN["decoded_ch0"], atol=5e-5)
    seed = zlib.crc32(b"vae_spec")
    mel = np.random.RandomState(seed).rand(1, 1, 128, 512).astype(np.float32)[:, 0]
    mean, log_variance = tiny.encode(torch.from_numpy(mel))
    scale = TINY.latent_scale
    np.testing.assert_allclose(mean / scale, GOLDEN["enc_mean"], atol=5e-5)
    np.testing.assert_allclose(log_variance - 2 * np.log(scale), GOLDEN["enc_logvar"], atol=5e-5)


@pytest.mark.parametrize("steps", [25, 10])
def test_sampling_with_guidance(tiny, steps):
    asked = []
    predict = predictor(tiny)

    def listen(latent, time):
        asked.append(float(time))
        return predict(latent, time)

    with torch.inference_mode():
        latent = sample_latents(listen, NOISE, SCHEDULE, steps)
    np.testing.assert_allclose(asked, GOLDEN[f"t_input{steps}"], atol=1e-4)
    np.testing.assert_allclose(latent, GOLDEN[f"sample{steps}"], atol=1e-3)  # spread is 17
    if steps == 25:
        mel = tiny.decode(latent)
        np.testing.assert_allclose(mel, GOLDEN["sample25_decoded_ch0"], atol=1e-4)


def test_ddim(tiny):
    with torch.inference_mode():
        latent = sample_ddim(predictor(tiny), NOISE, SCHEDULE, 25)
    np.testing.assert_allclose(latent, GOLDEN["ddim25_eta0"], atol=1e-3)


def variants(classifier: Alignment):
    """As published (all 33 raw rows, the trained conditioner never called), and as trained."""
    yield "raw33", torch.from_numpy(GOLDEN["feats33"])
    yield "condmodel32", classifier.conditioner(FEATURES)


def test_classifier_probability_and_slope(classifier):
    time = torch.tensor(500.0)
    for name, context in variants(classifier):
        latent = NOISE.clone().requires_grad_()
        log_probability = classifier.log_probability(context)(latent, time)
        np.testing.assert_allclose(
            log_probability.detach().exp(), GOLDEN[f"dg_prob_{name}"][0], atol=1e-6
        )
        (slope,) = torch.autograd.grad(log_probability.sum(), latent)
        golden = GOLDEN[f"dg_grad_{name}"]
        np.testing.assert_allclose(slope, golden, atol=1e-5 * np.abs(golden).max())


def test_double_guidance(tiny, classifier):
    log_probability = classifier.log_probability(torch.from_numpy(GOLDEN["feats33"]))
    predict = steer(predictor(tiny), log_probability, SCHEDULE, 50)
    with torch.inference_mode():
        latent = sample_latents(predict, NOISE, SCHEDULE, 25)
    np.testing.assert_allclose(latent, GOLDEN["sample25_dg50"], atol=1e-3)


@pytest.mark.slow
def test_alignment_score(reference):
    golden = np.load(reference / "golden" / "eval_classifier.npz")
    classifier = fill(Alignment(scores=True))
    score = alignment(classifier, torch.from_numpy(golden["spec_ch0"]), FEATURES)
    np.testing.assert_allclose(score, golden["prob"][0], atol=1e-6)
    np.testing.assert_allclose(classifier.conditioner(FEATURES), golden["cond_emb"], atol=1e-6)


@pytest.mark.slow
def test_full_size(reference):
    golden = np.load(reference / "golden" / "ldm_full.npz")
    model = fill(DiffFoley())
    with torch.inference_mode():
        context = model.embed(FEATURES)
        np.testing.assert_allclose(context, golden["cond_emb"], atol=1e-6)
        for time, asked, name in (
            (500.0, context, "eps_cond"),
            (500.0, model.nothing(context), "eps_uncond"),
            (123.456, context, "eps_cond_t123_456"),
        ):
            noise = model.predict_noise(NOISE, torch.tensor(time), asked)
            np.testing.assert_allclose(noise, golden[name], atol=2e-5)
        decoded = model.decode(normal("latent", 1, 4, 16, 64))
        np.testing.assert_allclose(decoded, golden["decoded"][:, 0], atol=1e-4)
        mean, log_variance = model.encode(torch.from_numpy(golden["enc_in_ch0"]))
    np.testing.assert_allclose(mean / 0.18215, golden["enc_mean"], atol=2e-5)
    np.testing.assert_allclose(log_variance - 2 * np.log(0.18215), golden["enc_logvar"], atol=2e-5)


def test_depth_is_kept_late_and_every_other_step(tiny):
    """At the same latent and time what is kept is what would be found: the same noise comes out."""
    context = tiny.embed(FEATURES)
    with torch.inference_mode():
        predict, whole = tiny.keeping_depth(500.0), tiny.predict_noise
        late, early = torch.tensor(300.0), torch.tensor(700.0)
        both = torch.cat([NOISE, NOISE]), early, torch.cat([tiny.nothing(context), context])
        first = predict(*both)
        torch.testing.assert_close(first, whole(*both))
        other = predict(NOISE, late, context)  # with the depth of another time
        assert not torch.allclose(other, whole(NOISE, late, context), atol=1e-4)
        again = predict(NOISE, late, context)  # whole, since the one before was not
        kept = predict(NOISE, late, context)
    torch.testing.assert_close(again, whole(NOISE, late, context))
    torch.testing.assert_close(kept, again, atol=1e-5, rtol=1e-5)
