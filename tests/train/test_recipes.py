"""Every recipe learns, at sizes for a test: the loss of a few things seen again and again falls."""

import csv
import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
import soundfile
import torch

from foleycli.config import (
    DIFF_FOLEY_MEL,
    MEL,
    TRAINING,
    AlignmentConfig,
    CavpConfig,
    LatentDiffusionConfig,
    VocoderConfig,
)
from foleycli.errors import MediaError, UsageError
from foleycli.latents.align import Alignment, picture_latents
from foleycli.latents.diff_foley import DiffFoley
from foleycli.models.bundle import Bundle, write_bundle
from foleycli.models.filled import filled
from foleycli.sight.cavp import Cavp
from foleycli.sources.public import FAMILY, load_part
from foleycli.sources.small import read_tensors
from foleycli.train import align, autoencoder_kl, cavp, denoiser_unet, vocoder
from foleycli.train.curves import read_curve
from foleycli.train.films import Films
from foleycli.train.run import RunOptions
from foleycli.train.waves import WaveSet
from foleycli.waveform.mel import log_mel
from foleycli.waveform.vocoder_net import VocoderNet, load_vocoder
from tests.train.films import make_prepared

CPU = RunOptions(device="cpu", save=3600)
SIZES = LatentDiffusionConfig(
    context_size=16, base_channels=32, multipliers=(1, 1, 1, 1), autoencoder_channels=32, heads=2
)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Twenty hums and hisses, one held out: folder, table, cache as recipes take them."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    with (folder / "sounds.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "class", "label"])
        for n in range(20):
            time = np.arange(24_000) / 48_000
            sound = (
                np.sin(2 * np.pi * 300 * (n + 1) * time) if n % 2 else random.normal(size=24_000)
            )
            soundfile.write(folder / f"{n}.wav", 0.1 * sound, 48_000)
            table.writerow([f"{n}.wav", "hum" if n % 2 else "hiss", f"thing {n}"])
    return folder, folder / "sounds.csv", tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def small_films(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp("data") / "small", MEL)


@pytest.fixture(scope="module")
def paper_films(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp("data") / "paper", DIFF_FOLEY_MEL)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A bundle of the full-size family, at a small size, with weights that were filled in."""
    with torch.device("meta"):
        part = DiffFoley(SIZES)
    tensors = {f"diffusion.{n}": t for n, t in filled(part.state_dict()).items()}
    config = {"family": FAMILY, "parts": {"diffusion": asdict(SIZES)}}
    folder = tmp_path_factory.mktemp("bundles") / "base"
    write_bundle(folder, config, tensors, "# base\n")
    return folder


def falls(out) -> bool:
    loss = read_curve(out / "loss.csv")["loss"]
    return loss[-5:].mean() < loss[:5].mean()


def test_every_stage_has_what_the_command_offers():
    assert set(TRAINING) >= {"cavp", "autoencoder", "align", "denoiser", "vocoder"}
    for presets in TRAINING.values():
        for config in presets.values():
            json.dumps(asdict(config))


# ------------------------------------------------------------------------------------- vocoder

TINY_VOCODER = replace(
    TRAINING["vocoder"]["small"], updates=20, batch=4, frames=8, windows=(128, 512), warm_up=5,
    bf16=False, average=0.5, sizes=VocoderConfig(width=32, depth=1, fine_depth=1, noise=4),
)  # fmt: skip


def test_a_vocoder_learns_and_sounds(sounds, tmp_path):
    path = vocoder.train(*sounds, tmp_path / "run", TINY_VOCODER, CPU)
    assert falls(tmp_path / "run")
    net = load_vocoder(path)
    mel = log_mel(torch.sin(torch.arange(32_000) * 0.1)[None], MEL)[0]
    waveform = net.sound(mel, seed=1)
    assert waveform.shape == (32_000,)
    assert torch.isfinite(waveform).all()
    assert torch.equal(waveform, net.sound(mel, seed=1))
    assert not torch.equal(waveform, net.sound(mel, seed=2))


def test_magnitudes_start_from_what_the_mel_implies():
    """A flat spectrum has flat mel bands, and comes back flat."""
    net = VocoderNet(MEL, VocoderConfig(width=8, depth=1))
    magnitudes = torch.full((513, 4), 0.5)
    from foleycli.waveform.mel import compress, mel_filters

    implied = net.implied(compress(mel_filters(MEL) @ magnitudes)[None])[0]
    assert implied.shape == (513, 9)
    heard = mel_filters(MEL).sum(0) > 1e-6
    assert torch.allclose(implied[heard], torch.tensor(0.5), rtol=1e-3)


def test_the_energy_distance_of_a_perfect_draw_is_zero():
    """Two noises are as far from a third as from each other; another level is farther."""
    torch.manual_seed(0)
    true, one, other = torch.randn(3, 8, 16_000)

    def energy(first, second):
        seen = [vocoder.magnitudes(waveform, 512) for waveform in (true, first, second)]
        near = vocoder.apart(seen[0], seen[1], 512) + vocoder.apart(seen[0], seen[2], 512)
        return float(near - vocoder.apart(seen[1], seen[2], 512))

    own = float(vocoder.apart(*(vocoder.magnitudes(w, 512) for w in (true, one)), 512))
    assert energy(one, other) == pytest.approx(own, rel=0.01)
    assert energy(one / 2, other / 2) > 1.05 * own
    assert energy(one, one) > 1.5 * own


def test_waves_that_are_held_out_are_not_drawn(sounds):
    waves = WaveSet(*sounds, 16_000)
    assert (len(waves.heard), len(waves.held_out)) == (19, 1)
    drawn = waves.draw(6, 4000, np.random.default_rng(0))
    assert drawn.shape == (6, 4000)
    assert (drawn.abs().amax(1) > 0).all()
    assert waves.held_out_pieces(9, 4000).shape == (1, 4000)


# --------------------------------------------------------------------------------- autoencoder


def test_the_autoencoder_learns_and_its_latents_have_variance_one(sounds, tmp_path):
    config = replace(
        TRAINING["autoencoder"]["paper"], updates=12, batch=1, rate=2e-3, warm_up=2, average=0.0,
        sizes=replace(SIZES, multipliers=(1,)), mel_frames=16, bf16=False, validate=3,
    )  # fmt: skip
    path = autoencoder_kl.train(*sounds, tmp_path / "run", config, CPU)
    held_out = read_curve(tmp_path / "run" / "validation.csv")["loss"]
    assert held_out[-1] < 0.95 * held_out[0]
    tensors, sizes = read_tensors(path)
    assert sizes["latent_scale"] > 0
    LatentDiffusionConfig(**sizes)
    assert "decoder.conv_out.weight" in tensors


# ---------------------------------------------------------------------------------------- cavp

TINY_CAVP = replace(
    TRAINING["cavp"]["small"], updates=16, batch=4, rate=3e-3, warm_up=3, segments=3, rows=2,
    apart=3, picture=32, bf16=False, validate=8, average=0.5,
    sizes=CavpConfig(base_channels=4, audio_channels=4, size=16),
)  # fmt: skip


def test_cavp_learns_what_belongs_together(small_films, tmp_path, monkeypatch):
    monkeypatch.setattr(cavp, "pool_time", lambda rows: cavp.F.normalize(rows.mean(1), dim=-1))
    path = cavp.train(small_films, tmp_path / "run", TINY_CAVP, CPU)
    assert falls(tmp_path / "run")
    tensors, sizes = read_tensors(path)
    Cavp(CavpConfig(**sizes)).load_state_dict(tensors)
    assert "own_nearest" in read_curve(tmp_path / "run" / "validation.csv")


def test_segments_of_a_film_are_apart_and_their_sound_is_theirs(small_films):
    films = Films(small_films, ("frames", "mels"), 8)
    (clip,) = films.draw(1)
    frames, mels = cavp.cut_segments([clip], films, TINY_CAVP, np.random.default_rng(3))
    assert frames.shape == (3, 2, 3, 32, 32)
    assert mels.shape == (3, 128, 32)
    red, loud = frames[:, :, 0].mean((1, 2, 3)), mels.mean((1, 2))
    assert red.argsort().tolist() == loud.argsort().tolist()  # they rise and fall together


def test_the_contrast_of_known_logits():
    """Rows that are each their own sound's and no other's cost nothing; shuffled ones do."""
    rows = torch.eye(6)
    scale = torch.tensor(4.0)
    config = replace(TINY_CAVP, batch=2)
    assert float(cavp.contrast(rows, rows, scale, config)) < 1e-3
    assert float(cavp.contrast(rows, rows.roll(1, 0), scale, config)) > 10
    alike = torch.ones(6, 6) / 6**0.5  # nothing is told apart: ln 6 among all, ln 3 in a film
    expected = np.log(6) + np.log(3)
    assert float(cavp.contrast(alike, alike, scale, config)) == pytest.approx(expected, rel=1e-4)


def test_films_too_short_or_lacking_parts_are_refused(small_films, tmp_path):
    with pytest.raises(MediaError, match="no film of 10 s"):
        Films(small_films, ("frames",), 40)
    with pytest.raises(UsageError, match="other spectrograms"):
        Films(small_films, ("mels", "features"), 1, mel=DIFF_FOLEY_MEL)
    settings = small_films / "settings.json"
    kept = settings.read_text()
    settings.write_text(kept.replace('"frames", ', ""))
    try:
        with pytest.raises(UsageError, match="without frames"):
            Films(small_films, ("frames", "mels"), 1)
    finally:
        settings.write_text(kept)


# --------------------------------------------------------------------------------------- align

TINY_ALIGN = replace(
    TRAINING["align"]["small"], updates=10, batch=8, rate=2e-3, warm_up=2, bf16=False, average=0.5,
    validate=10, sizes=AlignmentConfig(base_channels=32, context_size=32, heads=2),
)  # fmt: skip


def test_the_classifier_learns_from_sounds(sounds, tmp_path):
    examples = partial(align.from_sounds, *sounds)
    path = align.train(examples, tmp_path / "run", TINY_ALIGN, CPU)
    assert falls(tmp_path / "run")
    assert {"loss", "true", "shifted", "swapped"} <= set(
        read_curve(tmp_path / "run" / "validation.csv")
    )
    tensors, sizes = read_tensors(path)
    Alignment(AlignmentConfig(**sizes)).load_state_dict(tensors)


def test_the_classifier_learns_from_films(paper_films, base, tmp_path, monkeypatch):
    monkeypatch.setattr(align, "ROWS", 8)
    monkeypatch.setattr(align, "MEL_FRAMES", 64)
    examples = partial(align.from_films, paper_films, str(base))
    noisy = replace(TINY_ALIGN, updates=2, noisy=True)
    assert align.train(examples, tmp_path / "run", noisy, CPU).is_file()


def test_pairs_are_turned_together_unless_they_are_shifted():
    latents = torch.arange(64.0).expand(200, 4, 16, 64)
    features = torch.arange(32.0)[None, :, None].expand(200, 32, 512).clone()
    features += 100 * torch.arange(200.0)[:, None, None]
    turned, rows, kinds = align.make_pairs(latents, features, TINY_ALIGN, np.random.default_rng(0))
    shares = [float((kinds == kind).float().mean()) for kind in range(3)]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.08)
    when_heard = turned[:, 0, 0, 0] / 2
    when_seen, whose = rows[:, 0, 0] % 100, rows[:, 0, 0] // 100
    apart = (when_heard - when_seen) % 32
    assert (apart[kinds == align.TRUE] == 0).all()
    assert ((apart[kinds == align.SHIFTED] >= 4) & (apart[kinds == align.SHIFTED] <= 28)).all()
    assert (whose == torch.arange(200))[kinds != align.SWAPPED].all()
    assert (whose != torch.arange(200))[kinds == align.SWAPPED].all()


def test_picture_latents_keep_time_and_pitch():
    mel = torch.zeros(1, 128, 512)
    mel[:, 64:, 256:] = 1
    latents = picture_latents(mel)
    assert latents.shape == (1, 4, 16, 64)
    assert (latents[..., :8, :] == -1).all()
    assert (latents[..., :, :32] == -1).all()
    assert (latents[..., 8:, 32:] == 2).all()


# -------------------------------------------------------------------------------- denoiser, paper

TINY_UNET = replace(
    TRAINING["denoiser"]["paper"], updates=8, batch=2, rate=1e-3, warm_up=1, sizes=SIZES, rows=8,
    mel_frames=64, least=2, bf16=False, validate=4,
)  # fmt: skip


def test_the_full_size_denoiser_learns_and_becomes_a_bundle(paper_films, base, tmp_path):
    folder = denoiser_unet.train(paper_films, str(base), tmp_path / "run", TINY_UNET, CPU)
    loss = read_curve(tmp_path / "run" / "loss.csv")["loss"]
    assert loss[-3:].mean() < loss[:3].mean()
    before, after = (
        load_part(Bundle.open(path), "diffusion", torch.float32).state_dict()
        for path in (base, folder)
    )
    name = "conditioner.embedder.0.weight"
    assert not torch.equal(before[name], after[name])
    name = "autoencoder.decoder.conv_out.weight"
    assert torch.equal(before[name], after[name])
    assert Bundle.open(folder).config["trained"]["updates"] == 8
    held_out = read_curve(tmp_path / "run" / "validation.csv")
    assert held_out["update"].tolist() == [4, 8]


def test_joined_films_change_at_one_row_in_sound_and_features(paper_films):
    films = Films(paper_films, ("mels", "features"), 2)
    config = replace(TINY_UNET, joined=1.0)
    mels, features = denoiser_unet.draw(films, 3, config)
    assert mels.shape == (3, 128, 64)
    assert features.shape == (3, 8, 512)
    assert torch.allclose(features.norm(dim=-1), torch.ones(3, 8), atol=1e-4)
