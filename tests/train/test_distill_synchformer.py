"""`foley train distill --encoder synchformer`: the paper's method on other eyes, filled weights."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from foleycli.clip.probe import probe
from foleycli.config import TRAINING, GenerateConfig, SynchformerDistillTraining
from foleycli.errors import MediaError, UsageError
from foleycli.generate import generate
from foleycli.models.bundle import Bundle
from foleycli.sources.selva_public import convert_selva, find_files
from foleycli.train.curves import read_curve
from foleycli.train.distill_synchformer import draw_lesson, in_order, train
from foleycli.train.run import RunOptions
from tests.films import strikes, write_film
from tests.sources.selva_files import write_public

PAPER = cast(SynchformerDistillTraining, TRAINING["distill-synchformer"]["paper"])
QUICK = replace(PAPER, updates=2, batch=1, seconds=0.7, bf16=False, validate=2, proportion=1.0)
CPU = RunOptions(device="cpu", save=3600)


@pytest.fixture(scope="module")
def selva(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selva")
    public = find_files(write_public(folder / "public"))
    return convert_selva(public, folder / "made", "# card\n", "f32")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two films to learn from, one held out by its name."""
    folder = tmp_path_factory.mktemp("films")
    for name in ("0.mp4", "1.mp4", "4.mp4"):
        write_film(folder / name, strikes([0.3, 0.7], 1.1))
    return folder


@pytest.fixture(scope="module")
def student(selva, films, tmp_path_factory):
    return train(films, str(selva.folder), tmp_path_factory.mktemp("run"), QUICK, CPU)


def test_the_preset_is_the_papers():
    assert (PAPER.rate, PAPER.batch, PAPER.epochs, PAPER.proportion) == (5e-4, 32, 25, 0.75)


def test_only_the_eyes_differ(selva, student):
    made = Bundle.open(student)
    made.verify()
    changed = set()
    for part in made.config["parts"]:
        before = selva.tensors(part)
        differ = (n for n, t in made.tensors(part).items() if not torch.equal(t, before[n]))
        changed |= {f"{part}.{name}" for name in differ}
    assert changed
    assert all(name.startswith("encoder.vfeat_extractor.") for name in changed)
    assert not any("spatial_attn_agg" in name or ".patch_embed." in name for name in changed)
    assert made.config["distilled"]["base"] == selva.fingerprint
    assert "Distilled" in (student / "README.md").read_text()


@pytest.mark.slow
def test_the_bundle_sounds_a_film(student, films, tmp_path):
    config = GenerateConfig(model=str(student), source=("rain",), steps=1, device="cpu")
    assert generate(films / "0.mp4", tmp_path / "out.mp4", config).takes


def test_held_out_films_are_measured_in_every_view(student, films):
    curve = read_curve(student.parent / "validation.csv")
    assert curve["full"][0] < curve["cu"][0]  # it is nearly its teacher yet
    assert curve["loss"][0] == pytest.approx(curve["cu"][0] + curve["cm"][0], rel=1e-4)


def test_a_student_of_the_whole_picture_has_nothing_to_learn(selva, films, tmp_path):
    config = replace(QUICK, proportion=0.0, updates=1, validate=9)
    train(films, str(selva.folder), tmp_path / "run", config, CPU)
    assert read_curve(tmp_path / "run" / "loss.csv")["loss"][0] == pytest.approx(0, abs=1e-6)


def test_a_run_that_stopped_ends_as_one_that_did_not(selva, films, student, tmp_path):
    for updates in (1, 2):
        config = replace(QUICK, updates=updates)
        path = train(films, str(selva.folder), tmp_path / "run", config, CPU)
    whole, resumed = (Bundle.open(folder).tensors("encoder") for folder in (student, path))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_every_film_is_seen_once_an_epoch(films):
    found = sorted(films.glob("*.mp4"))
    for epoch in (0, 1):
        drawn = [in_order(found, 0, 3 * epoch + n) for n in range(3)]
        assert sorted(film for _, film in drawn) == found
        assert {number for number, _ in drawn} == {epoch}


def test_views_begin_where_the_whole_does(films):
    whole, seen = draw_lesson(films / "0.mp4", "grade", 0, QUICK, np.random.default_rng(0))
    assert whole.shape == seen.shape == (1, 16, 3, 224, 224)
    assert whole.dtype == torch.uint8 and not torch.equal(whole, seen)
    assert float(probe(films / "0.mp4").duration or 0) == pytest.approx(1.1, abs=0.05)


def test_what_has_no_such_eyes_or_no_films_is_refused(selva, films, tmp_path):
    with pytest.raises(UsageError, match="has no such eyes"):
        train(films, "small", tmp_path / "run", QUICK, CPU)
    alone = tmp_path / "films"
    alone.mkdir()
    (alone / "4.mp4").write_bytes((films / "4.mp4").read_bytes())
    with pytest.raises(MediaError, match="held-out films only"):
        train(alone, str(selva.folder), tmp_path / "run", QUICK, CPU)
