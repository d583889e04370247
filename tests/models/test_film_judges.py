"""Films are judged as published: distance to true films, inception score, likeness to words."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from foleycli.config import ClipTextConfig
from foleycli.errors import ModelError, UsageError
from foleycli.evaluate import clipsim, fvd, video_inception
from foleycli.evaluate.filmed import FILM_MEASURES, judge_films
from foleycli.evaluate.material import Film
from foleycli.listeners import pulled
from foleycli.models.filled import filled
from foleycli.models.registry import ModelFile, find_model
from foleycli.sight.c3d import C3d
from foleycli.sight.clip import ClipVision
from foleycli.sight.i3d import I3d
from foleycli.sources.pull import pull
from tests.films import strikes, write_film

NARROW = 16


def film_of(path: Path, seconds: float, level: int = 90) -> Path:
    frames = (np.full((48, 64, 3), level + n, np.uint8) for n in range(round(12 * seconds)))
    return write_film(path, frames, rate=12)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Three films of 1.4 to 3 s, in which something strikes."""
    folder = tmp_path / "films"
    folder.mkdir()
    for number, seconds in enumerate((1.4, 3.0, 1.4)):
        times = [0.3 + 0.2 * number, 0.9]
        write_film(folder / f"{number}.mp4", strikes(times, seconds, 12), 12)
    return folder


def as_chainer(net: C3d) -> dict[str, bytes]:
    """The two files that TGANv2's page has."""
    state = filled(net.state_dict())
    mean = 100 + state.pop("mean")
    leaves = {"weight": "W", "bias": "b"}
    named = {
        "/".join([(parts := name.split("."))[0], leaves[parts[1]]]): tensor.numpy()
        for name, tensor in state.items()
    }
    made = {}
    for name, arrays in (("net.npz", named), ("mean.npz", {"mean": mean.numpy().astype(float)})):
        file = io.BytesIO()
        np.savez(file, **arrays)
        made[name] = file.getvalue()
    return made


def publish(hub, tmp_path: Path, name: str, files: dict[str, bytes]):
    """A model whose files lie on a page."""
    downloads = []
    for file, content in files.items():
        hub.files[f"pages/weights/{file}"] = content
        url = f"{hub.endpoint}/pages/weights/resolve/v1/{file}"
        downloads.append(ModelFile(file, url=url))
    return replace(
        find_model(name), folder=tmp_path / name, downloads=tuple(downloads), page="a page"
    )


def saved(tensors: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def test_windows_lie_side_by_side_and_a_short_film_stands_still(tmp_path: Path) -> None:
    for seconds, count in ((0.5, 1), (16 / 12, 1), (2.0, 1), (3.0, 2), (4.0, 3)):
        windows = list(fvd.windows(Film(film_of(tmp_path / f"{seconds}.mkv", seconds))))
        assert [window.shape for window in windows] == [(16, 224, 224, 3)] * count
        if seconds == 0.5:
            assert np.array_equal(windows[0][5], windows[0][15])
            assert not np.array_equal(windows[0][0], windows[0][5])


def test_pulled_i3d_holds_true_films_to_be_near_themselves(hub, tmp_path, films, monkeypatch):
    net = I3d(NARROW)
    model = publish(hub, tmp_path, "eval-i3d", {"net.pt": saved(filled(net.state_dict()))})
    pull(model)
    monkeypatch.setattr(pulled, "find_model", lambda name: model)
    judge = fvd.I3dJudge(NARROW)
    monkeypatch.setattr(fvd, "open_judge", lambda: judge)
    paths = sorted(films.glob("*.mp4"))
    assert judge.rows(Film(paths[1])).shape == (2, 400)
    same = judge_films(paths, ["fvd_i3d"], films)["fvd_i3d"]
    still = [film_of(tmp_path / f"still{n}.mp4", 1.4, 60 + 40 * n) for n in range(3)]
    other = judge_films(still, ["fvd_i3d"], films)["fvd_i3d"]
    assert same == pytest.approx(0, abs=1e-9)
    assert other > 1e-6  # such weights tell little apart
    with pytest.raises(UsageError, match="two windows"):
        judge_films(paths[:1], ["fvd_i3d"], films)
    with pytest.raises(UsageError, match="--true"):
        judge_films(paths, ["fvd_i3d"])


def test_pulled_c3d_scores_films(hub, tmp_path, films, monkeypatch):
    model = publish(hub, tmp_path, "eval-c3d", as_chainer(C3d(NARROW)))
    pull(model)
    monkeypatch.setattr(pulled, "find_model", lambda name: model)
    judge = video_inception.C3dJudge(NARROW)
    monkeypatch.setattr(video_inception, "open_judge", lambda: judge)
    assert float(judge._net.mean.mean()) == pytest.approx(100, abs=1)
    paths = sorted(films.glob("*.mp4"))
    assert judge.logits(Film(paths[1])).shape == (2, 101)
    assert judge_films(paths[:1], ["is_c3d"])["is_c3d"] == pytest.approx(1)  # one window, one class
    assert 1 < judge_films(paths, ["is_c3d"])["is_c3d"] < 101


def test_pulled_clip_compares_pictures_with_words(hub, tmp_path, films, monkeypatch):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 1}
    config = transformers.CLIPConfig(
        text_config={**sizes, "num_attention_heads": 4, "vocab_size": 49408, "eos_token_id": 49407},
        vision_config={**sizes, "num_attention_heads": 2, "image_size": 224, "patch_size": 32},
        projection_dim=24,
    )
    weights = filled(transformers.CLIPModel(config).state_dict())
    model = replace(
        publish(hub, tmp_path, "eval-clip", {"net.bin": saved(weights)}), hub=None, revision=None
    )
    pull(model)
    monkeypatch.setattr(pulled, "find_model", lambda name: model)
    visual = ClipVision(32, 2, 1, row=24)
    judge = clipsim.ClipJudge(visual, ClipTextConfig(size=32, heads=4, blocks=1))
    monkeypatch.setattr(clipsim, "open_judge", lambda: judge)
    film = Film(sorted(films.glob("*.mp4"))[0])
    rows = judge.see(film)
    assert rows.shape == (17, 24)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(17), abs=1e-5)
    score = judge_films([film.path], ["clipsim"], words="a drum")["clipsim"]
    assert score == pytest.approx(float((rows @ judge.read("a drum")).mean()), abs=1e-6)
    assert score != judge_films([film.path], ["clipsim"], words="a dog barks")["clipsim"]
    with pytest.raises(UsageError, match="words"):
        judge_films([film.path], ["clipsim"])


def test_what_is_missing_or_unknown_is_named(films, monkeypatch, tmp_path):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "nothing"))
    paths = sorted(films.glob("*.mp4"))
    for measure in FILM_MEASURES:
        model = find_model(measure.needs)
        assert model.card.startswith(f"# {model.name}")
        assert not model.non_commercial  # a listener makes no sound; its card says for what it is
    with pytest.raises(UsageError, match="fvd_i3d, is_c3d, clipsim"):
        judge_films(paths, ["fid"])
    if not find_model("eval-c3d").installed:
        with pytest.raises(ModelError, match="eval-c3d"):
            judge_films(paths, ["is_c3d"])
