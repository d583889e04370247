import numpy as np
import pytest

from foleycli.spot.cues import LAYERS
from foleycli.spot.phrases import (
    asked_vocabulary,
    phrase_of,
    phrase_vectors,
    read_shares,
    split_prompt,
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
    phrases = {phrase.words for phrase in (*vocabulary(), *asked_vocabulary())}
    assert set(known) == phrases | set(" ".join(phrases).lower().split())
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
    assert split_prompt("dog barking, waterfall (distant) and rain") == [
        "dog barking",
        "waterfall",
        "rain",
    ]
    assert split_prompt("boots on gravel; wind") == ["boots on gravel", "wind"]
    assert split_prompt("") == []
    assert split_prompt("(?)") == ["(?)"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("boy hitting tennis balls indoors", "tennis ball hit"),
        ("chopping wood with axe", "chopping wood"),
        ("people cheering", "crowd cheering"),
        ("cattle mooing", "cow mooing"),
        ("drumstick hitting a bronze rail", "bronze rail impact, wooden stick"),
        ("xylophone of ice", "bell mallet"),
        ("man playing with a zipper", "zipper"),
        ("carillon of ice", "carillon of ice"),
    ],
)
def test_words_mean_a_known_phrase_or_themselves(words, meant):
    assert phrase_of(words).words == meant
