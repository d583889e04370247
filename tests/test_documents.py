"""Numbers and JSON of documents, folders of the cache, and recipes that others wrote."""

import json
import os
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest

from foleycli.documents import exact_number, parse_json, whole_number
from foleycli.errors import FoleyError, MediaError, ModelError
from foleycli.evaluate import kept
from foleycli.folders import folder_size
from foleycli.models.bundle import Bundle
from foleycli.recipe import read_recipe, recipe_path, write_recipe
from foleycli.sources.small import SHIPPED, SmallModel
from tests.films import strikes, write_film
from tests.odd_documents import RECIPE
from tests.timeline.clicks import Clicks


@pytest.mark.parametrize("text", ["1001/24000", " 5 ", "-2.5", ".5", "5.", "+4", "0"])
def test_numbers_are_exact(text) -> None:
    assert exact_number(text) == Fraction(text.strip())


@pytest.mark.parametrize(
    "text",
    ["1e999999999", "1E5", "", "nan", "inf", "9" * 31, "9" * 13, "1_0", "0x1", "1/2/3", "1.5/2"],
)
def test_numbers_that_cannot_be_are_refused(text) -> None:
    with pytest.raises(ValueError, match=r"number|larger"):
        exact_number(text)


def test_whole_numbers_are_whole() -> None:
    assert whole_number("48.0") == 48
    with pytest.raises(ValueError, match="whole"):
        whole_number("48.5")


def test_json_that_nests_without_end_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000)


@pytest.mark.parametrize(
    "change",
    [
        {"out": "../a.mp4"},
        {"out": 5},
        {"clip": ""},
        {"clip_hash": None},
        {"cues": [{"start": "1e999999999", "duration": "1", "kind": "hit", "what": "a"}]},
        {"cues": [{"start": "1", "duration": "1", "kind": "hit", "what": "a", "level_db": "x"}]},
        {"cues": [{"start": "1", "duration": "1", "kind": "boom", "what": "a"}]},
        {"cues": 5},
        {"config": {"takes": 10**400}},
        {"config": []},
    ],
)
def test_a_recipe_of_anyone_is_believed_as_far_as_it_can_be_true(tmp_path, change) -> None:
    path = tmp_path / "a.foley.json"
    write_recipe(path, RECIPE)
    assert read_recipe(path) == RECIPE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MediaError, match="not a recipe"):
        read_recipe(path)


def test_a_disk_that_fills_up_before_the_recipe_leaves_no_video(tmp_path, monkeypatch) -> None:
    film = write_film(tmp_path / "a.mp4", strikes([0.2], 0.5))
    out = tmp_path / "out" / "a_sfx.mp4"
    out.parent.mkdir()
    make = import_module("foleycli.generate")  # the package's name is the function
    real = make._keep_wavs

    def full(*_args):
        raise FoleyError("The disk is full.", "Free some space.")

    monkeypatch.setattr("foleycli.recipe.json.dumps", lambda *_a, **_o: full())
    with pytest.raises(FoleyError, match="full"):
        make.generate(film, out, source=Clicks())
    assert list(out.parent.iterdir()) == []
    monkeypatch.undo()

    def fills_up(*asked):
        monkeypatch.setattr(make.shutil, "copyfile", full)
        return real(*asked)

    monkeypatch.setattr(make, "_keep_wavs", fills_up)
    with pytest.raises(FoleyError, match="full"):
        make.generate(film, out, source=Clicks(), wav=True)
    assert list(out.parent.iterdir()) == []
    monkeypatch.undo()
    assert make.generate(film, out, source=Clicks()).takes[0].out == out
    assert recipe_path(out).is_file()


@pytest.fixture
def small(tmp_path):
    for file in SHIPPED.iterdir():
        if file.suffix == ".json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
        elif file.suffix == ".safetensors":
            (tmp_path / file.name).symlink_to(file)
    return tmp_path


@pytest.mark.parametrize("name", ["denoiser", "autoencoder"])
def test_weights_that_are_pointers_or_cut_off_are_named(small, name) -> None:
    path = small / f"{name}.safetensors"
    data = path.read_bytes()
    for wrong, says in (
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs"),
        (data[:4096], name),
        (data[:5], name),
        (b"", name),
        ((2**62).to_bytes(8, "little"), name),
    ):
        path.unlink()
        path.write_bytes(wrong)
        with pytest.raises(ModelError, match=says):
            SmallModel.load(small)


@pytest.mark.parametrize(
    "config",
    ["[" * 100_000, "[]", "{}", '{"denoiser": 5}', '{"denoiser": {"depth": 100000000}}', "\\"],
)
def test_a_config_that_describes_no_model_is_refused(small, config) -> None:
    (small / "config.json").write_text(config)
    with pytest.raises(ModelError):
        SmallModel.load(small)
    (small / "SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n")
    (small / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError):
        Bundle.open(small).tensors("a")


def test_features_are_kept_within_a_limit(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path))
    monkeypatch.setenv("FOLEY_CACHE_LIMIT", str(50_000 / 1024**3))
    monkeypatch.setattr(kept, "LOOKED", 1)

    def array() -> dict:
        return {"a": np.zeros(2500, np.float32)}

    for number in range(8):
        kept.kept("test", f"{number}{'0' * 8}", array)
        os.utime(kept.kept_path("test", f"{number}{'0' * 8}"), (number, number))
        kept.kept("test", f"0{'0' * 8}", lambda: pytest.fail("it is used all the time"))
    assert 30_000 < folder_size(tmp_path / "evaluate") <= 50_000
    assert not kept.kept_path("test", f"1{'0' * 8}").exists()
    assert kept.kept_path("test", f"0{'0' * 8}").exists()


def test_features_are_made_where_nothing_can_be_kept(tmp_path, monkeypatch, caplog) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "file"))
    assert kept.kept("test", "0" * 9, lambda: {"a": np.ones(3)})["a"].sum() == 3
    assert "FOLEY_CACHE" in caplog.text
