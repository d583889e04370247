"""`--eyes` in every command that looks: what a model of the user's own says is what sounds."""

import csv
import json
from fractions import Fraction

import pytest

import foleycli
from foleycli.config import GenerateConfig
from foleycli.recipe import read_recipe
from foleycli.spot import told
from foleycli.timeline.files import write_timeline
from foleycli.timeline.model import Event, Media, Timeline, Track
from tests.films import strikes, write_film
from tests.spot.eyes import DOG, says, serve


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    told._server.cache_clear()


@pytest.fixture
def eyes():
    with serve() as served:
        yield served


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "shot.mp4", strikes([0.3, 0.9], 1.5))


def test_cues(foley, film, eyes):
    code, lines, errors = foley("cues", film, "--model", "library", "--eyes", eyes.url)
    said = {row["what"]: row for row in csv.DictReader(lines)}
    assert code == 0 and not errors  # nothing leaves this machine
    assert said["dog barking"]["evidence"].startswith("eyes see dog barking: a dog, on the left")
    assert said["dog barking"]["recording"].startswith("(")


def test_the_variable_asks_too_and_offline_is_kept(foley, film, eyes, monkeypatch):
    monkeypatch.setenv("FOLEY_EYES", eyes.url)
    monkeypatch.setenv("FOLEY_EYES_MODEL", "mine")
    assert foley("cues", film, "--model", "library", "--offline")[0] == 0
    assert eyes.requests[0]["model"] == "mine"
    monkeypatch.setenv("FOLEY_EYES", "http://eyes.example/v1")
    code, _, errors = foley("cues", film, "--model", "library", "--offline")
    assert code == 2 and "--offline keeps everything on it" in errors


def test_by_default_nobody_is_asked(foley, film, eyes):
    assert foley("cues", film, "--model", "library")[0] == 0
    assert not eyes.requests


def test_gen_keeps_what_was_said_in_the_recipe_and_redo_asks_nobody(foley, film, eyes, tmp_path):
    out = tmp_path / "a.mp4"
    words = ("gen", film, "-o", out, "--model", "library", "--eyes", eyes.url, "--json")
    code, lines, _ = foley(*words)
    made = json.loads(lines[-1])
    recipe = read_recipe(tmp_path / "a.foley.json")
    assert code == 0 and not made["warnings"]
    assert {"dog barking", "wind blowing"} <= {cue.what for cue in recipe.cues}
    eyes.reply = lambda body: (500, b"")
    _, same = foleycli.redo(tmp_path / "a.foley.json", tmp_path / "b.mp4")
    assert same and len(eyes.requests) == 1


def test_a_dead_server_costs_a_warning(foley, film, eyes, tmp_path):
    words = ("--model", "library", "--json", "-o")
    alone = json.loads(foley("gen", film, *words, tmp_path / "a.mp4")[1][-1])
    eyes.reply = lambda body: (500, b"")
    asked = ("--eyes", eyes.url)
    code, lines, errors = foley("gen", film, *words, tmp_path / "b.mp4", *asked)
    made = json.loads(lines[-1])
    assert code == 0 and "Traceback" not in errors and len(made["warnings"]) == 2
    assert made["takes"][0]["waveform_hash"] == alone["takes"][0]["waveform_hash"]


def test_batch(foley, film, eyes, tmp_path):
    words = ("--model", "library", "--eyes", eyes.url, "-o", tmp_path)
    assert foley("batch", film, *words)[0] == 0
    (recipe,) = tmp_path.glob("*.foley.json")
    assert "dog barking" in {cue.what for cue in read_recipe(recipe).cues}
    foley("batch", film, *words)
    assert len(eyes.requests) == 1  # it is done


def test_timelines_ask_about_the_shot_as_it_is_shown(foley, film, eyes, tmp_path):
    eyes.reply = lambda body: (200, says(DOG | {"place": "street"}))
    media = Media(name="shot.mp4", start=Fraction(0), duration=Fraction(3, 2), rate=Fraction(24))
    event = Event(name="shot.mp4", media=media, start=Fraction(0), duration=Fraction(1, 2),
                  source=Fraction(1, 4), speed=Fraction(2))  # fmt: skip
    track = Track(kind="picture", events=(event,), name="V1")
    write_timeline(Timeline(name="Cut", rate=Fraction(24), tracks=(track,)), tmp_path / "a.fcpxml")
    code, _, errors = foley(
        "timeline", tmp_path / "a.fcpxml", "-o", tmp_path / "b.fcpxml", "--media-root", film.parent,
        "--model", "library", "--eyes", eyes.url)  # fmt: skip
    assert code == 0, errors
    (sheet,) = (tmp_path / "b_sfx").glob("*1*.csv")
    with sheet.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"wind blowing", "city ambience"} <= {row["what"] for row in rows}
    assert len(eyes.requests) == 1 and all(row["recording"].startswith("(") for row in rows)


def test_a_model_that_finds_no_cues_is_not_asked_about(film, eyes, caplog):
    class Blind:
        says_what = False

    server = told.open_eyes(GenerateConfig(eyes=eyes.url))
    assert told.tell(Blind, None, server, lambda at: at) is Blind  # type: ignore[arg-type]
    assert "follows the picture itself" in caplog.text and not eyes.requests
