"""A hand that is braked is heard as it stops; one that waves smoothly is not."""

from fractions import Fraction

import numpy as np
import pytest

from foleycli.sight.brakes import find_brakes
from foleycli.sight.sightings import Hand, Sighting


def seen(path, rate: int = 9, seconds: int = 5) -> list[Sighting]:
    """Sightings of a hand of a tenth of the picture whose height follows a path of time."""
    shape = np.random.default_rng(0).uniform(-0.03, 0.03, (21, 3)).astype(np.float32)
    shape[0], shape[9] = (0, 0.05, 0), (0, -0.05, 0)
    sightings = []
    for i in range(rate * seconds):
        points = shape + np.array([0.5, path(i / rate), 0], np.float32)
        sightings.append(Sighting(Fraction(i, rate), hands=(Hand(points, 0.9, 1.0, track=2),)))
    return sightings


def blows(t: float) -> float:
    """Down in .25 s to land at 1, 2, 3 and 4 s, up again slowly."""
    part = t % 1
    u = min(1, part / 0.6)
    return 0.7 - 0.3 * (1 - ((part - 0.75) / 0.25) ** 2 if part > 0.75 else u * u * (3 - 2 * u))


def test_blows_are_found_where_they_land():
    brakes = find_brakes(seen(blows))
    assert len(brakes) == 4
    assert [brake.time for brake in brakes] == pytest.approx([1, 2, 3, 4], abs=0.1)
    assert all(brake.track == 2 and abs(brake.y - 0.7) < 0.15 for brake in brakes)


def test_a_hit_nearby_says_when():
    hits = np.zeros(5 * 64)
    hits[[66, 64 * 3 - 3]] = 0.8
    times = [brake.time for brake in find_brakes(seen(blows), hits)]
    assert times[0] == 66 / 64
    assert times[2] == (64 * 3 - 3) / 64


def test_waving_and_resting_hands_are_silent():
    assert not find_brakes(seen(lambda t: 0.5 + 0.05 * np.sin(2 * np.pi * 0.4 * t)))
    assert not find_brakes(seen(lambda t: 0.5))
    assert not find_brakes([])
