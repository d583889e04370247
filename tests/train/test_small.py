"""Training of the small model: what it may hear, and that it resumes as if never stopped."""

import csv
import sys
import zlib

import numpy as np
import pytest
import soundfile
import torch

from foleycli.train import autoencoder, data, denoiser, pack
from foleycli.train.data import FRAMES, Scenes, SoundSet, find_hits


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixteen clicks and hums with a table, as a user would have them."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    with (folder / "sounds.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "class", "label"])
        for n in range(16):
            time = np.arange(int(48_000 * random.uniform(0.2, 1.5))) / 48_000
            click = random.normal(size=len(time)) * np.exp(-20 * time)
            sound = click if n % 2 else np.sin(2 * np.pi * 200 * (n + 1) * time)
            soundfile.write(folder / f"{n}.wav", 0.3 * sound, 48_000)
            table.writerow([f"{n}.wav", "click" if n % 2 else "hum", f"thing {n}"])
    return folder


@pytest.fixture(scope="module")
def sounds(folder):
    return SoundSet(folder, folder / "sounds.csv", folder / "cache")


def run(monkeypatch, module, *options) -> None:
    monkeypatch.setattr(sys, "argv", ["recipe", *map(str, options)])
    module.main()


def test_scenes_hold_only_what_training_may_hear(sounds):
    held_out = [r.file for r in sounds.recordings if r.held_out]
    assert held_out == [f"{n}.wav" for n in range(16) if zlib.crc32(f"{n}.wav".encode()) % 10 == 0]
    assert not set(held_out) & {r.file for r in Scenes(sounds).recordings}


def test_scenes_are_windows_with_features(sounds):
    mels, features = Scenes(sounds, seed=1).batch(4)
    assert (mels.shape, features.shape) == ((4, 128, FRAMES), (4, 32, 512))
    assert 0 <= float(mels.min()) <= float(mels.max()) <= 1
    assert float(features[..., :384].norm(dim=-1).max()) <= 1.001
    examples = features[..., 416:]
    assert bool(examples.any())
    assert -0.1 < float(examples.min()) < float(examples.max()) < 2


def test_same_seed_same_scenes(sounds):
    assert torch.equal(Scenes(sounds, 5).batch(2)[0], Scenes(sounds, 5).batch(2)[0])


def test_the_cache_is_read_not_made_again(folder, sounds):
    again = SoundSet(folder, folder / "sounds.csv", folder / "cache")
    assert np.array_equal(again.mels, sounds.mels)
    assert len(list((folder / "cache").glob("*.npy"))) == 1


def test_a_hit_is_found_where_a_sound_begins():
    mel = np.zeros((FRAMES, 128), np.float32)
    mel[100:140] = np.linspace(0.7, 0.2, 40)[:, None]
    assert np.flatnonzero(find_hits(mel)).tolist() in ([99], [100])


def test_training_resumes_with_the_same_numbers(folder, tmp_path, monkeypatch):
    common = ["--sounds", folder, "--cache", folder / "cache"]
    fitted = tmp_path / "autoencoder.safetensors"
    monkeypatch.setattr(autoencoder, "SCENES", 20)
    monkeypatch.setattr(autoencoder, "CHANNELS", 8)
    run(monkeypatch, autoencoder, *common, "--out", fitted)
    tiny = [*common, "--autoencoder", fitted, "--updates", 4, "--batch", 2, "--width", 64]
    tiny += ["--depth", 1, "--save", 0]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run(monkeypatch, denoiser, *tiny, "--out", whole)

    calls, loss = [], denoiser.diffusion_loss

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(denoiser, "diffusion_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, denoiser, *tiny, "--out", stopped)
    monkeypatch.setattr(denoiser, "diffusion_loss", loss)
    run(monkeypatch, denoiser, *tiny, "--out", stopped)

    first, second = (torch.load(p / "checkpoint.pt", weights_only=False) for p in (whole, stopped))
    for name, tensor in first["average"].items():
        assert torch.equal(tensor, second["average"][name]), name
    losses = [(p / "loss.csv").read_text().splitlines()[1:] for p in (whole, stopped)]
    assert [x.split(",")[:3] for x in losses[0]] == [x.split(",")[:3] for x in losses[1]]
    assert len(losses[0]) == 4

    (whole / "autoencoder.safetensors").write_bytes(fitted.read_bytes())
    run(monkeypatch, pack, "--sounds", folder, "--run", whole, "--out", tmp_path / "bundle")
    assert {p.name for p in (tmp_path / "bundle").iterdir()} == {
        "README.md", "autoencoder.safetensors", "config.json", "credits.csv", "denoiser.safetensors"
    }  # fmt: skip


def test_a_loss_that_is_no_number_stops_the_training(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(autoencoder, "SCENES", 20)
    monkeypatch.setattr(autoencoder, "CHANNELS", 8)
    fitted = tmp_path / "autoencoder.safetensors"
    common = ["--sounds", folder, "--cache", folder / "cache"]
    run(monkeypatch, autoencoder, *common, "--out", fitted)
    loss = denoiser.diffusion_loss
    monkeypatch.setattr(denoiser, "diffusion_loss", lambda *a: loss(*a) * float("nan"))
    tiny = ["--autoencoder", fitted, "--batch", 2, "--width", 64, "--depth", 1]
    with pytest.raises(FloatingPointError, match="update 0"):
        run(monkeypatch, denoiser, *common, *tiny, "--out", tmp_path / "run")


def test_a_table_without_its_columns_is_refused(folder, tmp_path):
    table = tmp_path / "sounds.csv"
    table.write_text("file,words\n0.wav,click\n")
    with pytest.raises(data.MediaError, match="class or label"):
        data.read_table(folder, table)
