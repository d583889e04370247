"""Students of the shipped encoder: they begin as their teacher, and only what may learn learns."""

import json
import shutil
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from foleycli.clip.probe import probe
from foleycli.config import (
    TRAINING,
    SeenDistillTraining,
    WhatDistillTraining,
    WhenDistillTraining,
    WhenTraining,
)
from foleycli.errors import MediaError, ModelError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.sight.efficientnet import EfficientNetLite
from foleycli.sight.when_net import load_net
from foleycli.spot.encode import Encoder, encode_video, shot_numbers, teacher_file
from foleycli.spot.seen import SEEN, SeenHead
from foleycli.train import distill_seen, distill_what, distill_when
from foleycli.train.curves import read_curve
from foleycli.train.distill import distillation_loss, kind_of
from foleycli.train.glances import glance_all
from foleycli.train.run import RunOptions
from foleycli.train.views import DURATION, VIEWS, load_views, render_views
from foleycli.train.when import train as train_when
from tests.films import strikes, write_film

WHAT = replace(
    cast(WhatDistillTraining, TRAINING["distill-what"]["small"]), updates=2, batch=4, views=1
)
WHEN = replace(
    cast(WhenDistillTraining, TRAINING["distill-when"]["small"]), updates=2, batch=2, shards=2
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Noise with large shapes: three photographs to learn from, one held out."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    names = [f"{n}.jpg" for n in range(40)]
    held = next(name for name in names if distill_what.is_held_out(name))
    for name in [held, *[n for n in names if not distill_what.is_held_out(n)][:3]]:
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
        small.resize((320, 240), Image.Resampling.BICUBIC).save(folder / name)
    return folder


def test_loss_is_the_papers():
    row = torch.tensor([[3.0, 4.0]])
    assert distillation_loss(row, row) == 0
    assert distillation_loss(2 * row, row) == pytest.approx((9 + 16) / 2)  # the same direction
    assert distillation_loss(torch.tensor([[-4.0, 3.0]]), row) == pytest.approx(1 + (49 + 1) / 2)


def test_a_share_of_k_is_varied():
    rng = np.random.default_rng(0)
    drawn = [kind_of(replace(WHAT, variation="both", proportion=0.75), rng) for _ in range(2000)]
    shares = [drawn.count(kind) / 2000 for kind in ("full", "cu", "cm")]
    assert shares == pytest.approx([0.25, 0.375, 0.375], abs=0.03)
    every = {kind_of(replace(WHAT, variation="all", proportion=1.0), rng) for _ in range(200)}
    assert every == {"cu", "cm", "zoom", "transition", "grade"}
    with pytest.raises(UsageError, match="no variation 'blink'"):
        kind_of(replace(WHAT, variation="blink"), rng)


@pytest.fixture(scope="module")
def what(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("what")
    return distill_what.train(photos, out / "kept", out / "run", WHAT, RunOptions())


def test_last_blocks_learn_and_the_others_stay_the_teachers(what):
    teacher, student = EfficientNetLite.from_pretrained(), EfficientNetLite.from_file(what)
    pairs = zip(teacher.named_parameters(), student.parameters(), strict=True)
    moved = {
        name for (name, before), after in pairs if not torch.equal(before.half(), after.half())
    }
    assert moved
    assert all(name.startswith(("head.", f"blocks.{WHAT.frozen}.")) for name in moved)
    with safe_open(what, "pt") as file:
        assert json.loads(file.metadata()["trained"])["proportion"] == 0.75


def test_what_is_measured_on_photographs_that_were_not_learned_from(what):
    head, *lines = (what.parent / "validation.csv").read_text().splitlines()
    values = dict(zip(head.split(","), map(float, lines[-1].split(",")), strict=True))
    assert values["what_full"] > 0.99  # two updates from the teacher
    assert values["what_cu"] < values["what_full"]


def test_views_of_other_settings_are_refused(photos, what):
    other = replace(WHAT, frozen=14)
    with pytest.raises(UsageError, match="other settings"):
        distill_what.read_views(
            photos, what.parent.parent / "kept" / "learned.safetensors", other, False
        )


@pytest.fixture(scope="module")
def scenes(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    for shard in range(WHEN.shards):
        render_views(photos, folder / f"views{shard:04d}.npz", 0, shard, scenes=3)
    return folder


def test_a_scene_is_the_same_in_every_view(scenes):
    scene = next(load_views(scenes / "views0001.npz"))
    times = [track.times for track in scene.views.values()]
    assert len(scene.views) == 3
    assert all(time[-1] == pytest.approx(times[0][-1], abs=0.2) for time in times)
    assert (scene.hits[:, 0] < DURATION).all()
    assert not np.array_equal(scene.views["full"].levels, scene.views["cu"].levels)


@pytest.fixture(scope="module")
def when(photos, scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("when")
    return distill_when.train(photos, scenes, out, WHEN, RunOptions())


def test_the_reader_learns_from_its_teacher(when, photos, scenes, tmp_path):
    teacher, student = load_net(teacher_file()).arrays, load_net(when).arrays
    assert teacher.keys() == student.keys()
    assert any(not np.array_equal(teacher[name], student[name]) for name in teacher)
    config = replace(WHEN, proportion=0.0, updates=1)
    distill_when.train(photos, scenes, tmp_path, config, RunOptions())
    loss = float((tmp_path / "loss.csv").read_text().splitlines()[1].split(",")[1])
    assert loss < 0.05  # it is the teacher; but half of the batches are mirrored


def test_the_reader_learns_from_scenes_in_every_view(photos, scenes, tmp_path):
    preset = cast(WhenTraining, TRAINING["when"]["small"])
    config = replace(preset, updates=3, batch=2, shards=2, validate=3)
    path = train_when(photos, scenes, tmp_path, config, RunOptions())
    assert load_net(path).arrays.keys() == load_net(teacher_file()).arrays.keys()
    head, line = (tmp_path / "validation.csv").read_text().splitlines()
    assert set(VIEWS) < set(head.split(","))
    assert all(0 <= float(value) <= 1 for value in line.split(",")[-3:])


def test_an_encoder_is_opened_by_its_folder(what, when, tmp_path):
    for file in (what, when):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    frames = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    seen = [Encoder.open(name).seer.look(frames) for name in ("teacher", str(tmp_path))]
    assert not np.array_equal(seen[0], seen[1])
    with pytest.raises(ModelError, match="student, teacher"):
        Encoder.open(str(tmp_path / "nothing"))


def test_a_folder_names_the_networks_that_see_and_their_shares_are_averaged(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    seen = []
    for versions in ([0], [2], [0, 2]):
        (tmp_path / "encoder.json").write_text(json.dumps({"versions": versions}))
        seen.append(Encoder.open(str(tmp_path)).seer.classify(frames))
    assert np.allclose(seen[2], (seen[0] + seen[1]) / 2, atol=1e-6)
    assert not np.allclose(seen[0], seen[1], atol=1e-3)
    (tmp_path / "encoder.json").write_text("{")
    with pytest.raises(ModelError, match=r"encoder\.json cannot be read"):
        Encoder.open(str(tmp_path))


def test_scenes_of_another_seed_or_other_photographs_are_refused(photos, scenes, when, tmp_path):
    with pytest.raises(UsageError, match="seed 0"):
        distill_when.train(photos, scenes, tmp_path / "a", WHEN, RunOptions(seed=1))
    other = tmp_path / "photos"
    other.mkdir()
    with pytest.raises(UsageError, match="no photograph"):
        distill_when.train(other, scenes, tmp_path / "a", WHEN, RunOptions())
    one = next(photos.glob("*.jpg"))
    (other / one.name).write_bytes(one.read_bytes())
    with pytest.raises(UsageError, match="photos '4 "):
        distill_when.train(other, scenes, tmp_path / "a", WHEN, RunOptions())


def test_a_damaged_file_of_scenes_is_named(photos, scenes, tmp_path):
    kept = shutil.copytree(scenes, tmp_path / "kept")
    torn = kept / "views0001.npz"
    torn.write_bytes(torn.read_bytes()[:999])
    with pytest.raises(MediaError, match=r"views0001\.npz is damaged"):
        distill_when.train(photos, kept, tmp_path / "a", WHEN, RunOptions())


def test_an_unknown_variation_is_refused_before_anything_is_drawn(photos, tmp_path):
    for recipe, config in ((distill_what, WHAT), (distill_when, WHEN)):
        with pytest.raises(UsageError, match="cu or cm or both"):
            recipe.train(
                photos, tmp_path / "kept", tmp_path, replace(config, variation="zoom"), RunOptions()
            )
    assert not (tmp_path / "kept").exists()


SEEN_TRAINING = replace(
    cast(SeenDistillTraining, TRAINING["distill-seen"]["small"]),
    updates=4, batch=4, windows=1, size=4, warm_up=1, validate=4, held=("theirs",),
)  # fmt: skip


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two films of ours, one of theirs, which is held out."""
    folder = tmp_path_factory.mktemp("films")
    for n in range(3):
        write_film(folder / f"{n}.mp4", strikes([0.5 + 0.3 * n, 1.2], 2))
    sources = "".join(f"{n}.mp4,{'theirs' if n == 2 else 'ours'}\n" for n in range(3))
    (folder / "video.csv").write_text("file,source\n" + sources)
    return folder


@pytest.fixture(scope="module")
def seen(films, photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("seen")
    options = RunOptions(device="cpu")
    return distill_seen.train(films, [photos], out / "kept", out / "run", SEEN_TRAINING, options)


def test_a_head_learns_from_films_and_photographs_and_is_measured_on_others(seen):
    curve = read_curve(seen.parent / "validation.csv")
    wanted = {f"{what}_{kind}_kl" for what in ("film", "photo") for kind in ("full", "cu", "cm")}
    assert wanted <= set(curve)
    assert curve["photo_cu_won"].size == 1
    with safe_open(seen, "np") as file:
        facts = json.loads(file.metadata()["trained"])
    assert (facts["films"], facts["photographs"], facts["versions"]) == (2, 3, [0, 2])


def test_what_was_glanced_at_is_not_looked_at_again(seen, films, monkeypatch):
    monkeypatch.setattr("foleycli.train.glances.film_views", None)
    found = glance_all([films], seen.parent.parent / "kept" / "films", 1)
    assert [item.source for item in found] == ["ours", "ours", "theirs"]
    whole, close = found[0].whole, found[0].windows["cu"][0]
    assert whole.seen.shape == close.seen.shape == (4, 2, 1280)  # two rows a second
    assert whole.track is not None
    with pytest.raises(UsageError, match="other settings"):
        glance_all([films], seen.parent.parent / "kept" / "films", 2)


def test_a_head_that_learned_nothing_sees_as_the_networks(films, photos, seen, tmp_path):
    config = replace(SEEN_TRAINING, updates=0)
    kept = seen.parent.parent / "kept"
    path = distill_seen.train(films, [photos], kept, tmp_path / "run", config, RunOptions())
    head, rng = SeenHead.open(path), np.random.default_rng(0)
    shares = rng.dirichlet(np.full(1000, 0.01), 6).astype(np.float32)
    inner = head.inner(rng.standard_normal((6, 2, 1280)))
    np.testing.assert_allclose(head.settle(shares, inner, np.arange(6) // 3), shares, atol=2e-3)


def test_the_head_that_runs_is_the_one_that_learned(films, photos, seen, tmp_path):
    """In numpy and in torch, over shots of different length."""
    from foleycli.train.distill_seen import Heads, SeenNet, save_head

    rng = np.random.default_rng(1)
    torch.manual_seed(0)
    net = SeenNet(2, 4).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
        net.spread.fill_(2.0)
    heads = Heads.of(
        [(rng.standard_normal((1000, 1280)).astype(np.float32) / 40, np.zeros(1000, np.float32))]
        * 2
    )
    save_head(tmp_path / SEEN, net, heads, {})
    rows = torch.from_numpy(rng.standard_normal((5, 2560)).astype(np.float32))
    shares = heads.shares(rows)
    shots = np.array([0, 0, 1, 1, 1])
    head = SeenHead.open(tmp_path / SEEN)
    said = head.settle(shares.numpy(), head.inner(rows.numpy().reshape(5, 2, 1280)), shots)
    for shot in (0, 1):
        at = torch.from_numpy(np.flatnonzero(shots == shot))
        known = torch.ones(1, len(at), dtype=torch.bool)
        told = net(rows[at][None], shares[at][None], known, net.told(heads.weights))[0].exp()
        np.testing.assert_allclose(said[shots == shot], told.detach(), atol=1e-4)


def test_an_encoder_with_a_head_sees_films_with_it(seen, films):
    encoder = Encoder.open(str(seen.parent))
    assert encoder.head is not None
    clip = probe(films / "0.mp4")
    told = encode_video(decode_pictures(clip), encoder, watch=False)
    plain = encode_video(decode_pictures(clip), replace(encoder, head=None), watch=False)
    assert told.classes is not None and plain.classes is not None
    shots = shot_numbers(plain.cuts, len(plain.classes))
    assert told.classes.shape == plain.classes.shape == (len(shots), 1000)
    np.testing.assert_allclose(told.classes.sum(axis=1), 1, atol=0.02)
    assert np.abs(told.classes - plain.classes).max() > 0
    np.testing.assert_array_equal(told.hits, plain.hits)


def test_a_damaged_head_is_named(tmp_path):
    (tmp_path / SEEN).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"seen\.safetensors cannot be read"):
        Encoder.open(str(tmp_path))
