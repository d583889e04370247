"""The effects' words against what is seen: heard in pieces, compared by second, told in words."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from foleycli.config import HIGHLIGHT
from foleycli.highlight.highlight import HighlightRequest, highlight
from foleycli.highlight.rule import Seen, balance, second_edges
from foleycli.highlight.words import WordsReader, named_vector, seen_words
from foleycli.listeners.ear import ear
from tests.films import strikes, write_film
from tests.highlight.sounds import noise, voice, write_wav
from tests.highlight.test_rule import SECONDS, levels


def test_what_is_heard_in_blocks_is_what_is_heard_at_once():
    chance = np.random.RandomState(0)
    sound = (0.1 * chance.standard_normal(50_000) * np.linspace(0, 1, 50_000)).astype(np.float32)
    sound[15_000:39_000] = 0
    reader = WordsReader(16_000)
    for part in np.split(sound[:, None], [1, 700, 20_000, 20_100]):
        reader.add(part)
    found, (_, whole) = reader.vectors(), ear()(sound)
    assert len(found) == len(whole)
    assert found[0] == pytest.approx(whole[0], abs=1e-4)
    assert not found[[2, 3]].any() and found[5].any()  # nothing is heard in silence


def test_seconds_are_set_against_what_is_seen_in_them():
    dog, rain = named_vector("dog barking"), named_vector("rain")
    seen = np.stack([dog, dog, rain])
    edges = second_edges(3)
    named = seen_words(dog[None], seen, edges)
    assert named[0] == named[1] == 1 > named[2]
    heard = np.stack([dog, dog, dog, dog, rain, rain, rain, rain, rain])  # one each 0.48 s
    found = seen_words(heard, dog[None].repeat(4, axis=0), second_edges(4))
    assert found[0] == found[1] == 1 and found[3] == pytest.approx(named[2], abs=1e-5)
    assert seen_words(0 * heard, seen, edges).tolist() == [0, 0, 0]


def test_the_term_is_a_column_with_its_reason():
    heard = levels(speech=(0, 0), effects=-30, music=-30)
    words = np.linspace(-1, 1, SECONDS)
    led = replace(HIGHLIGHT, words_db=2.0)
    spans = balance(heard, second_edges(SECONDS), led, Seen(words=words))
    assert [s.terms["effects words"] for s in spans] == pytest.approx(2 * words)
    assert "not seen" in spans[0].reason and "their words are seen" in spans[-1].reason
    assert spans[-1].gains_db["effects"] - spans[0].gains_db["effects"] == pytest.approx(4, abs=0.1)
    plain = balance(heard, second_edges(SECONDS), HIGHLIGHT, Seen(words=words))
    assert "effects words" not in plain[0].terms


def test_named_effects_are_looked_for_in_the_clip(tmp_path):
    film = write_film(tmp_path / "film.mp4", strikes([1], 2))
    sounds = {
        "dialogue": [write_wav(tmp_path / "dx.wav", voice(2, [(0.2, 1)]))],
        "effects": [write_wav(tmp_path / "fx.wav", noise(2, 0.05))],
    }
    table, request = tmp_path / "gains.csv", HighlightRequest(gains=tmp_path / "gains.csv")
    config = replace(HIGHLIGHT, words_db=3.0, named="dog barking")
    made = highlight(film, tmp_path / "a.wav", sounds, config, request)
    with table.open() as file:
        column = [float(row["effects words"]) for row in csv.DictReader(file)]
    assert column == pytest.approx([s.terms["effects words"] for s in made.spans], abs=0.005)
    assert all(abs(value) <= 3 for value in column)
