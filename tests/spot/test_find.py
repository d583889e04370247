"""Cues: in layers, where something moves, with air under all of it, and none where nobody knows."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from foleycli.sight.sightings import Sighting, Thing
from foleycli.spot.features import Features
from foleycli.spot.find import find_cues
from foleycli.spot.scene import witness_names

SECONDS = 8


def film(cuts=(), hits=(), moving=0.5, **shares: float) -> Features:
    """A film that shows the same all the time, moves evenly and is hit at some seconds."""
    classes = np.zeros((4 * SECONDS, 1000), np.float16)
    for name, share in shares.items():
        classes[:, witness_names().index(name.replace("_", " "))] = share
    struck = np.zeros(64 * SECONDS, np.float32)
    for at in hits:
        struck[round(at * 64)] = 0.9
    activity = np.full(64 * SECONDS, moving, np.float32)
    what = np.zeros((4 * SECONDS, 384), np.float32)
    return Features.assemble(what, struck, activity, Fraction(SECONDS), cuts, classes=classes)


def words(cues, layer=None):
    return {cue.what for cue in cues if layer in (None, cue.layer)}


def test_a_sure_scene_gives_its_layers_and_its_air():
    cues = find_cues(film(hits=(1, 3, 5), racket=0.6, tennis_ball=0.2, volleyball=0.1))
    assert "tennis ball hit" in words(cues, "props")
    # shoes do not squeak at the very instant of each stroke
    assert not {c.start for c in cues if c.layer == "feet"} & {1, 3, 5}
    assert words(cues, "air")
    assert [c.start for c in cues if c.what == "tennis ball hit"] == [1, 3, 5]
    assert all(cue.evidence for cue in cues)


def test_where_nobody_knows_there_is_air_and_no_knock():
    cues = find_cues(film(hits=(1, 2, 3), nematode=0.02))
    assert words(cues) == words(cues, "air") != set()


def test_every_cue_says_who_spoke_for_it():
    seen = film(hits=(1, 3), hatchet=0.4, barrel=0.2, broom=0.2)
    said = {cue.what: cue.evidence for cue in find_cues(seen)}
    assert said["chopping wood"].startswith("chopwood: hatchet .40")
    air = next(cue for cue in find_cues(seen) if cue.layer == "air")
    assert air.evidence.startswith("place yard: ") and ".40" in air.evidence
    asked = find_cues(seen, "dog barking; rain")
    assert {c.evidence for c in asked if c.layer != "air"} == {
        "asked for: dog barking", "asked for: rain"}  # fmt: skip


def test_what_a_prompt_says_twice_sounds_once():
    seen = film(hits=(1, 3), hatchet=0.4)
    once, twice = (find_cues(seen, words) for words in ("horse gallop", "pony, horse galloping"))
    assert [(c.start, c.what) for c in once] == [(c.start, c.what) for c in twice]


def test_air_is_one_bed_across_cuts_and_can_be_left_out():
    cut = film(cuts=(Fraction(2), Fraction(5)), lakeside=0.9)
    shown = find_cues(cut)
    assert [(c.start, c.end) for c in shown if c.layer == "air"] in ([], [(0, SECONDS)])
    dog = film(cuts=(Fraction(2), Fraction(5)), beagle=0.9, park_bench=0.05)
    air = [cue for cue in find_cues(dog) if cue.layer == "air"]
    assert [(cue.start, cue.end) for cue in air] == [(0, SECONDS)]
    assert not words(find_cues(dog, air=False), "air")


def test_what_stands_still_and_sounds_only_in_motion_is_not_heard():
    assert "horse gallop" not in words(find_cues(film(moving=0.0, hits=(1,), sorrel=0.9)))
    assert "horse gallop" in words(find_cues(film(hits=(1,), sorrel=0.9)))


def test_an_engine_holds_its_level_when_it_stands_still():
    (fan,) = [c for c in find_cues(film(moving=0.0, electric_fan=0.9)) if c.what == "fan"]
    assert (fan.start, fan.end, fan.layer) == (0, SECONDS, "hard")


def test_a_prompt_keeps_the_place_unless_it_names_one():
    park = film(hits=(1,), park_bench=0.9)
    assert words(find_cues(park, "door slam"), "air") == words(find_cues(park), "air")
    assert "city ambience" not in words(find_cues(park, "door slam"))
    assert words(find_cues(park, "city ambience")) == {"city ambience"}


def test_struck_things_sound_like_what_they_are_made_of():
    assert "metal hit" in words(
        find_cues(film(hits=(1, 2), shield=0.06, manhole_cover=0.2, gong=0.05, moving=0.3))
        + find_cues(film(hits=(1,), milk_can=0.3))
    )


def test_what_sounds_stands_where_its_thing_is_seen():
    left = Thing("dog", 0.9, (0.1, 0.4, 0.3, 0.8))
    right = Thing("dog", 0.9, (0.7, 0.7, 0.8, 0.8))
    looked = frozenset({"things"})
    sightings = tuple(
        Sighting(Fraction(at), things=(thing,), looked_for=looked)
        for at, thing in ((0, left), (4, right))
    )
    shown = replace(film(hits=(1, 5), beagle=0.9), sightings=sightings)
    near, far = [cue for cue in find_cues(shown) if cue.what == "dog barking"]
    assert (near.pan, far.pan) == (-0.6, 0.5)
    assert 1.5 < near.distance < 2.5 and far.distance > 3.5 * near.distance
