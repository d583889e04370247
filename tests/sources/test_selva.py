"""SelVA as a source of sound, small: from public files to stems that add up."""

import hashlib
import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open

from foleycli.clip.probe import probe
from foleycli.config import FLOW_MEL, FLOW_MEL_44K, GenerateConfig
from foleycli.errors import ModelError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.generate import generate, redo
from foleycli.models.bundle import WEIGHTS, Bundle
from foleycli.models.hub import write_lock
from foleycli.models.registry import MODELS, find_model
from foleycli.recipe import read_recipe
from foleycli.sources.asked import others_of
from foleycli.sources.identity import resolve
from foleycli.sources.open import open_source
from foleycli.sources.pull import pull
from foleycli.sources.selva import Lengths, SelvaModel, SelvaSource, segment_film
from foleycli.sources.selva_public import convert_selva, find_files
from tests.films import strikes, write_film
from tests.models.conftest import hub as hub  # a fixture
from tests.sources.selva_files import raw_vae, write_public

TWO = ("dog barking", "footsteps on gravel")


@pytest.fixture(scope="module")
def public(tmp_path_factory) -> Path:
    return write_public(tmp_path_factory.mktemp("public"))


@pytest.fixture(scope="module")
def bundle(public, tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles") / "selva"
    return convert_selva(find_files(public), folder, "# card\n", "f32")


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("films") / "strikes.mp4"
    return write_film(path, strikes([0.5, 1.4], 2.0), 24)


def test_what_is_not_needed_is_left_out(public, tmp_path):
    made = convert_selva(find_files(public), tmp_path / "b", "# card\n")
    with safe_open(made.folder / WEIGHTS, "pt") as file:
        names = set(file.keys())
        assert file.get_tensor("clip.token_embedding.weight").dtype == torch.bfloat16
        assert file.get_tensor("clip.positional_embedding").dtype == torch.float32
    parts = {"encoder", "generator", "vae", "vocoder", "t5", "clip"}
    assert {name.partition(".")[0] for name in names} == parts
    left = ("visual", "filter", "weight_g", "freqs", "latent_rot", "vae.encoder", "lm_head")
    assert not [name for name in names if any(part in name for part in left)]
    assert "non-commercial" in made.config["licence"]
    assert (made.folder / "tokenizer.json").is_file()
    made.verify()


def test_what_runs_is_what_was_published(bundle):
    """Norms and gains are folded in: the same numbers come out."""
    model = SelvaModel(bundle, dtype=torch.float32)
    raw = raw_vae()
    weight = raw["decoder.conv_out.weight"]
    n = weight[0].numel()
    length = weight.flatten(1).norm(dim=1)[:, None, None]
    wanted = weight / (1e-4 + length / n**0.5) / n**0.5 * 1.1
    torch.testing.assert_close(model.vae.decoder.conv_out.weight, wanted)
    assert model.vocoder.config.rates == (4, 4, 2, 2, 2, 2)


def test_a_missing_tensor_or_file_is_named(public, tmp_path):
    files = find_files(public)
    with pytest.raises(ModelError, match="open_clip"):
        convert_selva({k: v for k, v in files.items() if k != "clip"}, tmp_path / "b", "")
    broken = tmp_path / "video_enc.pth"
    weights = torch.load(files["encoder"])
    weights.pop("text_proj.0.bias")
    torch.save(weights, broken)
    with pytest.raises(ModelError, match=r"text_proj\.0\.bias is missing"):
        convert_selva({**files, "encoder": broken}, tmp_path / "b", "")


def test_each_source_is_a_stem_and_the_mix_their_sum(bundle, film, tmp_path, caplog):
    config = GenerateConfig(
        model=str(bundle.folder), source=TWO, stems=True, steps=1, seed=3, device="cpu"
    )
    with caplog.at_level(logging.WARNING, "foleycli"):
        result = generate(film, tmp_path / "out.mp4", config)
    assert "non-commercial" in caplog.text
    stems = [
        tmp_path / f"out_0{i}_{name}.wav"
        for i, name in ((1, "dog-barking"), (2, "footsteps-on-gravel"))
    ]
    one, other = (soundfile.read(path, dtype="int32")[0] >> 8 for path in stems)
    mix = soundfile.read(tmp_path / "out.wav", dtype="int32")[0] >> 8
    assert len(mix) == round(result.duration * 48000) == 96000
    assert np.array_equal(one + other, mix)
    assert np.abs(one).max() > 0 and not np.array_equal(one, other)
    made = read_recipe(tmp_path / "out.foley.json")
    assert made.config.source == TWO
    assert "CC BY-NC" in made.licence
    _, same = redo(tmp_path / "out.foley.json", tmp_path / "again.mp4")
    assert same


def test_a_prompt_is_one_source_and_the_other_words_change_it(bundle, film, tmp_path):
    def samples(**options) -> np.ndarray:
        config = GenerateConfig(model=str(bundle.folder), steps=1, device="cpu", **options)
        source = open_source(config)
        pictures = decode_pictures(probe(film))
        words = config.source or (config.prompt,)
        features = source.encode(pictures, words)
        from foleycli.sources.asked import for_source

        asked = for_source(config, words[0]) if config.source else config
        return np.concatenate(list(source.render(features, [], asked)))

    alone = samples(prompt=TWO[0])
    assert np.array_equal(alone, samples(source=TWO, others_as_negative=False))
    assert not np.array_equal(alone, samples(source=TWO))
    assert others_of(TWO, TWO[0], "music") == "music, footsteps on gravel"


def test_without_words_it_says_what_to_give(bundle, film):
    source = SelvaSource(bundle, "selva")
    with pytest.raises(UsageError, match="words"):
        source.encode(decode_pictures(probe(film)))


def test_it_is_never_chosen_by_itself(monkeypatch):
    selva = [model for model in MODELS if model.name.startswith("selva")]
    assert len(selva) == 4 and all(model.non_commercial for model in selva)
    assert resolve(GenerateConfig()) in ("library", "small")


@pytest.mark.parametrize(("frames", "segments"), [(1, 1), (8, 1), (9, 2), (16, 2), (200, 25)])
def test_every_frame_begins_in_a_segment(frames, segments):
    film = (np.full((4, 4, 3), i, np.uint8) for i in range(frames))
    seen = torch.cat(list(segment_film(film, batch=3)))
    assert seen.shape == (segments, 16, 3, 4, 4)
    assert [int(s[0].max()) for s in seen] == [8 * i for i in range(segments)]
    assert int(seen[-1, -1].max()) == frames - 1  # the last one is held


def test_eight_seconds_are_whole():
    """The published reader loses a segment of such clips at 24 and 25 frames a second."""
    low, high = (Lengths.of(Fraction(8), mel) for mel in (FLOW_MEL, FLOW_MEL_44K))
    assert (low.frames, low.segments, low.sync, low.latent) == (200, 24, 192, 250)
    assert (high.latent, high.samples) == (345, 353_280)


def test_pull_makes_the_bundle(hub, public, tmp_path):
    """All seven files, of four repositories; md5 where its makers published no more."""
    model = find_model("selva")
    names = {
        "encoder": "video_enc_sup_5.pth", "generator": "generator_small_16k_sup_5.pth",
        "vae": "v1-16.pth", "vocoder": "best_netG.pt", "t5": "model.safetensors",
        "clip": "open_clip_pytorch_model.bin", "tokenizer": "tokenizer.json",
    }  # fmt: skip
    downloads = []
    for file in model.downloads:
        content = (public / names[file.part]).read_bytes()
        hub.files[f"{file.hub or model.hub}/{file.name}"] = content
        md5 = hashlib.md5(content).hexdigest() if file.md5 else None
        downloads.append(replace(file, size=len(content), sha256=None, md5=md5))
    model = replace(
        model, folder=tmp_path / "cache" / "models" / "selva", downloads=tuple(downloads)
    )
    bundle = pull(model)
    assert model.installed and bundle.family == "selva"
    assert "not for commercial use" in (bundle.folder / "README.md").read_text()
    assert not list((tmp_path / "cache" / "downloads").rglob("*.pth"))
    wrong = replace(model, downloads=(replace(downloads[0], md5="0" * 32), *downloads[1:]))
    write_lock({})
    with pytest.raises(ModelError, match="has md5"):
        pull(wrong, overwrite=True)
