"""The small model as shipped: same seed same sound, silence if nothing is asked, hits on time."""

import numpy as np
import pytest
import torch

from foleycli.config import SPEEDS
from foleycli.errors import ModelError
from foleycli.latents.denoiser import Denoiser
from foleycli.models.bundle import Bundle
from foleycli.sources.small import RAISED, SHIPPED, SmallModel, at_asked_level
from foleycli.spot.text import embed_text
from foleycli.waveform.mel import RANGE_DB
from foleycli.waveform.timbre import frame_level


@pytest.fixture(scope="module")
def model() -> SmallModel:
    torch.set_num_threads(1)
    return SmallModel.load()


def footsteps(at: list[int], rows: int = 32) -> np.ndarray:
    """Rows that ask for footsteps at points of the 64 Hz curves."""
    hits, activity = np.zeros(rows * 16, np.float32), np.zeros(rows * 16, np.float32)
    features = np.zeros((rows, 512), np.float32)
    for point in at:
        hits[point] = 1
        activity[point:] = np.maximum(activity[point:], np.exp(-np.arange(rows * 16 - point) / 9.6))
        features[point // 16 : point // 16 + 2, :384] = embed_text(["footsteps"])[0]
    features[:, 384:400], features[:, 400:416] = hits.reshape(-1, 16), activity.reshape(-1, 16)
    return features


def test_hits_sound_when_they_are_asked_for(model):
    asked = [96, 224, 352]  # 1.5, 3.5 and 5.5 s
    waveform = model.generate(footsteps(asked), seed=0, steps=12)
    assert waveform.shape == (256_000,)
    level = np.sqrt((waveform.reshape(-1, 500) ** 2).mean(axis=1))  # 64 a second
    loud = [level[point - 2 : point + 10].max() for point in asked]
    before = [level[point - 40 : point - 8].max() for point in asked]
    assert min(loud) > 10 * max(before)


def bed(strength: float, rows: int = 16) -> np.ndarray:
    """Rows that ask for rain all along."""
    features = np.zeros((rows, 512), np.float32)
    features[:, :384], features[:, 400:416] = embed_text(["rain"])[0], strength
    return features


def test_a_bed_is_as_soft_as_it_is_asked_for(model):
    asked = np.array([0.0, -12.0, -24.0])  # dB
    sounds = [model.generate(bed(10 ** (db / 20)), seed=0, steps=12) for db in asked]
    made = [20 * np.log10(np.sqrt(np.mean(sound**2))) for sound in sounds]
    np.testing.assert_allclose(np.diff(made), np.diff(asked), atol=4)


def test_levels_are_followed_and_the_course_of_a_sound_is_its_own():
    mel = torch.full((128, 512), 0.65)
    mel[:, 256:] = 0.75
    mel[:3] = 0
    features = np.vstack([bed(1.0), bed(0.1)])
    followed = at_asked_level(mel, features)
    assert not followed[:3].any()  # silence is not raised
    level = frame_level(followed.T.numpy()) * RANGE_DB
    assert level[100] - level[-100] == pytest.approx(20, abs=0.1)
    dying = mel.clone()
    dying[:, 64:] = 0.3  # the rest of a hit whose asked activity goes on
    kept = at_asked_level(dying, bed(1.0, 32))
    assert float(kept[5, 200] - dying[5, 200]) <= RAISED / RANGE_DB + 1e-6


def test_same_seed_same_samples(model):
    features = footsteps([64])
    first, again, other = (model.generate(features, seed, steps=2) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_short_window_has_its_length_and_nothing_asked_is_silence(model):
    assert model.generate(footsteps([8], rows=3), seed=0, steps=2).shape == (24_000,)
    assert not model.generate(np.zeros((5, 512), np.float32), seed=0).any()


def test_negative_words_change_the_sound(model):
    features = footsteps([64])
    plain = model.generate(features, 0, steps=2)
    without = model.generate(features, 0, steps=2, negative=embed_text(["high heels"])[0])
    assert not np.array_equal(plain, without)


def test_every_sound_it_learned_from_is_credited():
    lines = (SHIPPED / "credits.csv").read_text("utf-8").splitlines()
    assert lines[0] == "file,label,licence,author,url,source"
    assert len(lines) - 1 == 2868


def test_it_is_small_enough_to_ship():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 55e6


def test_a_folder_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a model"):
        SmallModel.load(tmp_path)


def test_the_shipped_files_are_the_listed_ones():
    bundle = Bundle.open(SHIPPED)
    bundle.verify()
    shipped = {path.name for path in SHIPPED.iterdir()} - {"SHA256SUMS"}
    assert {name for name in shipped if name.endswith(".safetensors")} <= set(bundle.sums)


def test_the_shipped_student_makes_nearly_the_same_sound_in_four_looks(model):
    rows, told, looks = footsteps([96, 224, 352]), [], []
    reference = model.decode(model.sample(rows, 0, 25), rows)
    forward = Denoiser.forward

    def counted(net, latents, *others):
        looks.append(len(latents))
        return forward(net, latents, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Denoiser, "forward", counted)
        latents = model.sample(
            rows, 0, None, progress=lambda *done: told.append(done), speed=SPEEDS["fast"]
        )
    assert looks == [1, 1, 1, 1]
    assert told[-1] == (model.few_steps.steps, model.few_steps.steps) == (4, 4)
    assert 100 * float((model.decode(latents, rows) - reference).square().mean().sqrt()) < 4


def test_speeds_make_nearly_the_same_sound_with_less_work(model):
    """Against 25 full steps; another seed's mel is 6 dB away (benchmarks/speed.py)."""
    rows = footsteps([96, 224, 352])
    reference = model.decode(model.sample(rows, 0, SPEEDS["reference"].steps), rows)
    for name, most in (("balanced", 3.5), ("fast", 3.5)):
        speed, told = SPEEDS[name], []
        latents = model.sample(
            rows, 0, speed.steps, progress=lambda *done, told=told: told.append(done), speed=speed
        )
        error = 100 * float((model.decode(latents, rows) - reference).square().mean().sqrt())
        assert error < most
        assert len(told) == speed.steps


def test_a_seed_is_kept_at_every_speed(model):
    rows = footsteps([64])
    first, again = (model.generate(rows, 3, steps=2, speed=SPEEDS["fast"]) for _ in range(2))
    assert np.array_equal(first, again)
