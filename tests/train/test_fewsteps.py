"""Students of few steps: exact where all is normal, resumed as if never stopped, in bundles."""

from dataclasses import asdict, replace
from typing import cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from foleycli.config import (
    DIFF_FOLEY_MEL,
    SPEEDS,
    TRAINING,
    DenoiserTraining,
    FewStepsTraining,
    GenerateConfig,
    LatentDiffusionConfig,
    PatchConfig,
)
from foleycli.errors import ModelError, UsageError
from foleycli.latents.denoiser import Denoiser, DenoiserConfig, predict_turns
from foleycli.latents.diff_foley import DiffFoley
from foleycli.latents.sampler import sample_corrected, sample_turns
from foleycli.latents.schedule import NoiseSchedule
from foleycli.models.bundle import Bundle, read_config, write_bundle
from foleycli.models.filled import filled
from foleycli.sources.diff_foley import DiffFoleyModel
from foleycli.sources.public import FAMILY
from foleycli.sources.small import SmallModel
from foleycli.sources.speed import FewSteps, find_speed, settle
from foleycli.train import autoencoder, denoiser, fewsteps, pack
from foleycli.train.checkpoint import read_latest
from foleycli.train.curves import read_curve
from foleycli.train.run import RunOptions
from tests.train.films import make_prepared
from tests.train.test_small import common, folder  # noqa: F401  fixtures

EVERY = RunOptions(device="cpu", save=0)
FEW = replace(
    cast(FewStepsTraining, TRAINING["fewsteps"]["small"]),
    updates=4, batch=4, rate=1e-3, warm_up=1, lessons=3, held_out=2, bf16=False, validate=2,
)  # fmt: skip
SIZES = LatentDiffusionConfig(
    context_size=16, base_channels=32, multipliers=(1, 1, 1, 1), autoencoder_channels=32, heads=2
)


@pytest.fixture(scope="module", autouse=True)
def short_files():
    """Three lessons to a file."""
    before, fewsteps.SHARD = fewsteps.SHARD, 3
    yield
    fewsteps.SHARD = before


@pytest.fixture(scope="module")
def bundle(common, tmp_path_factory):  # noqa: F811
    here = tmp_path_factory.mktemp("small")
    fitted = autoencoder.fit(*common, here / "a", PatchConfig(channels=8, scenes=20), EVERY)
    tiny = DenoiserTraining(updates=2, batch=2, rate=4e-4, width=64, depth=1, bf16=False)
    denoiser.train(*common, fitted, here / "run", tiny, EVERY)
    pack.pack(*common[:2], here / "run", here / "bundle")
    return here / "bundle"


@pytest.fixture(scope="module")
def run(bundle, common, tmp_path_factory):  # noqa: F811
    """A finished run and its lessons."""
    here = tmp_path_factory.mktemp("fewsteps")
    teacher = fewsteps.SmallTeacher(FEW, bundle, common)
    fewsteps.train(teacher, here / "kept", here / "run", EVERY)
    return here


def test_four_turns_bring_normal_numbers_to_their_size():
    schedule, variances = NoiseSchedule.cosine(), torch.tensor([1.0, 0.3, 0.01, 4.0])
    net = Denoiser(DenoiserConfig(channels=4, width=64, depth=1, heads=1, local=True))
    noise = torch.randn(1, 64, 4, generator=torch.Generator().manual_seed(0))
    features = torch.zeros(1, 32, 512)

    def predict(latent, number):  # the network says nothing yet
        numbers = torch.tensor([number])
        return predict_turns(net, latent, numbers, features, variances, schedule, 4)

    with torch.no_grad():
        made = sample_turns(predict, noise, schedule, 4)
    assert torch.allclose(made, noise * variances.sqrt(), atol=0.01)


def test_a_student_of_a_walk_ends_where_the_walk_does():
    """v between the places of a walk leads along it."""
    schedule = NoiseSchedule.scaled_linear()
    noise, passed = torch.randn(1, 4, 2), []

    def towards_half(latent, time):
        alpha, sigma = schedule.signal_and_noise((time + 1) / 1000)
        return (latent - alpha * 0.5) / sigma

    end = sample_corrected(towards_half, noise, schedule, 12, passed=passed)
    assert len(passed) == 13 and torch.equal(passed[0], noise) and passed[-1] is end
    places = torch.stack(passed[::3])
    teacher = cast(fewsteps.Teacher, type("Walk", (), {"schedule": schedule, "config": FEW}))

    def predict(latent, number):
        assert torch.allclose(latent, places[number], atol=1e-4)
        number = torch.tensor([number])
        return fewsteps.v_between(teacher, places[number][0], places[number + 1][0], number)

    assert torch.allclose(sample_turns(predict, noise, schedule, 4), end, atol=1e-4)


def test_a_run_that_stops_goes_on_with_the_same_numbers(run, bundle, common, monkeypatch):  # noqa: F811
    calls, between = [], fewsteps.v_between

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return between(*arguments)

    kept = {path.name: path.stat().st_mtime_ns for path in (run / "kept").iterdir()}
    monkeypatch.setattr(fewsteps, "v_between", interrupted)
    teacher = fewsteps.SmallTeacher(FEW, bundle, common)
    with pytest.raises(KeyboardInterrupt):
        fewsteps.train(teacher, run / "kept", run / "stopped", EVERY)
    monkeypatch.setattr(fewsteps, "v_between", between)
    fewsteps.train(teacher, run / "kept", run / "stopped", EVERY)
    first, second = (
        read_latest(run / name / "checkpoints").module("average") for name in ("run", "stopped")
    )
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    curve = read_curve(run / "run" / "validation.csv")
    assert curve["update"].tolist() == [2, 4]
    assert curve["loss"][1] < curve["loss"][0]
    assert {path.name: path.stat().st_mtime_ns for path in (run / "kept").iterdir()} == kept


def test_lessons_of_another_walk_are_refused(run, bundle, common):  # noqa: F811
    other = fewsteps.SmallTeacher(replace(FEW, walk=2), bundle, common)
    with pytest.raises(UsageError, match="walk 3"):
        fewsteps.train(other, run / "kept", run / "other", EVERY)
    lessons = load_file(run / "kept" / "lessons00000.safetensors")
    assert lessons["places"].shape == (3, 5, 64, 8)
    assert lessons["features"].shape == (3, 32, 512)


def test_fast_sounds_the_student_unless_something_else_is_asked(run, bundle):
    with_student, without = SmallModel.load(run / "run" / "bundle"), SmallModel.load(bundle)
    rows = load_file(run / "kept" / "lessons00000.safetensors")["features"][0].float().numpy()
    fast, told = replace(SPEEDS["fast"], bits=32), []

    def latents(model, steps=None, guidance=4.5, negative=None, speed=fast):
        told.clear()
        return model.sample(
            rows, 1, steps, guidance, negative, lambda *done: told.append(done), speed
        )

    made = latents(with_student)
    assert told == [(n, 4) for n in (1, 2, 3, 4)]
    assert torch.equal(made, latents(with_student, steps=4))
    assert not torch.equal(made, latents(without, steps=4))
    words = np.ones(384, np.float32)
    for other in (
        {"steps": 5},
        {"guidance": 3.0},
        {"negative": words},
        {"speed": SPEEDS["balanced"]},
    ):
        assert torch.equal(latents(with_student, **other), latents(without, **other)), other
    assert "fewsteps.safetensors" in (run / "run" / "bundle" / "README.md").read_text()
    Bundle.open(run / "run" / "bundle").verify()


def test_what_a_student_differs_by_is_kept_in_small_numbers(run):
    model = SmallModel.load(run / "run" / "bundle")
    before, kept = model.denoiser.state_dict(), model.student.state_dict()
    learned = read_latest(run / "run" / "checkpoints").module("average")
    stored = load_file(run / "run" / "bundle" / "fewsteps.safetensors")
    assert stored["tokens_in.weight"].dtype == torch.int8
    for name, tensor in learned.items():
        usual = (tensor - before[name]).square().mean(-1, keepdim=True).sqrt()
        assert ((kept[name] - tensor).abs() <= 0.61 * usual + 1e-7).all(), name
    assert any(not torch.equal(tensor, before[name]) for name, tensor in kept.items())


def test_a_recipe_says_the_steps_of_the_student(run):
    few = FewSteps.of(read_config(run / "run" / "bundle"))
    assert few == FewSteps(4, 4.5)
    assert find_speed(GenerateConfig(speed="fast"), "balanced", few).steps == 4
    for other in ({"steps": 6}, {"guidance": 2.0}, {"negative_prompt": "wind"}):
        asked = GenerateConfig(speed="fast", **other)
        assert find_speed(asked, "balanced", few).steps == 6, other
    settled = settle(GenerateConfig(speed="fast"), "balanced", few)
    assert settled == settle(settled, "balanced", few)
    assert settled.steps == 4
    with pytest.raises(ModelError, match="few_steps"):
        FewSteps.of({"few_steps": {"steps": "many", "guidance": 1}})


def test_the_full_size_model_becomes_its_own_student(tmp_path):
    with torch.device("meta"):
        part = DiffFoley(SIZES)
    tensors = {f"diffusion.{n}": t for n, t in filled(part.state_dict()).items()}
    config = {"family": FAMILY, "parts": {"diffusion": asdict(SIZES)}}
    write_bundle(tmp_path / "base", config, tensors, "# base\n")
    films = make_prepared(tmp_path / "films", DIFF_FOLEY_MEL)
    few = replace(FEW, updates=3, batch=2, steps=2, walk=1, held_out=1, validate=3)
    teacher = fewsteps.open_teacher(str(tmp_path / "base"), few, None, films, EVERY)
    out = fewsteps.train(teacher, tmp_path / "kept", tmp_path / "run", EVERY)
    assert len(read_curve(tmp_path / "run" / "validation.csv")["loss"]) == 1
    base, learned = (Bundle.open(one).tensors("diffusion") for one in (tmp_path / "base", out))
    moved = {name.partition(".")[0] for name in base if not torch.equal(base[name], learned[name])}
    assert moved == {"denoiser"}
    model, told = DiffFoleyModel(Bundle.open(out), dtype=torch.float32), []
    rows = np.eye(512, dtype=np.float32)[:32]
    latent = model.sample(rows, [0, 1], 25, progress=lambda *done: told.append(done))
    assert latent.shape == (2, 4, 16, 64) and torch.isfinite(latent).all()
    assert told[-1] == (2, 2)
    with pytest.raises(UsageError, match="student itself"):
        fewsteps.open_teacher(str(out), few, None, films, EVERY)
    with pytest.raises(UsageError, match="films"):
        fewsteps.open_teacher(str(tmp_path / "base"), few, None, None, EVERY)
