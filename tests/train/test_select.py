"""`foley train select`, stage 1: asked for the words of one half, what is seen is that half."""

import csv
import io
import json
import tarfile
from dataclasses import asdict, replace

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from foleycli.config import (
    DIFF_FOLEY_MEL,
    TRAINING,
    CavpConfig,
    GenerateConfig,
    LatentDiffusionConfig,
    SelectTraining,
    TextSelectConfig,
)
from foleycli.errors import ModelError, UsageError
from foleycli.generate import generate
from foleycli.latents.diff_foley import DiffFoley
from foleycli.models.bundle import Bundle, write_bundle
from foleycli.models.filled import filled
from foleycli.sight.cavp import Cavp
from foleycli.sight.efficientnet import EfficientNetLite
from foleycli.sight.words import LiteEyes, TextSelect, load_select, save_select
from foleycli.sources.public import FAMILY, load_part
from foleycli.spot.encode import Encoder
from foleycli.spot.select import spread_places
from foleycli.spot.text import embed_text
from foleycli.train import select as recipe
from foleycli.train.curves import read_curve
from foleycli.train.listing import SETTINGS
from foleycli.train.prepare import COLUMNS, INDEX
from foleycli.train.run import RunOptions
from tests.films import strikes, write_film
from tests.train.films import put

CPU = RunOptions(device="cpu", save=3600)
TINY = TRAINING["select"]["tiny"]
assert isinstance(TINY, SelectTraining)
SIZES = LatentDiffusionConfig(
    context_size=16, base_channels=32, multipliers=(1, 1, 1, 1), autoencoder_channels=32, heads=2
)
CAVP_SIZES = CavpConfig(base_channels=4, audio_channels=4, size=512)
COLOURS = {"dog barking": (230, 20, 20), "piano": (20, 20, 230), "rain": (20, 220, 20)}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A bundle of Diff-Foley's family at a small size: what sees, and what sounds."""
    with torch.device("meta"):
        sounds = DiffFoley(SIZES)
    sees = Cavp(CAVP_SIZES)
    tensors = {f"diffusion.{n}": t for n, t in filled(sounds.state_dict()).items()}
    state = sees.state_dict()
    tensors |= {f"cavp.{n}": t for n, t in state.items()}
    parts = {"diffusion": asdict(SIZES), "cavp": asdict(CAVP_SIZES)}
    folder = tmp_path_factory.mktemp("bundles") / "base"
    write_bundle(folder, {"family": FAMILY, "parts": parts}, tensors, "# base\n")
    return folder


class ColourEyes(LiteEyes):
    """Sees the colour of each of 7 x 7 places, and nothing beside it."""

    def __init__(self):
        nn.Module.__init__(self)
        torch.manual_seed(0)
        self.mixing = nn.Linear(3, self.channels).requires_grad_(False)

    def maps(self, frames):
        places = F.adaptive_avg_pool2d(frames.flatten(0, 1).float() / 128 - 1, (7, 7))
        seen = self.mixing(places.permute(0, 2, 3, 1)).relu().permute(0, 3, 1, 2)
        return seen.unflatten(0, frames.shape[:2])


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Films of one colour each, named by it, prepared with frames; some are held out."""
    folder = tmp_path_factory.mktemp("data") / "films"
    return coloured(folder, 40)


def coloured(folder, count, rows=4, size=64):
    folder.mkdir(parents=True)
    random, index = np.random.default_rng(0), []
    with tarfile.open(folder / "shard-000000.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(count):
            label, colour = list(COLOURS.items())[number % len(COLOURS)]
            offset = tar.offset
            for n in range(rows):
                grain = random.normal(0, 12, (size, size, 1))
                picture = np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8)
                held = io.BytesIO()
                Image.fromarray(picture).save(held, "JPEG", subsampling=0)
                put(tar, f"{number:08d}.{n:03d}.jpg", held.getvalue())
            place = [offset, tar.offset - offset, rows, rows / 4]
            index.append([f"film{number}", "shard-000000.tar", *place, label, ""])
    with (folder / INDEX).open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *index])
    settings = {"mel": asdict(DIFF_FOLEY_MEL), "parts": ["frames"]}
    (folder / SETTINGS).write_text(json.dumps(settings))
    return folder


def test_at_first_nothing_is_selected_and_nothing_changed(base):
    sees = load_part(Bundle.open(base), "cavp")
    select = TextSelect(TextSelectConfig(channels=sees.video_encoder.channels, size=64))
    frames = torch.randint(0, 256, (1, 3, 3, 64, 64), dtype=torch.uint8)
    maps = sees.maps(frames)
    pooled, weights, _ = select(maps, torch.from_numpy(embed_text(["dog barking"])))
    torch.testing.assert_close(sees.rows(pooled), sees.encode_frames(frames))
    assert weights.shape == (1, 3, 2, 2)
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / 4))


def test_it_learns_to_see_what_is_named(films, tmp_path, monkeypatch):
    """Asked for either half it gives that half's rows, better than without selection; weights
    follow the words, and what is absent is told."""
    monkeypatch.setattr(recipe, "open_eyes", lambda *_: ColourEyes())
    config = replace(TINY, updates=180, validate=180, absent=0.3)
    folder = recipe.train(films, None, "small", "student", tmp_path / "run", config, CPU)
    held_out = read_curve(tmp_path / "run" / "validation.csv")
    seen = {name: float(values[-1]) for name, values in held_out.items()}
    assert seen["cosine"] > seen["cosine_mean"] + 0.5 * (1 - seen["cosine_mean"])
    assert seen["own_side"] > 0.7
    assert seen["there"] + seen["absent"] > 1.4
    assert load_select(folder / "select.safetensors").config.extra_words == 5


@pytest.mark.parametrize("there", [True, False])
def test_a_bundle_that_selects_sounds_each_word(base, tmp_path, caplog, there):
    torch.manual_seed(0)
    opened = Bundle.open(base)
    channels = load_part(opened, "cavp").video_encoder.channels
    select = TextSelect(TextSelectConfig(channels=channels, size=64))
    nn.init.normal_(select.weigh.weight)
    nn.init.constant_(select.presence.bias, 5 if there else -5)
    facts = {"updates": 1, "batch": 2}
    made = recipe.write_learned(
        opened, {"select": select}, tmp_path / "made", "selects", facts, "more"
    )
    made.verify()
    assert (made.folder / "README.md").read_text() == "# base\n\nmore"
    film = write_film(tmp_path / "two.mp4", strikes([0.5], 1.5))
    config = GenerateConfig(
        model=str(made.folder), source=("dog barking", "rain"), stems=True, steps=1, device="cpu"
    )
    generate(film, tmp_path / "out.mp4", config)
    dog, rain = (
        soundfile.read(tmp_path / f"out_{name}.wav", dtype="int32")[0]
        for name in ("01_dog-barking", "02_rain")
    )
    assert len(dog) == len(rain) == 72_000
    assert dog.any() == rain.any() == there
    assert np.array_equal(dog, rain) != there
    assert ("'rain' is seen" in caplog.text) != there


def test_without_training_for_words_it_still_refuses_them(base, tmp_path):
    film = write_film(tmp_path / "a.mp4", strikes([0.5], 1.0))
    with pytest.raises(UsageError, match="train select"):
        config = GenerateConfig(model=str(base), source=("piano",), device="cpu")
        generate(film, tmp_path / "out.mp4", config)


def test_a_run_goes_on_to_the_same_numbers(base, films, tmp_path):
    config = replace(TINY, updates=4, validate=4)
    asked = (films, None, str(base), "student")
    whole = recipe.train(*asked, tmp_path / "whole", config, CPU)
    recipe.train(*asked, tmp_path / "parts", replace(config, updates=2), CPU)
    parts = recipe.train(*asked, tmp_path / "parts", config, CPU)
    assert Bundle.open(whole).fingerprint != Bundle.open(base).fingerprint
    first, second = (Bundle.open(folder).tensors("select") for folder in (whole, parts))
    torch.testing.assert_close(first, second)
    with pytest.raises(UsageError, match="extra_words"):
        recipe.train(*asked, tmp_path / "parts", replace(config, extra_words=0), CPU)


def test_without_sup_there_are_none(base, films, tmp_path):
    config = replace(TINY, updates=2, validate=2, extra_words=0, proportion=1.0, variation="both")
    bundle = recipe.train(films, None, str(base), "student", tmp_path / "run", config, CPU)
    assert Bundle.open(bundle).tensors("select")["sup_text_feat"].shape == (0, 384)
    load_part(Bundle.open(bundle), "select")


@pytest.fixture
def blind(monkeypatch):
    """EfficientNet-lite with weights of chance, which is sure of a class by the colour."""
    torch.manual_seed(1)
    network = EfficientNetLite().eval().requires_grad_(False)

    def forward(self, pictures):
        logits = torch.zeros(len(pictures), 1000)
        at = pictures.float().mean((1, 2)).argmax(1)
        logits[torch.arange(len(pictures)), 100 * at] = 20
        return torch.zeros(len(pictures), 1280), logits

    monkeypatch.setattr(EfficientNetLite, "forward", forward)
    monkeypatch.setattr(recipe, "open_networks", lambda *_: [network])
    monkeypatch.setattr("foleycli.sight.efficientnet.open_networks", lambda *_: [network])


def test_an_encoder_learns_from_photographs_and_selects(blind, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(14):
        colour = list(COLOURS.values())[n % 2]
        Image.new("RGB", (60, 40), colour).save(photos / f"{n}.jpg")
    config = replace(TINY, updates=6, batch=4, frames=1, validate=6)
    folder = recipe.train(None, photos, "small", "student", tmp_path / "run", config, CPU)
    assert {path.name for path in folder.iterdir()} >= {"select.safetensors", "when.safetensors"}
    encoder = Encoder.open(str(folder))
    assert encoder.select == folder / "select.safetensors"
    assert Encoder.open().select is None
    weights, there = encoder.word_eyes(("piano", "rain")).look(np.zeros((224, 224, 3), np.uint8))
    assert weights.shape == (2, 7, 7) and there.shape == (2,)
    assert weights.sum((1, 2)) == pytest.approx(1, abs=1e-4)

    film = write_film(tmp_path / "film.mp4", strikes([0.5], 1.5))
    asked = GenerateConfig(encoder=str(folder), source=("piano",), model="library")
    assert generate(film, tmp_path / "out.mp4", asked).takes


def test_places_of_a_map_fall_into_their_cells():
    cover = spread_places(49)
    assert cover.shape == (49, 9, 16)
    assert cover.sum(0) == pytest.approx(1)
    assert cover[0, 0, 0] == 1 and cover[48, 8, 15] == 1
    assert cover[24, 4, 7:9].min() > 0.7 and cover[24, :, 0].sum() == 0


def test_clips_of_the_same_words_are_not_mixed():
    shown = np.zeros((2, 1, 8, 8, 3), np.uint8)
    lessons = [(frames, frames) for frames in shown]

    class Clips:
        words, heard, held_out = ["piano", "piano"], [0, 1], []

    config = replace(TINY, mixed=1.0, absent=1.0)
    chance = np.random.default_rng(0)
    batch = recipe.make_batch(lessons, Clips.words, Clips(), [0, 1], config, chance)
    assert len(batch.films) == 2
    assert batch.there.all()  # there are no words of neither


def test_weights_are_read_again(tmp_path):
    select = TextSelect(TextSelectConfig(channels=LiteEyes.channels, size=64))
    save_select(tmp_path / "select.safetensors", select, {"updates": 1})
    again = load_select(tmp_path / "select.safetensors")
    assert again.config == select.config
    torch.testing.assert_close(again.enter[1].weight, select.enter[1].weight.half().float())
    (tmp_path / "cut.safetensors").write_bytes(b"12345")
    with pytest.raises(ModelError, match="cut"):
        load_select(tmp_path / "cut.safetensors")
