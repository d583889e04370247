"""The full-size model's way from pictures to 48 kHz, with a small bundle of random weights."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from foleycli.config import (
    DIFF_FOLEY_MEL,
    SPEEDS,
    CavpConfig,
    GenerateConfig,
    LatentDiffusionConfig,
)
from foleycli.errors import ModelError, UsageError
from foleycli.frames.decode import Picture
from foleycli.latents.align import Alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.sight.cavp import Cavp
from foleycli.sources.convert import to_public
from foleycli.sources.diff_foley import (
    DiffFoleySource,
    SeenFeatures,
    group_shots,
    tile,
)
from foleycli.sources.identity import resolve
from foleycli.sources.open import open_source
from foleycli.sources.public import convert_checkpoints
from foleycli.waveform.mel import log_mel
from foleycli.waveform.vocoder import mel_to_waveform

QUICK = GenerateConfig(steps=2, seed=3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    torch.manual_seed(0)
    sizes = LatentDiffusionConfig(base_channels=32, context_size=32, autoencoder_channels=32)
    modules = {
        "cavp": Cavp(CavpConfig(base_channels=4, audio_channels=2)),
        "diffusion": DiffFoley(sizes),
        "guide": Alignment(),
    }
    for part, module in modules.items():
        torch.save({"state_dict": to_public(module)}, folder / f"{part}.ckpt")
    files = {part: folder / f"{part}.ckpt" for part in modules}
    return convert_checkpoints(files, folder / "bundle", "# card\n", "f32")


@pytest.fixture(scope="module")
def source(bundle) -> DiffFoleySource:
    return DiffFoleySource(bundle, "diff-foley")


def film(seconds: Fraction, cut: Fraction | None = None) -> list[Picture]:
    """25 pictures a second of noise; the 4-fps rule takes every sixth."""
    random = np.random.default_rng(0)
    count = round(seconds * 25)
    looks = random.integers(0, 256, (2, 90, 160), dtype=np.uint8)
    pictures = []
    for i in range(count):
        time = Fraction(i, 25)
        luma = looks[int(cut is not None and time >= cut)]
        rgb = np.full((224, 224, 3), i % 256, np.uint8) if i % 6 == 0 else None
        pictures.append(Picture(time, Fraction(1, 25), luma, rgb, int(rgb is not None)))
    return pictures


def seen(duration: Fraction, *cuts: Fraction) -> SeenFeatures:
    rows = np.zeros((int(np.ceil(duration * 4)), 512), np.float32)
    rows[:, 0] = 1
    return SeenFeatures(rows * 0, duration, cuts, seen=rows)


def sound(source, features, config) -> np.ndarray:
    return np.concatenate(list(source.render(features, [], config)))


@pytest.mark.parametrize("seconds", [Fraction(1, 25), Fraction(37, 25), Fraction(221, 25)])
def test_length_is_exact_whatever_the_duration(source, seconds):
    features = source.encode(film(seconds))
    assert features.duration == seconds
    samples = sound(source, features, QUICK)
    assert samples.dtype == np.float32
    assert len(samples) == round(seconds * 48000)
    assert np.abs(samples).max() > 0


def test_rows_are_of_unit_length_and_cover_the_film(source):
    features = source.encode(film(Fraction(5)))
    assert features.seen.shape == (20, 512)
    np.testing.assert_allclose(np.linalg.norm(features.seen, axis=1), 1, atol=1e-2)


def test_same_seed_same_sound_alone_or_among_takes(source):
    features = seen(Fraction(2))
    alone = sound(source, features, replace(QUICK, seed=4))
    both = replace(QUICK, takes=2)
    first, second = (sound(source, features, replace(both, seed=seed)) for seed in (3, 4))
    assert np.array_equal(second, alone)
    assert not np.array_equal(first, second)


def test_takes_in_one_batch_are_those_drawn_alone(source):
    rows = seen(Fraction(8)).seen
    together = source.model.sample(rows, [1, 2, 3], steps=2)
    alone = source.model.sample(rows, [2], steps=2)
    error = (together[1:2] - alone).norm() / alone.norm()
    assert error < 1e-2


def test_short_shots_share_a_window_and_long_ones_keep_their_own():
    features = seen(Fraction(30), Fraction(3), Fraction(6), Fraction(20))
    groups = [(stretch.begin, stretch.end) for stretch in group_shots(features)]
    assert groups == [(0, 6), (6, 20), (20, 30)]
    assert [len(stretch.rows) for stretch in group_shots(features)] == [24, 56, 40]


def test_options_of_the_reference(source):
    rows = seen(Fraction(8)).seen
    plain = source.model.sample(rows, [1], steps=2)
    for options in ({"double_guidance": 50.0}, {"sampler": "ddim"}, {"guidance": 1.0}):
        other = source.model.sample(rows, [1], steps=2, **options)
        assert other.shape == (1, 4, 16, 64)
        assert not torch.equal(other, plain)
    trained, raw = (
        source.model.sample(rows, [1], steps=2, double_guidance=50.0, raw_guide=raw)
        for raw in (False, True)
    )
    assert not torch.equal(trained, raw)


@pytest.mark.parametrize("name", ["balanced", "fast"])
def test_a_speed_asks_less_and_sounds_another_way(source, name, monkeypatch):
    rows, speed, asked = seen(Fraction(8)).seen, SPEEDS[name], []
    whole, outermost = DiffFoley.predict_noise, DiffFoley._predict_outermost

    def counted(self, latent, time, context):
        asked.append(len(latent))
        return whole(self, latent, time, context)

    def counted_outermost(self, latent, time, context, depth):
        asked.append(0)
        return outermost(self, latent, time, context, depth)

    monkeypatch.setattr(DiffFoley, "predict_noise", counted)
    monkeypatch.setattr(DiffFoley, "_predict_outermost", counted_outermost)
    latent = source.model.sample(rows, [1], speed.steps, speed=speed)
    assert latent.shape == (1, 4, 16, 64)
    assert (
        asked
        == {
            "balanced": [2, 2, 2, 2, 2, 2, 0, 1, 0, 1],
            "fast": [2, 2, 2, 2, 0, 1],
        }[name]
    )


def test_unknown_sampler_is_a_usage_error(source):
    with pytest.raises(UsageError, match="euler"):
        sound(source, seen(Fraction(1)), replace(QUICK, sampler="euler"))


def test_steps_are_told_while_a_window_is_made(source):
    told: list[float] = []
    features = seen(Fraction(10))  # two windows of two steps
    assert len(list(source.render(features, [], QUICK, told.append))) > 0
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_one_sound_has_no_stems(source):
    with pytest.raises(UsageError, match="no stems"):
        source.render(seen(Fraction(1)), [], replace(QUICK, stems=True))


def test_prompts_are_said_to_change_nothing(source, caplog):
    source.render(seen(Fraction(1)), [], replace(QUICK, prompt="rain"))
    assert "follows the picture alone" in caplog.text


def test_tiling():
    rows = np.arange(3, dtype=np.float32)[:, None]
    assert tile(rows, 5)[:, 0].tolist() == [0, 1, 2, 0, 1]
    assert tile(rows, 5, repeat_last=True)[:, 0].tolist() == [0, 1, 2, 2, 2]
    assert tile(rows, 2)[:, 0].tolist() == [0, 1]


def test_a_folder_opens_by_its_path(bundle, tmp_path):
    config = GenerateConfig(model=str(bundle.folder), device="cpu")
    assert resolve(config) == str(bundle.folder)
    assert isinstance(open_source(config), DiffFoleySource)
    with pytest.raises(ModelError, match=r"no config\.json"):
        open_source(GenerateConfig(model=str(tmp_path)))


@pytest.mark.parametrize("hertz", [440, 1000, 3000])
def test_a_tone_keeps_its_pitch(hertz):
    """The reference plays it at 0.7256 of this."""
    time = torch.arange(131072) / 16000
    mel = log_mel(0.3 * torch.sin(2 * torch.pi * hertz * time), DIFF_FOLEY_MEL)
    heard = mel_to_waveform(mel, DIFF_FOLEY_MEL, seed=0)
    assert len(heard) == 131072
    spectrum = torch.fft.rfft(heard * torch.hann_window(len(heard))).abs()
    assert abs(float(spectrum.argmax()) * 16000 / 131072 / hertz - 1) < 0.02


def test_mel_is_that_of_the_reference(reference):
    golden = np.load(reference / "golden" / "mel.npz")
    mel = log_mel(torch.from_numpy(golden["wav_in"]), DIFF_FOLEY_MEL)
    assert np.abs(mel.numpy() - golden["mel"]).max() < 1e-4
