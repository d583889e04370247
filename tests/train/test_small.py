"""Training of the small model: what it may hear, and that it resumes as if never stopped."""

import csv
import zlib
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from foleycli.config import DIFF_FOLEY_MEL, MEL, DenoiserTraining, PatchConfig, VocoderConfig
from foleycli.errors import MediaError, ModelError, UsageError
from foleycli.sources.small import SmallModel, read_tensors, write_tensors
from foleycli.train import autoencoder, data, denoiser, pack
from foleycli.train.checkpoint import read_latest
from foleycli.train.curves import read_curve
from foleycli.train.data import FRAMES, Scenes, SoundSet, find_hits
from foleycli.train.run import RunOptions
from foleycli.train.waves import WaveSet
from foleycli.waveform.vocoder_net import VocoderNet, save_vocoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty clicks and hums with a table, as a user would have them."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    with (folder / "sounds.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "class", "label"])
        for n in range(20):
            time = np.arange(int(48_000 * random.uniform(0.2, 1.5))) / 48_000
            click = random.normal(size=len(time)) * np.exp(-20 * time)
            sound = click if n % 2 else np.sin(2 * np.pi * 200 * (n + 1) * time)
            soundfile.write(folder / f"{n}.wav", 0.3 * sound, 48_000)
            table.writerow([f"{n}.wav", "click" if n % 2 else "hum", f"thing {n}"])
    return folder


@pytest.fixture(scope="module")
def sounds(folder):
    return SoundSet(folder, folder / "sounds.csv", folder / "cache")


PCA = PatchConfig(channels=8, scenes=20)
TINY = DenoiserTraining(updates=4, batch=2, rate=4e-4, width=64, depth=1, bf16=False, validate=2)
EVERY = RunOptions(device="cpu", save=0)


@pytest.fixture(scope="module")
def common(folder):
    """Sounds, table and cache, as recipes take them."""
    return folder, folder / "sounds.csv", folder / "cache"


@pytest.fixture(scope="module")
def fitted(common, tmp_path_factory):
    return autoencoder.fit(*common, tmp_path_factory.mktemp("fitted"), PCA, EVERY)


def test_scenes_hold_only_what_training_may_hear(sounds):
    held_out = [r.file for r in sounds.recordings if r.held_out]
    assert held_out == [f"{n}.wav" for n in range(20) if zlib.crc32(f"{n}.wav".encode()) % 10 == 0]
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


def test_training_resumes_with_the_same_numbers_and_is_packed(
    common, fitted, tmp_path, monkeypatch
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    denoiser.train(*common, fitted, whole, TINY, EVERY)

    calls, loss = [], denoiser.diffusion_loss

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(denoiser, "diffusion_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        denoiser.train(*common, fitted, stopped, TINY, EVERY)
    monkeypatch.setattr(denoiser, "diffusion_loss", loss)
    denoiser.train(*common, fitted, stopped, TINY, EVERY)

    first, second = (read_latest(run / "checkpoints").module("average") for run in (whole, stopped))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    losses = [read_curve(run / "loss.csv")["loss"].tolist() for run in (whole, stopped)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4

    held_out = [read_curve(run / "validation.csv") for run in (whole, stopped)]
    assert held_out[0]["update"].tolist() == [2, 4]
    assert held_out[0]["loss"].tolist() == held_out[1]["loss"].tolist()

    trained = pack.pack(*common[:2], whole, tmp_path / "bundle")
    assert (trained.updates, trained.batch, trained.seed) == (4, 2, 0)
    assert {p.name for p in (tmp_path / "bundle").iterdir()} == {
        "README.md", "SHA256SUMS", "autoencoder.safetensors", "config.json", "credits.csv",
        "denoiser.safetensors",
    }  # fmt: skip
    packed = SmallModel.load(tmp_path / "bundle").denoiser.state_dict()
    assert torch.allclose(packed["tokens_in.weight"], first["tokens_in.weight"], atol=1e-3)


def test_a_vocoder_goes_into_the_bundle_and_sounds(common, fitted, tmp_path):
    denoiser.train(*common, fitted, tmp_path / "run", TINY, EVERY)
    net = VocoderNet(MEL, VocoderConfig(width=8, depth=1, fine_depth=1, noise=2))
    save_vocoder(tmp_path / "vocoder.safetensors", net)
    out = tmp_path / "bundle"
    pack.pack(*common[:2], tmp_path / "run", out, vocoder=tmp_path / "vocoder.safetensors")
    model = SmallModel.load(out)
    assert isinstance(model.vocoder, VocoderNet)
    features = Scenes(SoundSet(*common)).batch(1)[1][0].numpy()
    waveform = model.generate(features, seed=1, steps=2)
    assert waveform.shape == (256_000,)
    assert np.array_equal(waveform, model.generate(features, seed=1, steps=2))
    assert "foley train vocoder" in (out / "README.md").read_text()
    pack.pack(*common[:2], tmp_path / "run", out)  # again, without
    assert not isinstance(SmallModel.load(out).vocoder, VocoderNet)


def test_the_card_tells_of_licences_what_the_table_does(common, folder, fitted, tmp_path):
    denoiser.train(*common, fitted, tmp_path / "run", TINY, EVERY)
    pack.pack(*common[:2], tmp_path / "run", tmp_path / "bundle")
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "licences: not stated" in card and "weights: not stated" in card
    assert "float32" in card and "Apache-2.0)" in card and "CC0" not in card
    table = tmp_path / "sounds.csv"
    lines = common[1].read_text().splitlines()
    table.write_text("\n".join([lines[0] + ",licence", *(f"{line},CC0-1.0" for line in lines[1:])]))
    pack.pack(folder, table, tmp_path / "run", tmp_path / "bundle", licence="ours")
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "licences: CC0-1.0)" in card and "weights: ours" in card


def test_a_run_begins_as_a_bundle(common, fitted, tmp_path):
    denoiser.train(*common, fitted, tmp_path / "first", TINY, EVERY)
    pack.pack(*common[:2], tmp_path / "first", tmp_path / "bundle")
    bundle, still = tmp_path / "bundle", replace(TINY, updates=1, rate=0.0)
    denoiser.train(*common, fitted, tmp_path / "second", still, EVERY, start=bundle)
    first, second = (
        read_latest(tmp_path / run / "checkpoints").module("average") for run in ("first", "second")
    )
    for name, tensor in first.items():
        assert torch.allclose(tensor, second[name], atol=1e-3), name
    older, _ = read_tensors(bundle / "denoiser.safetensors")
    older = {name: tensor for name, tensor in older.items() if "spread_out" not in name}
    write_tensors(bundle / "denoiser.safetensors", older, {})
    denoiser.train(*common, fitted, tmp_path / "older", still, EVERY, start=bundle)
    begun = read_latest(tmp_path / "older" / "checkpoints").module("average")
    assert not begun["spread_out.weight"].any()
    assert torch.allclose(begun["tokens_out.weight"], first["tokens_out.weight"], atol=1e-3)
    wider = replace(TINY, width=128)
    with pytest.raises(ModelError, match="cannot be gone on from"):
        denoiser.train(*common, fitted, tmp_path / "third", wider, EVERY, start=bundle)


def test_a_run_keeps_to_its_autoencoder(common, fitted, tmp_path):
    denoiser.train(*common, fitted, tmp_path / "run", TINY, EVERY)
    other = autoencoder.fit(*common, tmp_path / "other", PCA, replace(EVERY, seed=1))
    with pytest.raises(UsageError, match="another autoencoder"):
        denoiser.train(*common, other, tmp_path / "run", TINY, EVERY)
    with pytest.raises(UsageError, match="seed 1"):  # nor is one overwritten by another
        autoencoder.fit(*common, tmp_path / "other", PCA, EVERY)


def test_a_sound_that_changed_is_read_again_and_one_that_cannot_be_is_named(tmp_path, caplog):
    table, cache = tmp_path / "sounds.csv", tmp_path / "cache"
    loud = 0.3 * np.random.default_rng(0).normal(size=24_000)
    wrong = {"nan": np.full(24_000, np.nan), "silent": np.zeros(24_000), "empty": np.zeros(0)}
    for name, sound in {"a": loud, **wrong}.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, 48_000, "FLOAT")
    table.write_text("file,class,label\na.wav,x,a\nnan.wav,x\nsilent.wav,x,\nempty.wav,,e\n")
    before = SoundSet(tmp_path, table, cache)
    waves = WaveSet(tmp_path, table, cache, 16_000)
    assert [r.file for r in before.recordings] == ["a.wav"]
    assert len(waves.heard) == 1
    assert caplog.text.count("3 of 4 sounds are silent or unreadable: nan.wav, silent.wav") == 2
    soundfile.write(tmp_path / "a.wav", loud[:9000], 48_000, "FLOAT")
    assert len(SoundSet(tmp_path, table, cache).mels) < len(before.mels)
    table.write_text("file,class,label\nnan.wav,x,a\n")
    with pytest.raises(MediaError, match="No sound of"):
        SoundSet(tmp_path, table, cache)


def test_a_set_of_held_out_sounds_only_is_refused(folder, tmp_path):
    held_out = next(f"{n}.wav" for n in range(20) if zlib.crc32(f"{n}.wav".encode()) % 10 == 0)
    table = tmp_path / "sounds.csv"
    table.write_text(f"file,class,label\n{held_out},x,a\n")
    with pytest.raises(MediaError, match="held out"):
        autoencoder.fit(folder, table, tmp_path / "cache", tmp_path / "run", PCA, EVERY)


def test_files_that_do_not_fit_are_named(common, fitted, folder, tmp_path):
    with pytest.raises(ModelError, match="no autoencoder"):
        denoiser.train(*common, folder / "0.wav", tmp_path / "run", TINY, EVERY)
    with pytest.raises(ModelError, match="cannot be gone on from"):
        denoiser.train(*common, fitted, tmp_path / "run", TINY, EVERY, start=folder)
    denoiser.train(*common, fitted, tmp_path / "run", TINY, EVERY)
    bundle = tmp_path / "bundle"
    pack.pack(*common[:2], tmp_path / "run", bundle)
    other = autoencoder.fit(*common, tmp_path / "other", PCA, replace(EVERY, seed=1))
    with pytest.raises(ModelError, match="another autoencoder"):
        denoiser.train(*common, other, tmp_path / "b", TINY, EVERY, start=bundle)
    sizes = VocoderConfig(width=8, depth=1, fine_depth=1, noise=2)
    save_vocoder(tmp_path / "v.safetensors", VocoderNet(DIFF_FOLEY_MEL, sizes))
    with pytest.raises(ModelError, match="other spectrograms"):
        pack.pack(*common[:2], tmp_path / "run", bundle, vocoder=tmp_path / "v.safetensors")


def test_what_is_no_run_is_not_packed(common, tmp_path):
    with pytest.raises(ModelError, match="no run of the denoiser"):
        pack.pack(*common[:2], tmp_path, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_table_without_its_columns_is_refused(folder, tmp_path):
    table = tmp_path / "sounds.csv"
    table.write_text("file,words\n0.wav,click\n")
    with pytest.raises(data.MediaError, match="class or label"):
        data.read_table(folder, table)
