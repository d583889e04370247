"""How far away a shot is, where what moves is, and what room a shot has."""

import math
from fractions import Fraction

import numpy as np
import pytest

from foleycli.config import SPACE
from foleycli.sight.sightings import Hand, Person, Sighting, Thing
from foleycli.spot import stage
from foleycli.spot.features import Features
from foleycli.spot.find import Stretch
from foleycli.spot.scene import all_places
from foleycli.spot.stage import rooms_of
from foleycli.spot.where import (
    ANGLE,
    distance_of,
    moving_distance,
    pan_of,
    shot_distance,
    steady_hits,
    steady_places,
)
from foleycli.waveform.rooms import ROOMS

SOMEBODY = Thing("person", 0.9, (0.4, 0.1, 0.6, 0.9))


def person(share: float) -> Person:
    """Somebody whose shoulders span a share of the picture's height."""
    joints = np.zeros((17, 3), np.float32)
    joints[5], joints[6] = (0.5, 0.5, 0.9), (0.5 + share, 0.5, 0.9)
    return Person(joints, 0.9, (0, 0, 1, 1))


def test_a_box_says_its_pan_and_its_size_how_far_it_is() -> None:
    assert pan_of((0.0, 0, 0.5, 1)) == pytest.approx(-0.5)
    near, far = distance_of("person", (0, 0.1, 1, 0.9)), distance_of("person", (0, 0.3, 1, 0.7))
    assert far == pytest.approx(2 * near)
    assert distance_of("unicorn", (0, 0, 1, 1)) == 0


def test_shoulders_say_how_far_a_shot_is() -> None:
    looks = [Sighting(Fraction(i), people=(person(0.1),)) for i in range(3)]
    assert shot_distance(looks) == pytest.approx(0.36 / (2 * 0.1 * math.tan(ANGLE / 2)))
    wide = [Sighting(Fraction(i), aspect=2.0, people=(person(0.1),)) for i in range(3)]
    assert shot_distance(wide) == pytest.approx(shot_distance(looks) / 2)


def test_people_count_before_hands_and_hands_before_things() -> None:
    points = np.zeros((21, 3), np.float32)
    points[12, 1] = 0.5
    hand = Hand(points, 0.9, 0.0)
    close = Sighting(Fraction(0), hands=(hand,), things=(SOMEBODY,))
    assert shot_distance([close]) < 1 < shot_distance([Sighting(Fraction(0), things=(SOMEBODY,))])
    assert shot_distance([Sighting(Fraction(0), hands=(hand,), people=(person(0.05),))]) > 5
    assert shot_distance([]) == 0


def test_what_lies_is_measured_along_its_longer_side() -> None:
    lying, standing = (0.2, 0.5, 0.4, 0.55), (0.2, 0.5, 0.25, 0.5 + 0.2 * 16 / 9)
    assert distance_of("knife", lying) == pytest.approx(distance_of("knife", standing))


def test_what_has_no_name_is_as_near_as_it_is_large() -> None:
    assert moving_distance(0, 2.0) == 0
    near, far = moving_distance(0.3, 2.0), moving_distance(0.15, 2.0)
    assert far == pytest.approx(2 * near)
    assert moving_distance(1e-3, 2.0) == 2 * SPACE.nameless
    hand = Sighting(Fraction(0), people=(person(0.05),))
    table = Sighting(Fraction(0), things=(Thing("chair", 0.9, (0, 0.2, 1, 0.8)),))
    assert shot_distance([hand], 1.0) > 5  # somebody says more than what moves
    assert shot_distance([table], 1.0) == 1.0  # what stands there says less


@pytest.mark.parametrize(
    ("pans", "heard"),
    [
        ([0.1, 0.12, 0.9, 0.1, 0.12], [0.1, 0.1, 0.12, 0.12, 0.12]),  # it jumps away and back
        ([-0.6, 0.6, -0.6, 0.6, -0.6, 0.6], [-0.6, 0.6, -0.6, 0.6, -0.6, 0.6]),  # two things
        ([-0.8, -0.4, 0.0, 0.4, 0.8], [-0.8, -0.4, 0.0, 0.4, 0.8]),  # it goes through the picture
        ([0.3], [0.3]),
        ([], []),
    ],
)
def test_hits_of_a_shot_keep_to_their_things(pans, heard) -> None:
    assert steady_hits(pans) == pytest.approx(heard)


def test_places_do_not_tremble_but_follow() -> None:
    there = [{"pan": pan, "distance": 3.0} for pan in (0.0, 0.04, 0.9, 0.03, 0.0, 0.5, 0.52, 0.5)]
    assert [place["pan"] for place in steady_places(there)] == [0.02] * 5 + [0.5] * 3


def test_a_shot_has_the_room_that_is_seen_longest_in_it_where_that_is_sure(monkeypatch) -> None:
    named = {place.name: place for place in all_places()}
    seen = [
        Stretch(Fraction(0), Fraction(3), (), named["kitchen"], 0.9, ""),
        Stretch(Fraction(3), Fraction(4), (), named["street"], 0.9, ""),
        Stretch(Fraction(4), Fraction(6), (), named["room"], 0.9, ""),
        Stretch(Fraction(6), Fraction(8), (), named["forest"], SPACE.sure_place - 0.1, ""),
    ]
    monkeypatch.setattr(stage, "watch", lambda features: iter(seen))
    features = Features(
        np.zeros((32, 512), np.float32), Fraction(8), (Fraction(4), Fraction(6)),
        np.zeros((32, 1000), np.float16),
    )  # fmt: skip
    rooms = [(span.start, span.end, span.room) for span in rooms_of(features)]
    assert rooms == [(0, 6, "small"), (6, 8, "")]


def test_every_place_has_a_room_that_is_known_or_none() -> None:
    assert {place.room for place in all_places()} - {""} <= set(ROOMS)
