"""A vision-language model of the user's own: what goes out, what is believed, what it costs when
its server is dead, slow, wrong or rude."""

import json
import threading
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from foleycli.clip.probe import probe
from foleycli.config import EYES, GenerateConfig
from foleycli.errors import UsageError
from foleycli.sight.remote import KEY, Address, RudeError, Server
from foleycli.spot import told
from foleycli.spot.features import Features
from foleycli.spot.find import find_cues
from foleycli.spot.told import check_answer, draw_sheet, open_eyes, question, schema, tell
from tests.films import still, strikes, write_film
from tests.spot.eyes import DOG, says, serve


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # what is here needs no proxy
    told._server.cache_clear()


@pytest.fixture
def eyes():
    with serve() as served:
        yield served


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return probe(
        write_film(tmp_path_factory.mktemp("eyes") / "secret name.mp4", strikes([1, 2.4], 3))
    )


def features(seconds=3, cuts=(), hits=(0.5, 1.0)):
    curve = np.zeros(seconds * 64, np.float32)
    curve[[round(at * 64) for at in hits]] = 0.9
    what, classes = np.zeros((4 * seconds, 384), np.float32), np.zeros((4 * seconds, 1000))
    cut = tuple(Fraction(c) for c in cuts)
    return Features.assemble(
        what, curve, curve, Fraction(seconds), cut, classes=classes.astype(np.float16)
    )


def asked(eyes, film, seen=None, **options):
    server = Server(Address.parse(eyes.url), config=replace(EYES, **options))
    return tell(seen or features(), film, server, lambda at: at), server


def test_one_sheet_of_stills_goes_out_and_a_scene_comes_back(eyes, film):
    seen, _ = asked(eyes, film)
    (request,) = eyes.requests
    assert request["model"] == "qwen2.5vl:7b"  # the one of the two that sees
    assert request["response_format"]["json_schema"]["schema"] == schema()
    assert "secret" not in json.dumps({**request, "messages": request["messages"][0]["content"][0]})
    (sheet,) = eyes.pictures()
    assert sheet.size == (2 * 320 + 6, 2 * 180 + 6)  # three stills, two a row
    assert np.asarray(sheet.convert("L"))[190:, 340:].max() < 30  # the fourth's place is empty
    cues = find_cues(seen)
    barks = [cue for cue in cues if cue.what == "dog barking"]
    assert [cue.start for cue in barks] == [Fraction(1, 2), 1]  # times are ours
    assert barks[0].layer == "voices" and 0.7 < barks[0].confidence < 0.9
    assert barks[0].evidence == "eyes see dog barking: a dog, on the left (qwen2.5vl 7b)"
    assert {cue.what for cue in cues if cue.layer == "air"} == {"outdoor ambience"}  # the yard's
    assert {cue.what for cue in cues if cue.kind == "bed"} > {"wind blowing"}


def test_each_shot_is_asked_about_and_a_long_one_in_parts(eyes, film):
    seen, _ = asked(eyes, film, features(cuts=(1,)), longest_shot=1.0)
    assert [(part.start, part.end) for part in seen.told] == [(0, 1), (1, 2), (2, 3)]
    assert len(eyes.requests) == 3


def test_answers_are_kept_by_hash(eyes, film):
    first, _ = asked(eyes, film)
    again, _ = asked(eyes, film)
    assert first.told == again.told and len(eyes.requests) == 1
    eyes.models = ["llava"]
    asked(eyes, film)
    assert len(eyes.requests) == 2  # another model is asked anew


def test_what_leaves_the_machine_is_said_before(eyes, film, caplog, monkeypatch):
    monkeypatch.delenv("http_proxy")
    said = []
    eyes.reply = lambda body: (said.append(list(caplog.messages)), (200, says(DOG)))[1]
    server = Server(replace(Address.parse(eyes.url), host="elsewhere.example"))
    tell(features(), film, server, lambda at: at)
    assert f"a sheet of stills of every shot goes to {eyes.url}/v1" in said[0][0]


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{json.dumps(DOG)}\n```",
        f"<think>{{a dog?}}</think>Here it is:\n{json.dumps(DOG)}",
        json.dumps(DOG | {"mood": "calm"}),
    ],
)
def test_talkative_models_are_understood(eyes, film, text):
    eyes.reply = lambda body: (200, says(text))
    seen, _ = asked(eyes, film)
    assert seen.told[0].sounds[0][0] == "dog barking"


def test_a_server_that_knows_no_schema_is_asked_in_words(eyes, film):
    eyes.reply = lambda body: (400, {}) if "response_format" in body else (200, says(DOG))
    seen, _ = asked(eyes, film, features(cuts=(1,)))
    assert len(seen.told) == 2 and len(eyes.requests) == 3  # it is not tried again
    assert all(name in question() for name in ("workshop", "grains", "ceramic"))


def bark(**changed):
    return DOG | {"sounds": [DOG["sounds"][0] | changed]}


WRONG = {
    "no JSON": "a dog barks in the yard",
    "a list": "[1, 2]",
    "nothing": "",
    "a place": DOG | {"place": "mars"},
    "no place": {"sounds": [], "struck": ""},
    "a number for a place": DOG | {"place": 3},
    "no list": DOG | {"sounds": "dog"},
    "a text for a sound": DOG | {"sounds": ["dog"]},
    "a layer": bark(layer="air"),
    "a way": bark(how="loud"),
    "a material": DOG | {"struck": "cheese"},
    "a file": bark(words="like:/etc/passwd"),
    "a formula": bark(words="=1+1"),
    "a novel": bark(words="dog " * 40),
    "no words": bark(words=""),
    "null": bark(seen=None),
    "depth": "[" * 100_000,
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_and_the_shot_seen_as_ever(eyes, film, caplog, answer):
    eyes.reply = lambda body: (200, says(answer))
    seen, server = asked(eyes, film)
    assert not seen.told and not server.is_gone
    assert find_cues(seen) == find_cues(features())
    assert "1 of 1 shots are seen without --eyes" in caplog.text and eyes.url in caplog.text


def test_of_several_shots_only_the_wrong_one_is_seen_as_ever(eyes, film, caplog):
    answers = iter([DOG, "nonsense", DOG])
    eyes.reply = lambda body: (200, says(next(answers)))
    seen, _ = asked(eyes, film, features(cuts=(1, 2)))
    assert [part.start for part in seen.told] == [0, 2]
    assert "1 of 3 shots" in caplog.text
    assert {cue.start for cue in find_cues(seen) if cue.what == "dog barking"} == {Fraction(1, 2)}


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"{}", b'{"choices": [{}]}'])
def test_bodies_that_are_no_completion(eyes, film, body):
    eyes.reply = lambda _: (200, body)
    assert not asked(eyes, film)[0].told


def test_errors_in_a_row_end_the_asking(eyes, film, caplog):
    eyes.reply = lambda body: (500, b"<html>oops</html>")
    seen, server = asked(eyes, film, features(cuts=("0.5", 1, "1.5", 2)))
    assert not seen.told and server.is_gone and len(eyes.requests) == EYES.failures
    assert "500" in caplog.text and "5 of 5 shots" in caplog.text
    tell(features(), film, server, lambda at: at)  # nor for the next clip
    assert len(eyes.requests) == EYES.failures


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_closed_door_is_tried_once(eyes, film, status):
    eyes.reply = lambda body: (status, {})
    assert asked(eyes, film, features(cuts=(1,)))[1].is_gone and len(eyes.requests) == 1


def test_a_server_that_hangs_costs_its_limit_once(eyes, film, caplog):
    free = threading.Event()
    eyes.reply = lambda body: (free.wait(5), (200, says(DOG)))[1]
    began = time.monotonic()
    seen, server = asked(eyes, film, features(cuts=(1,)), timeout=0.3)
    free.set()
    assert not seen.told and server.is_gone and time.monotonic() - began < 2
    assert "nothing within 0.3 s" in caplog.text or "timed out" in caplog.text


def test_a_huge_answer_is_not_read(eyes, film, caplog):
    eyes.reply = lambda body: (200, b'{"choices": "' + b"x" * 3_000_000)
    assert not asked(eyes, film)[0].told
    assert "too long" in caplog.text


def test_pictures_are_not_sent_on(eyes, film, caplog):
    with serve() as elsewhere:
        eyes.location = f"{elsewhere.url}/v1/chat/completions"
        for status in (301, 302, 303, 307, 308):
            eyes.reply = lambda body, status=status: (status, b"")
            assert asked(eyes, film)[1].is_gone
        assert not elsewhere.requests and "sends on to" in caplog.text


def test_nobody_is_there(film, caplog):
    server = Server(Address.parse("http://127.0.0.1:9"), "m")
    assert not tell(features(), film, server, lambda at: at).told
    assert server.is_gone and "cannot be reached" in caplog.text


def test_a_key_goes_along_and_is_nowhere_else(eyes, film, monkeypatch, caplog):
    monkeypatch.setenv(KEY, "sesame")
    asked(eyes, film)
    assert eyes.headers[0]["Authorization"] == "Bearer sesame"
    monkeypatch.setenv(KEY, "two\nlines")
    assert asked(eyes, film)[1].is_gone and "two" not in caplog.text


@pytest.mark.parametrize(
    ("url", "base"),
    [("localhost:1234", "http://localhost:1234/v1"),
     ("http://[::1]:8080/v1/", "http://[::1]:8080/v1"),
     ("https://a.example/api/v1/chat/completions", "https://a.example/api/v1")],
)  # fmt: skip
def test_addresses(url, base):
    assert Address.parse(url).base == base


@pytest.mark.parametrize("url", ["", "ftp://a", "http://", "http://u:p@a/v1", "http://a:x", "a b"])
def test_what_is_no_address(url):
    with pytest.raises(UsageError):
        Address.parse(url)


def test_offline_asks_this_machine_and_no_other():
    here = GenerateConfig(eyes="http://localhost:11434/v1", offline=True)
    assert open_eyes(here) is open_eyes(here) is not None
    assert open_eyes(GenerateConfig()) is None
    for url in ("http://192.168.1.2:1234", "https://a.example", "http://localhost.a.example"):
        with pytest.raises(UsageError, match="offline"):
            open_eyes(GenerateConfig(eyes=url, offline=True))


def test_words_that_nobody_knows_are_sought_as_they_were_told(eyes, film):
    sound = {"words": "zither strum", "layer": "props", "how": "hit", "seen": ""}
    eyes.reply = lambda body: (200, says(DOG | {"sounds": [sound]}))
    cues = [cue for cue in find_cues(asked(eyes, film)[0]) if cue.layer != "air"]
    assert {(cue.what, cue.layer, cue.kind) for cue in cues} == {("zither strum", "props", "hit")}


def test_what_is_struck_is_heard_where_no_other_hit_is(eyes, film):
    eyes.reply = lambda body: (200, says({"place": "kitchen", "sounds": [], "struck": "ceramic"}))
    cues = find_cues(asked(eyes, film)[0])
    assert {cue.what for cue in cues} == {"ceramic hit", "room tone"}


def test_nothing_told_is_air(eyes, film):
    eyes.reply = lambda body: (200, says({"place": "river", "sounds": [], "struck": ""}))
    assert {cue.what for cue in find_cues(asked(eyes, film)[0])} == {"river flowing"}


def test_a_prompt_still_says_what_sounds(eyes, film):
    cues = find_cues(asked(eyes, film)[0], "cat meowing")
    assert {cue.what for cue in cues} == {"cat meowing", "outdoor ambience"}


def test_at_most_six_sounds():
    many = check_answer(DOG | {"sounds": DOG["sounds"] * 5})
    assert len(many["sounds"]) == EYES.sounds
    with pytest.raises(RudeError):
        check_answer(None)


def test_sheets_are_the_same_bytes_every_time():
    stills = [np.full((90, 160, 3), 20 * n, np.uint8) for n in range(9)]
    assert draw_sheet(stills) == draw_sheet(stills)


def test_the_film_is_shown_from_where_the_span_begins(eyes, tmp_path):
    frames = [*still(1, level=20), *still(1, level=220)]
    film = probe(write_film(tmp_path / "a.mp4", frames))
    server = Server(Address.parse(eyes.url))
    tell(features(1, hits=()), film, server, lambda at: 1 + at)
    assert np.asarray(eyes.pictures()[0]).mean() > 180
