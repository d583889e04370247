"""`foley train select --stage 2`: what sounds learns to follow what is selected, and no more."""

import csv
from dataclasses import asdict, replace

import numpy as np
import pytest
import soundfile
import torch

from foleycli.config import (
    DIFF_FOLEY_MEL,
    TRAINING,
    CavpConfig,
    GenerateConfig,
    LatentDiffusionConfig,
    TextSelectConfig,
)
from foleycli.errors import ModelError, UsageError
from foleycli.generate import generate
from foleycli.latents.diff_foley import DiffFoley
from foleycli.models.bundle import Bundle, write_bundle
from foleycli.models.filled import filled
from foleycli.mux.mux import mux_audio
from foleycli.sight.cavp import Cavp
from foleycli.sight.words import TextSelect
from foleycli.sources.public import FAMILY
from foleycli.sources.selva_public import convert_selva, find_files
from foleycli.train import select_denoiser, select_flow
from foleycli.train.curves import read_curve
from foleycli.train.prepare import INDEX
from foleycli.train.run import RunOptions
from tests.films import strikes, write_film
from tests.sources.selva_files import write_public
from tests.train.films import make_prepared

CPU = RunOptions(device="cpu", save=3600)
OURS, FLOW = TRAINING["select-denoiser"]["tiny"], TRAINING["select-flow"]["tiny"]
SIZES = LatentDiffusionConfig(
    context_size=16, base_channels=32, multipliers=(1, 1, 1, 1), autoencoder_channels=32, heads=2
)
CAVP_SIZES = CavpConfig(base_channels=4, audio_channels=4, size=512)


def differing(one, other):
    """Names of tensors that are not the same in two bundles."""
    return {
        f"{part}.{name}"
        for part in other.config["parts"]
        for name, tensor in other.tensors(part).items()
        if (own := one.tensors(part).get(name)) is None or not torch.equal(own, tensor)
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.manual_seed(0)
    with torch.device("meta"):
        sounds = DiffFoley(SIZES)
    sees = Cavp(CAVP_SIZES)
    channels = sees.video_encoder.channels
    select = TextSelect(TextSelectConfig(channels=channels, size=64))
    tensors = {f"diffusion.{n}": t for n, t in filled(sounds.state_dict()).items()}
    tensors |= {f"cavp.{n}": t for n, t in sees.state_dict().items()}
    tensors |= {f"select.{n}": t for n, t in select.state_dict().items()}
    parts = {
        "diffusion": asdict(SIZES), "cavp": asdict(CAVP_SIZES), "select": asdict(select.config)
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("bundles") / "base"
    return write_bundle(folder, {"family": FAMILY, "parts": parts}, tensors, "# base\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = make_prepared(tmp_path_factory.mktemp("data") / "films", DIFF_FOLEY_MEL, rows=8)
    with (folder / INDEX).open(newline="") as file:
        columns, *rows = csv.reader(file)
    for n, row in enumerate(rows):
        row[columns.index("label")] = ("dog barking", "piano", "rain")[n % 3]
    with (folder / INDEX).open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return folder


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(select_denoiser, "ROWS", 8)
    monkeypatch.setattr(select_denoiser, "MEL_FRAMES", 64)


def test_the_denoiser_learns_by_keys_and_values_alone(base, data, tmp_path):
    config = replace(OURS, updates=4, validate=2)
    path = select_denoiser.train(data, str(base.folder), tmp_path / "run", config, CPU)
    made = Bundle.open(path)
    made.verify()
    changed = differing(base, made)
    assert changed
    read = ("attn2.to_k.weight", "attn2.to_v.weight")
    assert all(n.endswith(read) or ".conditioner." in n for n in changed)
    assert any(n.endswith(read) for n in changed)
    assert read_curve(tmp_path / "run" / "validation.csv")["loss"].size == 2
    assert "Sounds what is selected" in (path / "README.md").read_text()


def test_in_one_stage_what_selects_learns_too(base, data, tmp_path):
    config = replace(OURS, updates=2, one_stage=True, extra_words=0, validate=9)
    path = select_denoiser.train(data, str(base.folder), tmp_path / "run", config, CPU)
    made = Bundle.open(path)
    assert made.config["parts"]["select"]["extra_words"] == 0
    assert "select.weigh.weight" in differing(base, made)


def test_it_goes_on_where_it_stopped(base, data, tmp_path):
    config = replace(OURS, updates=4, validate=9)
    whole = select_denoiser.train(data, str(base.folder), tmp_path / "whole", config, CPU)
    half = replace(config, updates=2)
    select_denoiser.train(data, str(base.folder), tmp_path / "parts", half, CPU)
    parts = select_denoiser.train(data, str(base.folder), tmp_path / "parts", config, CPU)
    one, other = (Bundle.open(folder).tensors("diffusion") for folder in (whole, parts))
    torch.testing.assert_close(one, other)


def test_eyes_that_do_not_select_are_refused(base, data, tmp_path):
    parts = {name: base.config["parts"][name] for name in ("diffusion", "cavp")}
    tensors = {f"{p}.{n}": t for p in parts for n, t in base.tensors(p).items()}
    blind = write_bundle(tmp_path / "blind", {"family": FAMILY, "parts": parts}, tensors, "")
    with pytest.raises(UsageError, match="does not look for words"):
        select_denoiser.train(data, str(blind.folder), tmp_path / "run", OURS, CPU)


# ------------------------------------------------------------------------------------ selva


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    return write_public(tmp_path_factory.mktemp("public"))


@pytest.fixture(scope="module")
def selva(public, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "selva"
    return convert_selva(find_files(public), folder, "# card\n", "f32")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two short films with their sound, and the table that names them."""
    folder = tmp_path_factory.mktemp("clips")
    rows = [["file", "label"]]
    for n, label in enumerate(("dog barking", "rain")):
        film = write_film(folder / f"silent{n}.mp4", strikes([0.4 + n / 2], 1.2))
        sound = 0.1 * np.random.default_rng(n).standard_normal(57_600)
        soundfile.write(folder / "sound.wav", sound, 48_000)
        from foleycli.clip.probe import probe

        mux_audio(probe(film), folder / "sound.wav", folder / f"clip{n}.mp4", mode="replace")
        rows.append([f"clip{n}.mp4", label])
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "clips.csv"


@pytest.fixture
def second(monkeypatch):
    """Windows of a second: 25 frames, two segments."""
    monkeypatch.setattr(select_flow, "SECONDS", 1)


def test_selva_learns_by_its_projection_and_norms_alone(selva, clips, public, second, tmp_path):
    config = replace(FLOW, updates=1, validate=9)
    asked = (clips, None, str(selva.folder), public / "v1-16.pth")
    path = select_flow.train(*asked, tmp_path / "run", config, CPU)
    made = Bundle.open(path)
    made.verify()
    changed = differing(selva, made)
    assert any("sync_input_proj" in name for name in changed)
    assert any("adaLN" in name for name in changed)
    for name in changed:
        assert name.startswith("generator.sync_input_proj.") or (
            "adaLN_modulation" in name and ("latent_block" in name or "fused_blocks" in name)
        )
    assert "non-commercial" in made.config["licence"]

    film = write_film(tmp_path / "film.mp4", strikes([0.3], 1.0))
    config = GenerateConfig(model=str(path), source=("rain",), steps=1, device="cpu")
    assert generate(film, tmp_path / "out.mp4", config).takes


def test_in_one_stage_selvas_eyes_learn_from_nothing(selva, clips, public, second, tmp_path):
    config = replace(FLOW, updates=1, validate=9, one_stage=True, extra_words=0)
    asked = (clips, None, str(selva.folder), public / "v1-16.pth")
    made = Bundle.open(select_flow.train(*asked, tmp_path / "run", config, CPU))
    assert made.config["parts"]["encoder"]["extra_words"] == 0
    changed = differing(selva, made)
    assert "encoder.sup_text_feat" in changed
    assert any(name.startswith("encoder.synch_text_cross_blocks") for name in changed)
    assert not any(name.startswith("encoder.vfeat_extractor.blocks") for name in changed)


def test_another_autoencoder_is_refused(selva, clips, public, tmp_path):
    wrong = public / "best_netG.pt"
    with pytest.raises(ModelError, match="not the autoencoder"):
        select_flow.train(clips, None, str(selva.folder), wrong, tmp_path / "run", FLOW, CPU)
