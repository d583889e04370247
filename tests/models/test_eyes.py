"""The eyes that are pulled: fetched from a hub, they see and read as transformers does; a scene
comes of what scores best, and limits are chosen on labelled pictures."""

import hashlib
import importlib.util
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save
from tokenizers import Tokenizer, models, pre_tokenizers

from foleycli.clip.probe import probe
from foleycli.config import EYES, GenerateConfig
from foleycli.errors import MediaError, ModelError, UsageError
from foleycli.evaluate.calibrate import best_limit, calibrate, find_labelled
from foleycli.listeners import pulled
from foleycli.models.filled import filled
from foleycli.models.registry import find_model
from foleycli.sight import siglip
from foleycli.sources.pull import pull
from foleycli.spot import scored
from foleycli.spot.find import find_cues
from foleycli.spot.scored import Limits, PulledEyes, read_limits, seen_sounds, write_limits
from foleycli.spot.told import open_eyes, tell
from tests.films import strikes, write_film
from tests.spot.test_told import features

transformers = pytest.importorskip("transformers")
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
         "num_attention_heads": 2}  # fmt: skip
SIZES = {"text_config": {**SMALL, "vocab_size": 40, "projection_size": 16},
         "vision_config": {**SMALL, "patch_size": 56}}  # fmt: skip
WORDS = ["<pad>", "<eos>", "<bos>", "<unk>", "this", "is", "a", "photo", "of", ".", "dog"]


def tokenizer() -> bytes:
    words = {word: number for number, word in enumerate(WORDS)}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    return made.to_str().encode()


@pytest.fixture
def net(hub, tmp_path, monkeypatch):
    """A small SigLIP, pulled; transformers' own with the same weights."""
    built = siglip.build(SIZES).eval()
    built.load_state_dict(filled(built.state_dict()), strict=False)
    built.logit_scale.data.fill_(2.0)
    built.logit_bias.data.fill_(-1.0)
    public = find_model("eyes")
    weights = {name: tensor.contiguous() for name, tensor in built.state_dict().items()}
    contents = dict(zip(public.downloads, (save(weights), tokenizer()), strict=True))
    for file, content in contents.items():
        hub.files[f"{public.hub}/{file.name}"] = content
    files = tuple(
        replace(file, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for file, content in contents.items()
    )
    model = replace(public, folder=tmp_path / "eyes", downloads=files)
    pull(model)
    monkeypatch.setattr(pulled, "find_model", lambda name: model)
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    return built


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (90, 160, 3), np.uint8), np.full((64, 64, 3), 200, np.uint8)]


def test_pictures_are_prepared_as_transformers_does(pictures):
    processor = transformers.SiglipImageProcessorPil(
        size={"height": 224, "width": 224}, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    theirs = processor([Image.fromarray(p) for p in pictures], return_tensors="np")["pixel_values"]
    ours = np.stack([siglip.prepare(picture) for picture in pictures])
    assert np.abs(ours - theirs).max() < 1e-5


def test_scores_are_those_of_transformers(net, pictures):
    eyes = siglip.SiglipEyes(SIZES)
    texts = ["This is a photo of a dog.", "photo " * 90]
    ours = eyes.belong(eyes.look(pictures), eyes.read(texts))
    ids = torch.tensor([eyes.tokens(text) for text in texts])
    pixels = torch.from_numpy(np.stack([siglip.prepare(picture) for picture in pictures]))
    with torch.inference_mode():
        theirs = net(input_ids=ids, pixel_values=pixels).logits_per_image.sigmoid().numpy()
    assert np.abs(ours - theirs).max() < 1e-6 and ours.std() > 1e-4


def test_texts_end_once_and_are_padded(net):
    eyes = siglip.SiglipEyes(SIZES)
    assert eyes.tokens("A DOG")[:4] == [6, 10, 1, 0] and len(eyes.tokens("a")) == 64
    assert eyes.tokens("photo " * 90)[-2:] == [7, 1]


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    model = replace(find_model("eyes"), folder=tmp_path / "none")
    monkeypatch.setattr(pulled, "find_model", lambda name: model)
    with pytest.raises(ModelError, match="foley models pull eyes"):
        siglip.SiglipEyes()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"transformers.*(pip install|foleycli\[eyes\])"):
        siglip.SiglipEyes()
    assert len(find_model("eyes").revision or "") == 40


class Known:
    """Eyes that tell pictures by their brightness: dark ones bark, bright ones chop wood."""

    fingerprint = "known"

    def read(self, texts):
        return np.array([["dog barking" in t, "chopping wood" in t, "yard" in t] for t in texts],
                        np.float32)  # fmt: skip

    def look(self, pictures):
        bright = np.array([picture.mean() / 255 for picture in pictures], np.float32)
        return np.stack([1 - bright, bright, np.full_like(bright, 0.5)], 1)

    def belong(self, pictures, texts):
        return pictures @ texts.T


@pytest.fixture
def known(monkeypatch, tmp_path):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    return PulledEyes(Known())


def test_the_likeliest_sounds_and_place_become_the_scene(known, tmp_path):
    known.limits = Limits(0.45)
    answer = known.answer([np.full((9, 16, 3), 90, np.uint8)])
    assert answer["place"] == "yard"
    assert [sound["words"] for sound in answer["sounds"]] == ["dog barking"]
    film = probe(write_film(tmp_path / "a.mp4", strikes([1], 3)))
    cues = find_cues(tell(features(), film, known, lambda at: at))
    barks = [cue for cue in cues if cue.what == "dog barking"]
    assert [cue.start for cue in barks] == [Fraction(1, 2), 1]
    assert barks[0].evidence.startswith("eyes see dog barking: .")
    assert barks[0].evidence.endswith("(siglip2)")
    assert {cue.what for cue in cues if cue.layer == "air"} == {"outdoor ambience"}


def test_what_is_under_its_limit_is_not_heard(known):
    known.limits = Limits(0.0, {phrase.words: 2.0 for phrase in seen_sounds()})
    assert known.answer([np.zeros((9, 16, 3), np.uint8)])["sounds"] == []
    known.limits = Limits(0.0)
    assert len(known.answer([np.zeros((9, 16, 3), np.uint8)])["sounds"]) == EYES.sounds


def test_pulled_eyes_work_offline_and_are_asked_for_by_name(net, monkeypatch):
    scored.open_pulled.cache_clear()
    monkeypatch.setattr(siglip, "SIZES", SIZES)
    monkeypatch.setattr(siglip.SiglipEyes.__init__, "__defaults__", (SIZES,))
    eyes = open_eyes(GenerateConfig(eyes="siglip2", offline=True))
    assert isinstance(eyes, PulledEyes) and eyes is open_eyes(GenerateConfig(eyes="siglip2"))
    assert eyes.likely([np.zeros((9, 16, 3), np.uint8)]).shape == (1, len(seen_sounds()))
    scored.open_pulled.cache_clear()


@pytest.mark.parametrize(
    ("scores", "truth", "low", "high"),
    [([0.9, 0.8, 0.3, 0.1], [1, 1, 0, 0], 0.3, 0.8), ([0.9, 0.2], [0, 1], 0.0, 0.2),
     ([0.5, 0.5, 0.1], [1, 0, 0], 0.1, 0.5)],
)  # fmt: skip
def test_the_best_limit_lies_between_two_scores(scores, truth, low, high):
    limit = best_limit(np.array(scores, np.float32), np.array(truth, bool))
    assert low <= limit <= high


def paint(folder, label, levels):
    (folder / label).mkdir(parents=True)
    for number, level in enumerate(levels):
        Image.new("RGB", (16, 9), (level,) * 3).save(folder / label / f"{number}.png")


def test_limits_are_chosen_on_half_and_judged_on_the_other(known, tmp_path):
    paint(tmp_path / "pictures", "dog_barking", range(0, 60, 5))
    paint(tmp_path / "pictures", "chopping wood", range(195, 255, 5))
    found = calibrate(tmp_path / "pictures", known)
    assert (found.pictures, found.labels) == (24, 2)
    assert found.before < 0.9 and found.after == 1.0  # .1 hears the dog in light grey
    assert 0.2 < found.limits.of("dog barking") < 0.8 and len(found.limits.own) == 2
    write_limits(found.limits, "known")
    assert read_limits("known") == found.limits == PulledEyes(Known()).limits
    assert read_limits("other weights") == Limits()


def test_pictures_without_labels_and_broken_ones_are_named(known, tmp_path):
    with pytest.raises(UsageError, match="no pictures"):
        find_labelled(tmp_path)
    paint(tmp_path, "dog barking", [0])
    (tmp_path / "dog barking" / "1.jpg").write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"1\.jpg"):
        calibrate(tmp_path, known)


def test_the_command_writes_limits_and_their_worth(known, tmp_path, monkeypatch, capsys):
    from foleycli.cli import main

    paint(tmp_path / "p", "dog barking", range(0, 60, 5))
    monkeypatch.setattr(scored, "open_pulled", lambda: known)
    monkeypatch.setattr("sys.argv", ["foley", "eval", "calibrate", str(tmp_path / "p"), "--json"])
    with pytest.raises(SystemExit) as stop:
        main.main()
    said = json.loads(capsys.readouterr().out)
    assert not stop.value.code and said["pictures"] == 12 and said["after"] == 1.0
    assert read_limits("known").all == said["limits"]["all"]
