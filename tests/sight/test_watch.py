"""When detectors are asked, and what keeps its number."""

from fractions import Fraction

import numpy as np

from foleycli.frames.decode import Picture
from foleycli.sight.identity import Identities
from foleycli.sight.sightings import Person, Thing
from foleycli.sight.watch import Watcher
from tests.drawings import figure, stop_sign


class Fake:
    """A detector that counts and finds what it is told to."""

    def __init__(self, found=()):
        self.found, self.looks = found, 0

    def find(self, picture):
        self.looks += 1
        return self.found

    def find_palms(self, picture):
        self.looks += 1
        return []


def watcher(things=(), people=()):
    made = Watcher()
    fakes = {"things": Fake(things), "people": Fake(people), "hands": Fake()}
    for kind, fake in fakes.items():
        made.__dict__[f"_{kind}_in"] = fake
    return made, fakes


def pictures(seconds, move=0.0, rate=24, cut=None):
    """Film of stripes, which move by some pixels a second; after ``cut`` of other ones."""
    for n in range(round(seconds * rate)):
        x = np.arange(160) + move * n / rate
        wide = 40 if cut is None or n < cut * rate else 11
        stripes = np.where(x % wide < wide / 2, 200, 40).astype(np.uint8)
        luma = np.broadcast_to(stripes if wide == 40 else 255 - stripes, (90, 160)).copy()
        time, rgb = Fraction(n, rate), np.zeros((216, 384, 3), np.uint8)
        yield Picture(time, Fraction(1, rate), luma, None, 0, lambda rgb=rgb: rgb)


DOG = Thing("dog", 0.9, (0.1, 0.1, 0.5, 0.5))
SOMEBODY = Thing("person", 0.9, (0.1, 0.1, 0.5, 0.9))


def test_what_stands_still_is_looked_at_once():
    made, fakes = watcher([DOG])
    for picture in pictures(10):
        made.push(picture)
    assert fakes["things"].looks == 1
    assert not fakes["people"].looks and not fakes["hands"].looks
    assert [thing.name for thing in made.sightings[0].things] == ["dog"]
    assert made.sightings[0].looked_for == {"things"} and made.sightings[0].aspect == 384 / 216


def test_nobody_means_no_look_for_joints():
    made, fakes = watcher([DOG])
    for picture in pictures(10, move=30):
        made.push(picture)
    assert 6 <= fakes["things"].looks <= 9
    assert not fakes["people"].looks and fakes["hands"].looks <= 5


def test_somebody_who_moves_is_watched():
    joints = np.full((17, 3), 0.5, np.float32)
    made, fakes = watcher([SOMEBODY], (Person(joints, 0.9, (0.1, 0.1, 0.5, 0.9)),))
    for picture in pictures(10, move=30):
        made.push(picture)
    assert 35 <= fakes["people"].looks <= 42
    assert 10 <= fakes["hands"].looks <= 14
    assert {p.track for seen in made.sightings for p in seen.people} == {0}
    still, fakes = watcher([SOMEBODY], (Person(joints, 0.9, (0.1, 0.1, 0.5, 0.9)),))
    for picture in pictures(10):
        still.push(picture)
    assert fakes["people"].looks <= 11


def test_a_cut_is_looked_at_at_once_and_everything_is_another_one():
    made, fakes = watcher([DOG])
    for picture in pictures(4, cut=2):
        made.push(picture)
    assert fakes["things"].looks == 2
    first, second = made.sightings
    assert 2 <= second.time <= Fraction(22, 10)
    assert first.things[0].track != second.things[0].track


def test_cut_upon_cut_is_not_looked_at_each_time():
    made, fakes = watcher([DOG])
    flicker = [next(pictures(0.1, cut=1 - n % 2)) for n in range(80)]
    for n, picture in enumerate(flicker):
        made.push(Picture(Fraction(n, 8), Fraction(1, 8), picture.luma, None, 0, picture.larger))
    assert fakes["things"].looks <= 10 / 1.25 + 3


def test_numbers_are_kept_by_what_moves():
    names = Identities()
    boxes = [(0.1, 0.4, 0.3, 0.6), (0.6, 0.4, 0.8, 0.6)]
    assert names.number(["car", "car"], boxes, Fraction(0)) == [0, 1]
    moved = [(0.5, 0.4, 0.7, 0.6), (0.2, 0.4, 0.4, 0.6)]
    assert names.number(["car", "car"], moved, Fraction(1)) == [1, 0]
    assert names.number(["dog"], moved[:1], Fraction(2)) == [2]
    assert names.number(["car"], [(0.2, 0.4, 0.9, 0.9)], Fraction(2)) == [3]  # far larger
    assert names.number(["car"], moved[1:], Fraction(9)) == [4]  # long gone


def test_the_networks_see_a_drawn_figure_and_a_sign():
    made = Watcher()
    for n in range(30):
        color = figure(220, raised=0 if n < 15 else 60) if n < 22 else stop_sign()
        luma = color[::4, ::4].mean(axis=2).astype(np.uint8)
        time = Fraction(n, 10)
        made.push(Picture(time, Fraction(1, 10), luma, None, 0, lambda color=color: color))
    people = [seen for seen in made.sightings if seen.people]
    assert len(people) >= 2 and people[0].things[0].name == "person"
    wrists = [seen.people[0].joints[9, 1] * 360 for seen in people]
    assert wrists[0] - wrists[-1] > 35  # it was raised by 60 pixels
    assert {seen.people[0].track for seen in people} == {0}
    last = [seen.things for seen in made.sightings if "things" in seen.looked_for][-1]
    assert [thing.name for thing in last] == ["stop sign"]
