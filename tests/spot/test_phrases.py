import numpy as np
import pytest

from foleycli.spot.cues import LAYERS
from foleycli.spot.phrases import (
    parse_prompt,
    phrase_of,
    phrase_vectors,
    read_shares,
    vocabulary,
)
from foleycli.spot.text import compute_vector, known_vectors


def test_phrases_are_different_and_complete():
    words = [phrase.words for phrase in vocabulary()]
    assert len(set(words)) == len(words) < 384
    assert {phrase.kind for phrase in vocabulary()} == {"hit", "bed"}
    assert {phrase.layer for phrase in vocabulary()} == set(LAYERS)
    assert {phrase.how for phrase in vocabulary()} == {"hit", "run", "grains", "bed", "hold"}
    assert all(phrase.gap > 0 for phrase in vocabulary() if phrase.kind == "hit")


def test_shipped_vectors_are_those_of_the_words():
    """Otherwise: python -m foleycli.spot.phrases"""
    known = known_vectors()
    assert set(known) == {phrase.words for phrase in vocabulary()}
    for words, vector in known.items():
        # Eight-bit arithmetic rounds a little otherwise from one kind of processor to the next.
        np.testing.assert_allclose(vector, compute_vector(words), atol=0.02)


def test_shares_come_back_from_a_row_and_from_a_mean_of_rows():
    shares = np.zeros((2, len(vocabulary())), np.float32)
    shares[0, 30], shares[1, 30], shares[1, 80] = 0.8, 0.2, 0.6
    rows = shares @ phrase_vectors()
    assert read_shares(rows) == pytest.approx(shares, abs=0.05)
    assert read_shares(rows.mean(axis=0)) == pytest.approx(shares.mean(axis=0), abs=0.05)


def test_a_phrase_takes_kind_from_its_nearest():
    assert phrase_of("a big dog barks").kind == "hit"
    assert phrase_of("heavy rain").kind == "bed"
    assert phrase_of("dog barking").words == "dog barking"


def test_prompts_are_parted_and_remarks_left_out():
    words = [phrase.words for phrase in parse_prompt("dog barking, waterfall (distant) and rain")]
    assert words[0] == "dog barking"
    assert len(words) == 3
    assert not any("distant" in word for word in words)
    assert parse_prompt("") == []
    assert parse_prompt("(?)")[0].words == "(?)"


def test_struck_things_sound_with_the_striker():
    assert parse_prompt("drumstick hitting a metal rail")[0].words == (
        "metal rail impact, wooden stick"
    )
    assert parse_prompt("people cheering")[0].words == "people cheering, crowd cheering"
