"""The table of witnesses is whole, and what it says adds up."""

from fractions import Fraction

import numpy as np
import pytest

from foleycli.sight.sightings import Sighting, Thing
from foleycli.spot.scene import (
    all_places,
    all_scenes,
    asked_lines,
    gather_evidence,
    materials,
    scene_witnesses,
    witness_names,
)

# scenes that only pulled eyes, which read words, can see
WITHOUT_A_WITNESS = set(
    "dinosaur carrain blender bowling walkleaves storm_snow balloon dice iceground walkwater "
    "fireworks factory thunder windmill helicopter".split()
)


def seen(**shares: float) -> np.ndarray:
    """One row of class probabilities; names with _ for a blank."""
    row = np.zeros((1, 1000), np.float32)
    for name, share in shares.items():
        row[0, witness_names().index(name.replace("_", " "))] = share
    return row


def likeliest(evidence) -> str:
    return all_scenes()[int(evidence.scenes[0].argmax())].name


def test_classes_are_named_in_imagenet_order_and_then_the_things_of_coco():
    names = witness_names()
    assert len(names) == 1080
    expected = {0: "tench", 7: "cock", 207: "golden retriever", 340: "zebra", 999: "toilet tissue"}
    assert {i: names[i] for i in expected} == expected
    assert names[1000] == "person" and names[-1] == "toothbrush"


def test_scenes_and_places_are_different_and_known():
    names = [scene.name for scene in all_scenes()]
    places = {place.name for place in all_places()}
    assert len(set(names)) == len(names) and len(places) == len(all_places())
    assert {place.air.phrase.layer for place in all_places()} <= {"air", "hard", "voices"}
    assert {"wood", "metal", "stone"} <= set(materials())


def test_every_scene_has_a_witness():
    spoken = scene_witnesses().weights.max(axis=0)
    unseen = {scene.name for scene, weight in zip(all_scenes(), spoken, strict=True) if not weight}
    assert unseen <= WITHOUT_A_WITNESS


def test_weak_and_wrong_classes_together_say_what_none_of_them_does():
    """A yard in which somebody chops wood is seen as a broom, a barrel and a hatchet."""
    together = gather_evidence(seen(broom=0.11, barrel=0.07, hatchet=0.03, chain_saw=0.05))
    assert likeliest(together) == "chopwood"
    places = {p.name: s for p, s in zip(all_places(), together.places[0], strict=True)}
    assert max(places, key=places.__getitem__) == "yard"
    alone = gather_evidence(seen(broom=0.11))
    assert alone.scenes.max() < together.scenes.max()


def test_a_sports_hall_is_no_cheering_crowd():
    evidence = gather_evidence(
        seen(balance_beam=0.17, racket=0.07, scoreboard=0.1, volleyball=0.05)
    )
    assert likeliest(evidence) in ("racket", "gymnast")
    assert all_places()[int(evidence.places[0].argmax())].name == "hall"


def test_a_hundred_breeds_are_one_witness():
    one = gather_evidence(seen(beagle=0.8))
    many = gather_evidence(seen(beagle=0.2, borzoi=0.2, collie=0.2, boxer=0.2))
    assert many.scenes == pytest.approx(one.scenes, abs=1e-4)


def test_things_speak_too_until_something_else_is_looked_at():
    thing = Thing("keyboard", 0.9, (0, 0, 1, 1))
    sightings = [
        Sighting(Fraction(0), things=(), looked_for=frozenset({"things"})),
        Sighting(Fraction(1), things=(thing,), looked_for=frozenset({"things"})),
    ]
    evidence = gather_evidence(np.zeros((8, 1000), np.float32), sightings)
    typing = [scene.name for scene in all_scenes()].index("typing")
    assert (evidence.scenes[:4, typing] == 0).all() and (evidence.scenes[4:, typing] > 2).all()


def test_words_ask_for_a_phrase_a_scene_a_thing_or_themselves():
    def asked(words):
        return [line.phrase.words for line in asked_lines(words)]

    assert asked("heavy rain on the road") == ["rain"]
    assert asked("typing on typewriter") == ["typing on typewriter"]
    assert asked("snowmobile") == ["motorcycle engine"]
    assert asked("rock concert") == []  # music is nobody's Foley
    assert asked("oriole singing") == ["oriole singing"]
    assert asked("man firing rifle") == ["gunshot"]  # no fire
    assert asked("dog bow-wow") == ["dog barking"]  # and no bow
    assert asked("puppies on deck") == ["puppy barking"]
    assert asked("boots on gravel") == ["footsteps on gravel"]


def test_lights_in_the_dark_are_fireworks():
    spiders = seen(barn_spider=0.4)
    assert likeliest(gather_evidence(spiders, dark=np.array([True]))) == "fireworks"
    assert likeliest(gather_evidence(spiders, dark=np.array([False]))) != "fireworks"


def test_it_says_why():
    evidence = gather_evidence(seen(broom=0.11, barrel=0.07, hatchet=0.31))
    chopping = [scene.name for scene in all_scenes()].index("chopwood")
    assert evidence.why(slice(0, 1), chopping).startswith("hatchet .31, ")
