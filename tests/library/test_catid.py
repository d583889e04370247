"""CatIDs of UCS for our words."""

import re

from foleycli.library.catid import catid_of, catids
from foleycli.library.words import ucs_categories
from foleycli.spot.phrases import asked_vocabulary, vocabulary


def test_every_sound_that_can_be_seen_or_asked_for_has_one_that_ucs_knows() -> None:
    ours = {phrase.words for phrase in (*vocabulary(), *asked_vocabulary())}
    assert set(catids()) == ours
    for catid in set(catids().values()):
        parts = re.fullmatch(r"([A-Z]{2,5})([A-Z][a-z]{1,6})?", catid)
        assert parts and parts[1] in ucs_categories(), catid
        assert parts[2] or catid in ("BEEP", "RAIN", "THUN", "WHSH", "WIND"), catid


def test_words_that_mean_a_sound_have_its_catid() -> None:
    assert catid_of("dog barking") == catid_of("woof") == "ANMLDog"
    assert catid_of("Wind blowing, rain") == "WIND"
    assert catid_of("something nobody knows") == ""


def test_a_recording_that_is_named_after_ucs_says_its_own() -> None:
    assert catid_of("thud", ("folder/DOORWood_Slam Hard_Anna_Home.wav#1",)) == "DOORWood"
    assert catid_of("rain", ("RAINMetl-Roof_Heavy_Anna_Home.wav",)) == "RAINMetl"
    assert catid_of("wood impact", ("WOOD_hit_hard.wav", "wood_012")) == "WOODImpt"
